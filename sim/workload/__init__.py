"""Workloads: when requests arrive and how long they are, built once per run as integers and named by a digest.

Determinism across machines is settled here: random floats are turned into integer nanoseconds gap by gap, before
anything is added up, and nothing of a float reaches the simulation after that. ``exp`` may differ in its last bit
between instruction sets; that changes a rounded gap about once in a million gaps, and then the digest says so.
"""

from sim.workload.build import Workload, build_workload
from sim.workload.loaders import FORMATS, LoadedTrace, load_workload
from sim.workload.trace import Trace, load_trace, trace_names

__all__ = [
    "FORMATS",
    "LoadedTrace",
    "Trace",
    "Workload",
    "build_workload",
    "load_trace",
    "load_workload",
    "trace_names",
]
