"""The simulated LLM-serving cluster: hardware, workload, continuous batching, router, telemetry, metrics.

This package knows nothing of agents, sessions, git or terminals. Importing it is cheap on purpose (standard
library only): the process that hosts an untrusted design imports :mod:`sim.api` and nothing else.
"""
