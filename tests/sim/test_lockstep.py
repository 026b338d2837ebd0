"""The counters of the decoding requests against the requests themselves, one iteration at a time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.lockstep import Lockstep
from sim.request import NEVER, Request
from sim.stretch import Stretch

repeatably = settings(deadline=None, derandomize=True)
LENGTHS = st.tuples(st.integers(1, 60), st.integers(2, 90))


def prefilled(index, prompt_tokens, output_tokens):
    """A request at the end of its prefill: it has its first output token."""
    request = Request(index, 0, prompt_tokens, output_tokens)
    request.kv_tokens, request.generated_tokens = prompt_tokens, 1
    return request


def needs(kv_tokens, block_tokens, iterations):
    """New blocks that each of the next iterations takes for requests of ``kv_tokens`` cached tokens."""
    return [sum((kv + i) % block_tokens == 0 for kv in kv_tokens) for i in range(iterations)]


@st.composite
def batches(draw):
    """A lockstep in mid-run, its requests, and what each has in the cache and still has to generate."""
    block_tokens = draw(st.sampled_from([1, 2, 3, 16]))
    lockstep = Lockstep(block_tokens)
    lockstep.steps = draw(st.integers(0, 100))
    requests = [prefilled(i, *lengths) for i, lengths in enumerate(draw(st.lists(LENGTHS, min_size=1, max_size=12)))]
    for request in requests:
        lockstep.join(request)
    return block_tokens, lockstep, requests


@repeatably
@given(batches(), st.integers(0, 70))
def test_growth_and_context_are_those_of_the_requests(batch, iterations):
    block_tokens, lockstep, requests = batch
    each = needs([r.kv_tokens for r in requests], block_tokens, iterations + 1)
    assert lockstep.growth[lockstep.growing_phase()] == each[0]
    assert lockstep.growth_in(iterations) == sum(each[1:])
    assert lockstep.context_tokens() == sum(r.kv_tokens + 1 for r in requests)
    full = [r for r in requests if r.kv_tokens % block_tokens == 0]
    assert [r for r in requests if r.growth_phase == lockstep.growing_phase()] == full


@repeatably
@given(batches(), st.integers(0, 40))
def test_the_batch_is_unchanged_until_one_finishes_or_a_block_is_lacking(batch, free_blocks):
    block_tokens, lockstep, requests = batch
    to_finish = min(r.output_tokens - r.generated_tokens for r in requests)
    each = needs([r.kv_tokens for r in requests], block_tokens, to_finish)
    expected = max(k for k in range(1, to_finish + 1) if sum(each[1:k]) <= free_blocks)
    assert lockstep.unchanged(free_blocks) == expected


@repeatably
@given(batches(), st.integers(1, 60), st.integers(0, 20))
def test_what_a_stretch_takes_and_when_is_what_its_iterations_take(batch, count, step_ns):
    block_tokens, lockstep, requests = batch
    stretch = Stretch()
    stretch.begin(1_000, step_ns + 7, step_ns, count)
    each = needs([r.kv_tokens for r in requests], block_tokens, count)
    block_ns = sum(each[i] * stretch.boundary_ns(i) for i in range(1, count))
    assert lockstep.grown(stretch) == (sum(each[1:]), block_ns)


@repeatably
@given(batches(), st.data())
def test_tokens_are_booked_when_a_request_finishes_or_leaves(batch, data):
    _, lockstep, requests = batch
    tokens = {r: [r.kv_tokens, r.generated_tokens] for r in requests}
    while tokens:
        if data.draw(st.booleans()):
            gone = [data.draw(st.sampled_from(sorted(tokens, key=lambda r: r.id)))]
            lockstep.leave(gone[0])
        else:
            count = data.draw(st.integers(1, lockstep.unchanged(10**6)))
            for counts in tokens.values():
                counts[:] = [value + count for value in counts]
            gone = lockstep.advance(count)
            assert set(gone) == {r for r, (_, generated) in tokens.items() if generated == r.output_tokens}
        for request in gone:
            assert [request.kv_tokens, request.generated_tokens] == tokens.pop(request)
            assert request.decoding_since == NEVER
    assert (lockstep.size, lockstep.context_tokens(), lockstep.growth_in(5)) == (0, 0, 0)
