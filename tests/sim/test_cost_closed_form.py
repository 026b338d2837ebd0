"""Whatever the cost model: a stretch's arithmetic progression is the loop over its iterations."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.cost import Cost, IterationCost, load_profile, profile_names, roofline_cost
from sim.cost.terms import Terms, TermsCost
from sim.hardware import find_gpu
from sim.models import find_model


def _costs() -> list[Cost]:
    profiles = [load_profile(name) for name in profile_names()]
    fixed = {"decode_attention_ns_per_token": 380, "prefill_attention_ps_per_pair": 13576}
    costs: list[Cost] = [IterationCost(p, **({} if p.has_attention else fixed)) for p in profiles]
    shapes = [("A10", "Llama-3-8B", 1), ("L40S", "Qwen3-30B-A3B", 1), ("B200-SXM", "Qwen2.5-7B", 4)]
    costs += [roofline_cost(find_gpu(gpu), find_model(model), ways) for gpu, model, ways in shapes]
    return [*costs, *(cost.scaled(percent) for cost in costs for percent in (37, 250))]


COSTS = _costs()
repeatably = settings(deadline=None, derandomize=True)
SMALL = st.integers(0, 3_000_001)


def looped(cost: Cost, decodes: int, context: int, count: int) -> list[int]:
    return [cost.iteration_ns(decodes, context + i * decodes, 0, 0, 0) for i in range(count)]


def in_closed_form(cost: Cost, decodes: int, context: int, count: int) -> list[int]:
    first_ns, step_ns = cost.decodes_ns(decodes, context)
    return [first_ns + i * step_ns for i in range(count)]


@repeatably
@given(st.sampled_from(COSTS), st.integers(1, 1_500), st.integers(1, 10**7))
def test_of_every_model_that_ships(cost, decodes, context):
    assert cost.linear
    assert in_closed_form(cost, decodes, context, 20) == looped(cost, decodes, context, 20)


@repeatably
@given(st.builds(Terms, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL), st.integers(1, 3_000), st.integers(1, 10**6))
def test_of_any_constants(terms, decodes, context):
    cost = TermsCost([0, 5, 9], lambda tokens: 4 * tokens, terms)
    assert in_closed_form(cost, decodes, context, 20) == looped(cost, decodes, context, 20)


@repeatably
@given(st.integers(0, 10**6), st.integers(1, 3_000), st.integers(0, 10**7))
def test_a_kv_token_costs_its_price_but_for_half_a_ns_an_iteration_and_token(price_fs, decodes, context):
    cost = TermsCost([0, 1], lambda tokens: 1, Terms(decode_fs_per_kv_token=price_fs))
    exact = price_fs * context / 10**6
    assert abs(cost.decodes_ns(decodes, context)[0] - 1 - exact) <= 0.5 * context / decodes + 1
