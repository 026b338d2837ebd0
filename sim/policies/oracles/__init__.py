"""The shipped oracles: routers that know output lengths (:mod:`sim.oracle`), to bound what a router could reach."""
