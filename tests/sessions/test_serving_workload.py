"""What an evaluation takes from its scenario when a trace file brings the requests."""

from __future__ import annotations

from pathlib import Path

from sessions.playground import DesignUnderTest, Job
from sessions.serving_workload import workload_of
from sim.scenario import load_scenario


def job(scenario: str, path: Path) -> Job:
    return Job(scenario, "router", DesignUnderTest("llq"), 1, False, 60.0, trace=(str(path), ""))


def test_requests_of_a_trace_keep_the_tiers_of_the_scenario(tmp_path: Path) -> None:
    trace = tmp_path / "mine.csv"
    rows = "".join(f"{second},50,6\n" for second in range(200))
    trace.write_text(f"arrived_at,num_prefill_tokens,num_decode_tokens\n{rows}", "utf-8")
    tiered, remark = workload_of(job("slo-tiers", trace), load_scenario("slo-tiers"))
    assert tiered.priority is not None
    assert len(set(tiered.priority.tolist())) > 1
    assert remark.endswith("it states no tiers, so requests have those of slo-tiers.")
    plain, remark = workload_of(job("smoke", trace), load_scenario("smoke"))
    assert (plain.priority, remark) == (None, "")
