"""The grammar of steering: what is understood, and that nothing else is guessed at."""

from __future__ import annotations

import pytest

from sessions.models.offline.steering import Directive, parse


@pytest.mark.parametrize(
    ("text", "directive"),
    [
        ("focus on the tail", Directive("focus", "e2e_s.p99")),
        ("please focus on TTFT", Directive("focus", "ttft_s.mean")),
        ("keep P99 within 5% of baseline", Directive("keep", "e2e_s.p99", 5.0)),
        ("keep max within 2.5 % of the baseline", Directive("keep", "e2e_s.max", 2.5)),
        ("P99 no worse than the baseline", Directive("keep", "e2e_s.p99", 0.0)),
        ("try waiting-bound 60", Directive("try", "waiting-bound", 60.0)),
        ("try a waiting bound of 30", Directive("try", "waiting-bound", 30.0)),
        ("try shortest prompt first", Directive("try", "shortest-prompt")),
        ("avoid head-room", Directive("avoid", "head-room")),
        ("don't use least-kv", Directive("avoid", "least-kv")),
        ("ablate", Directive("ablate", "")),
        ("ablate shortest-prompt", Directive("ablate", "shortest-prompt")),
        ("why is P99 so bad?", Directive("explain", "e2e_s.p99")),
        ("explain preemptions", Directive("explain", "preempted_share")),
        ("What drives the mean?", Directive("explain", "e2e_s.mean")),
        ("status", Directive("status")),
        ("accept spf-hr352m5", Directive("accept", "spf-hr352m5")),
        ("accept", Directive("accept", "")),
        ("continue", Directive("continue")),
        ("stop", Directive("stop")),
    ],
)
def test_one_instruction_is_understood(text: str, directive: Directive) -> None:
    assert parse(text).directives == (directive,)
    assert parse(text).unknown == ()


@pytest.mark.parametrize(
    "text",
    [
        "use the force",
        "make it faster",
        "rm -rf /",
        "try harder",
        "accept my apologies please",
        "[b]bold[/b]",
        "keep P99 5% below the baseline",
        "keep P99 within -5%",
        "no placement problems seen?",
        "focus on kv usage",
        "try waiting-bound " + "9" * 400,
    ],
)
def test_anything_else_is_said_to_be_unknown(text: str) -> None:
    assert parse(text).directives == ()
    assert parse(text).unknown == (text,)


def test_several_instructions_are_taken_in_order_and_the_rest_is_named() -> None:
    steering = parse("avoid least-kv and focus on the tail; paint it blue\nkeep mean within 10%")
    assert [d.action for d in steering.directives] == ["avoid", "focus", "keep"]
    assert steering.unknown == ("paint it blue",)


def test_an_empty_text_asks_for_nothing() -> None:
    assert parse(" \n ").directives == ()
    assert parse(" \n ").unknown == ()


def test_letters_that_only_look_like_a_figures_are_no_defect() -> None:
    assert parse("explain restart\u017f").directives == (Directive("explain", "preempted_share"),)
