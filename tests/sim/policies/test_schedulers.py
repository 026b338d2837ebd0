"""Each shipped batch scheduler's rule, pinned on a hand-made case, and the contract all their files keep."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import pytest

from sim.adapt import load_scheduler
from sim.api import ReplicaRequest
from sim.errors import PolicyInterfaceError, UnknownPolicy
from sim.oracle import Predicted
from sim.policies import PREDICTED, make_scheduler, policy_names, policy_source
from sim.predictor import predicted_tokens
from tests.sim.policies.test_routers import ALLOWED_IMPORTS


@dataclass
class SeenEngine:
    tokens_left: int = 2048
    token_budget: int = 2048


def file_of(name):
    module = import_module(f"sim.policies.schedulers.{name.replace('-', '_')}")
    return load_scheduler(vars(module), 0)(0)


def request(id, prompt=10, priority=0, arrival=None, restarts=0):
    return ReplicaRequest(id, id if arrival is None else arrival, prompt, 0, restarts, priority)


def ids(requests):
    return [r.id for r in requests]


def test_vllm_fcfs_is_the_engine_itself_and_its_file_says_the_engines_rules():
    assert make_scheduler("vllm-fcfs", 0) is None
    hooks = file_of("vllm-fcfs")
    queue = [request(7, restarts=1), request(3), request(5)]
    assert ids(hooks.admit(queue, None)) == [7, 3, 5]  # a preempted request is at the front already
    assert hooks.victim(queue, None).id == 5
    assert hooks.chunk is None


def test_vllm_priority_admits_by_priority_then_arrival_and_preempts_the_last_of_that_order():
    hooks = make_scheduler("vllm-priority", 0)(0)
    queue = [request(1, priority=1), request(4), request(2, priority=1, arrival=0), request(3)]
    assert ids(hooks.admit(queue, None)) == [3, 4, 2, 1]
    assert hooks.victim(queue, None).id == 1
    assert hooks.victim(queue[1:], None).id == 2


def test_sarathi_fills_a_budget_of_512_tokens_of_which_decodes_and_earlier_chunks_are_taken():
    chunk = make_scheduler("sarathi", 0)(0).chunk
    assert chunk(request(0), 2048, SeenEngine()) == 512
    assert chunk(request(0), 1900, SeenEngine(2048 - 100)) == 412  # 100 decodes are placed
    assert chunk(request(0), 70, SeenEngine(2048 - 100)) == 70  # all that it lacks
    assert chunk(request(0), 900, SeenEngine(2048 - 512)) == 0
    assert chunk(request(0), 900, SeenEngine(1000)) == 0
    assert chunk(request(0), 200, SeenEngine(256, 256)) == 200  # the engine's own budget is smaller


def test_shortest_prompt_admits_the_fewest_prompt_tokens_first_ties_to_the_earlier_arrival():
    queue = [request(1, 30), request(2, 20), request(3, 30, arrival=0), request(4, 20, arrival=2)]
    assert ids(make_scheduler("shortest-prompt", 0)(0).admit(queue, None)) == [2, 4, 3, 1]


def test_predicted_sjf_admits_the_fewest_predicted_tokens_first_ties_to_the_earlier_arrival():
    predicted = make_scheduler("predicted-sjf", 0)
    assert isinstance(predicted, Predicted)
    assert predicted.sigma == 0.5
    hooks = predicted.make({1: 9, 2: 4, 3: 9, 4: 100}.__getitem__)(0)
    assert ids(hooks.admit([request(4, 1), request(1, 99), request(2), request(3, arrival=0)], None)) == [2, 3, 1, 4]


def test_the_predictor_errs_by_a_log_normal_factor_that_depends_on_seed_and_request_alone():
    output = [200] * 20_000
    predicted = predicted_tokens(output, 0.5, 1)
    errors = np.log(np.array(predicted) / 200)
    assert abs(errors.mean()) < 0.02
    assert abs(errors.std() - 0.5) < 0.02
    assert predicted_tokens(output[:50], 0.5, 1) == predicted[:50]
    assert predicted_tokens([400, 200], 0.5, 1)[1] == predicted[1]
    assert predicted_tokens(output[:50], 0.5, 2) != predicted[:50]
    assert predicted_tokens([7, 1], 0.0, 1) == [7, 1]
    assert min(predicted_tokens([1] * 1000, 1.0, 1)) == 1


def test_no_design_gets_predictions():
    source = policy_source("scheduler", "predicted-sjf")
    namespace = {"__name__": "design"}
    exec(source, namespace)
    with pytest.raises(PolicyInterfaceError, match="predicted_tokens"):
        load_scheduler(namespace, 1)(0)


@pytest.mark.parametrize("name", policy_names("scheduler"))
def test_a_shipped_file_keeps_to_the_contract_of_a_design(name):
    tree = ast.parse(policy_source("scheduler", name))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= ALLOWED_IMPORTS
    assert (ast.get_docstring(tree) or "").partition("\n")[0].endswith(".")


def test_the_catalogue_is_complete_and_an_unknown_name_gets_the_nearest():
    assert policy_names("scheduler") == ["predicted-sjf", "sarathi", "shortest-prompt", "vllm-fcfs", "vllm-priority"]
    assert set(PREDICTED) <= set(policy_names("scheduler"))
    with pytest.raises(UnknownPolicy, match="no scheduler 'sarati'; did you mean 'sarathi'"):
        make_scheduler("sarati", 0)
    with pytest.raises(UnknownPolicy, match="no slot 'batcher'"):
        policy_names("batcher")
