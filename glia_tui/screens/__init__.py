"""The screens: the study, and what opens over it."""
