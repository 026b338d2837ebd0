"""Sarathi: at most 512 tokens an iteration, decodes first, so that a long prompt never stalls those who decode.

Sarathi-Serve (Agrawal et al., OSDI 2024, arXiv 2403.02310), whose usual token budget is 512: the decodes of an
iteration count one token each, and prefill chunks fill up what is left of the budget. What the engine allows beyond
that stays unused. Order and victims are the engine's.
"""

from sim.api import Engine, ReplicaRequest

TOKEN_BUDGET = 512


class StallFree:
    def chunk(self, request: ReplicaRequest, budget: int, engine: Engine) -> int:
        placed = engine.token_budget - engine.tokens_left
        return min(budget, max(TOKEN_BUDGET - placed, 0))
