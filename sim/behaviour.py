"""The simulator's version of behaviour: it changes exactly when results do, whatever the package's version says.

The constant is the digest of the golden runs (:mod:`sim.golden`); a test recomputes it. Results, evidence and caches
are named by it, so two of them are comparable exactly if it is equal.
"""

BEHAVIOUR = "sim-2-3c375b289c51"
