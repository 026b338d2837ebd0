"""Closed forms against the loop over iterations they stand for."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.stretch import Stretch

repeatably = settings(deadline=None, derandomize=True)


@st.composite
def stretches(draw):
    step = draw(st.one_of(st.just(0), st.integers(1, 50), st.integers(1, 10**7)))
    # The first iteration of n requests reads at least n tokens, so its time is at least the step.
    first = step + draw(st.one_of(st.integers(1, 5), st.integers(1, 10**8)))
    stretch = Stretch()
    stretch.begin(draw(st.integers(0, 10**15)), first, step, draw(st.integers(1, 60)))
    return stretch


def boundaries(stretch):
    durations = (stretch.first_ns + i * stretch.step_ns for i in range(stretch.count))
    return list(accumulate(durations, initial=stretch.start_ns))


@repeatably
@given(stretches())
def test_boundaries_are_the_sums_of_the_iterations_times(stretch):
    assert [stretch.boundary_ns(i) for i in range(stretch.count + 1)] == boundaries(stretch)


@repeatably
@given(stretches())
def test_begin_returns_the_last_boundary(stretch):
    again = Stretch()
    end = again.begin(stretch.start_ns, stretch.first_ns, stretch.step_ns, stretch.count)
    assert end == boundaries(stretch)[-1]


@repeatably
@given(stretches(), st.data())
def test_an_iteration_has_ended_from_the_very_nanosecond_it_ends_at(stretch, data):
    ends = boundaries(stretch)
    index = data.draw(st.integers(0, stretch.count))
    assert stretch.ended_by(ends[index]) == index
    later = ends[index] + 1
    assert stretch.ended_by(later) == sum(end <= later for end in ends[1:])
    if index:
        assert stretch.ended_by(ends[index] - 1) == index - 1


@repeatably
@given(stretches(), st.lists(st.integers(0, 50), max_size=16), st.integers(1, 16), st.integers(0, 5), st.data())
def test_the_sum_of_evenly_spaced_boundaries_is_that_of_the_loop(stretch, weights, every, terms, data):
    first = data.draw(st.integers(0, stretch.count))
    expected = sum(
        weight * stretch.boundary_ns(first + k + every * q) for k, weight in enumerate(weights) for q in range(terms)
    )
    assert stretch.sum_of_boundaries(weights, first, every, terms) == expected


def test_of_a_stretch_without_iterations_none_has_ended():
    assert Stretch().ended_by(10**12) == 0
