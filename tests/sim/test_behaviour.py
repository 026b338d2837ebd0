from __future__ import annotations

import subprocess
import sys

from sim.behaviour import BEHAVIOUR
from sim.golden import behaviour_digest


def test_results_are_those_of_the_declared_behaviour():
    assert behaviour_digest() == BEHAVIOUR, (
        "The simulator's results changed. If that is meant, write the digest that `python -m sim.golden` prints "
        "into sim/behaviour.py and say in CHANGELOG.md what changed."
    )


def modules_after(statement):
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_simulator_brings_in_no_agent_no_git_and_no_terminal():
    loaded = modules_after("import sim, sim.engine, sim.scenario, sim.golden, sim.scenario_file")
    assert not loaded & {"anthropic", "textual", "git", "typer", "rich", "sessions", "glia_tui", "asyncio"}


def test_running_a_simulation_needs_no_pydantic():
    assert "pydantic" not in modules_after("import sim.engine, sim.policies, sim.metrics")


def test_what_a_designs_process_loads_is_the_standard_library_alone():
    loaded = modules_after("import sim.api, sim.adapt, sim.errors, sim.policies")
    ours = {name for name in loaded if name.partition(".")[0] == "sim"}
    assert not loaded & {"numpy", "simpy", "pydantic"}
    adapt = {f"sim.adapt.{name}" for name in ("loading", "overlay", "router", "scheduler", "autoscaler")}
    rest = {"sim", "sim.api", "sim.adapt", "sim.errors", "sim.hooks", "sim.policies", "sim.names", "sim.oracle"}
    assert ours == adapt | rest
