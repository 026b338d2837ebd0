"""Experiments: evaluations outside the study's process, their isolation and their statistics."""
