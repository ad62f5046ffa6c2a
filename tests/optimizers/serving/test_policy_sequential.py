"""The deployed policy with what decides after looking: single questions, alone and capped; and what deciding is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from apportion.budgets.cap import Cap
from apportion.errors import UsageError
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.policies.sequential_policy import STOP, Seen
from apportion.optimizers.serving.policy import DeployedPolicy
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.probes import probe_names
from apportion.optimizers.tables.table import Arm, Batch, Question
from apportion.records import Status, Task
from apportion.testing.planted import plant
from apportion.testing.policy import shown_lesson
from apportion.testing.scripted import ScriptedModel

GRAPH = Graph("sized").add("solve", Solver(style="think", max_output_tokens=choose(20, 40, 90)))
SAYS = {20: "Answer: maybe", 40: "Answer: yes", 90: "so so\nAnswer: Yes."}
POOL = Pool(
    [
        ScriptedModel(
            lambda request: SAYS.get(request.max_output_tokens, "yes"), card=ModelCard(name="m", provider="scripted")
        )
    ]
)
ARMS = tuple(arm_of(GRAPH.space(POOL).plan({"solve.max_output_tokens": cap}), GRAPH.space(POOL)) for cap in SAYS)


class UntilTwoAgree:
    name = "until_two_agree"
    arms = ARMS
    probe = None

    def __init__(self, high: float) -> None:
        self.high = high

    def assign(self, batch: Batch, budget: float) -> Assignment:
        count = len(batch)
        return Assignment(np.zeros(count, np.intp), np.full(count, self.high / 2), np.full(count, self.high))

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        answers = [one.answer for one in seen if one.answered]
        return STOP if len(set(answers)) < len(answers) or len(seen) == 3 else len(seen)

    def to_json(self) -> Mapping[str, Any]:
        return {"policy": self.name}


def deployed(high: float = 1000.0) -> DeployedPolicy:
    return DeployedPolicy(GRAPH, POOL, UntilTwoAgree(high), Batch((Question("r", "Is it?"),)), budget=100.0)


@pytest.mark.parametrize("cap", [None, Cap(total=2000), Cap(per_task=2000)])
def test_a_single_question_is_asked_until_the_policy_stops(cap: Cap | None) -> None:
    served = deployed().invoke("Is this fine?", cap=cap)
    assert (len(served.run_ids), served.status, served.stop_reason) == (3, Status.OK, "complete")
    assert served.answer.lower().startswith("yes")
    assert served.arm == ARMS[0].name


def test_it_ends_with_what_was_seen_where_what_was_planned_is_spent_or_a_cap_has_no_room() -> None:
    short = deployed(1.0).invoke("Is this fine?")
    assert (len(short.run_ids), short.answer, short.stop_reason) == (1, "maybe", "budget")
    whole = deployed().invoke("Is this fine?").charged.tokens
    for tokens in (whole // 4, whole // 2, whole - 1):
        capped = deployed().invoke("Is this fine?", cap=Cap(total=tokens))
        assert capped.charged.tokens + capped.lost.tokens <= tokens


def test_what_a_probe_cost_is_no_longer_there_for_arms_with_a_cap_and_without() -> None:
    told: list[float] = []

    class Probing(UntilTwoAgree):
        probe: Any = probe_names(POOL, Task(question="Is it?"), "tokens")[0]

        def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
            told.append(left + seen[0].cost)
            return STOP

    reference = Batch((Question("r", "Is it?"),), {Probing.probe: np.array([0.5])})
    ready = DeployedPolicy(GRAPH, POOL, Probing(1000.0), reference, budget=100.0)
    served = ready.invoke("Is this fine?")
    ready.invoke("Is this fine?", cap=Cap(total=10_000))
    alone, capped = told
    assert alone == capped < 1000.0
    assert alone + served.charged.tokens >= 1000.0


def test_an_arm_without_a_plan_is_refused_before_anything_is_asked() -> None:
    policy = UntilTwoAgree(1000.0)
    policy.arms = (*ARMS, Arm("from a log"))
    with pytest.raises(UsageError, match="'from a log' has no plan"):
        DeployedPolicy(GRAPH, POOL, policy, Batch((Question("r", "Is it?"),)), budget=100.0)


def test_a_decision_is_what_the_whole_batch_would_be_assigned() -> None:
    """What is kept of the reference questions changes no decision."""
    lesson = shown_lesson()
    plan = ARMS[0].plan
    fresh = plant("dominating", 12, seed=5).table.batch()
    reference = Batch(lesson.fit.questions[:40])
    for policy in fit_all(["static_mix", "cascade_by_family", "joint", "sequential", "joint_safe"], lesson).values():
        others = tuple(Arm(arm.name, plan=plan) for arm in lesson.fit.arms)
        ready = DeployedPolicy(GRAPH, POOL, _Planned(policy, plan), reference, budget=lesson.budget, others=others)
        for question in fresh.questions:
            alone = Batch((question,))
            found = ready.decide(alone)
            place = int(_place(question, len(reference)))
            questions = [*reference.questions]
            questions.insert(place, question)
            whole = policy.assign(Batch(tuple(questions)), lesson.budget * len(questions))
            assert found.arms[0] == whole.arms[place], policy.name
            assert found.high[0] == whole.high[place]


class _Planned:
    """A policy whose arms have a plan, so that it can be deployed."""

    def __init__(self, policy: Any, plan: str) -> None:
        self._policy = policy
        self.name, self.probe = policy.name, policy.probe
        self.arms = tuple(arm if arm.stages else Arm(arm.name, plan=plan) for arm in policy.arms)
        self.predictors = getattr(policy, "predictors", None) or tuple(
            filter(None, (getattr(policy, "predictor", None),))
        )

    def assign(self, batch: Batch, budget: float) -> Assignment:
        found: Assignment = self._policy.assign(batch, budget)
        return found

    def to_json(self) -> Mapping[str, Any]:
        return {}


def _place(question: Question, count: int) -> int:
    import hashlib

    return int(hashlib.sha256(question.name.encode()).hexdigest(), 16) % (count + 1)
