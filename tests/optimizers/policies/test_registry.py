"""All shipped policies keep to the shipped conformance suite."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest

from apportion.errors import UnknownName, UsageError
from apportion.optimizers.policies.base import ArmPolicy, MakePolicy
from apportion.optimizers.policies.registry import (
    POLICIES,
    fit_all,
    fit_each,
    policy_from_json,
    policy_named,
    policy_to_json,
)
from apportion.optimizers.tables.table import Lesson
from apportion.testing.policy import PolicyConformance, few_arms_lesson, gapped_lessons, small_lesson


@cache
def fitted(lesson: Lesson) -> dict[str, ArmPolicy]:
    return fit_all(POLICIES, lesson)


@cache
def fitted_anew(lesson: Lesson) -> dict[str, ArmPolicy]:
    return fit_all(POLICIES, lesson)


@cache
def fitted_parts(lessons: tuple[Lesson, ...]) -> dict[str, ArmPolicy]:
    return fit_each(POLICIES, lessons)


class Suite(PolicyConformance):
    policy = ""

    def make(self) -> MakePolicy:
        return policy_named(self.policy)

    def fit(self, lesson: Lesson) -> ArmPolicy:
        return fitted(lesson)[self.policy]

    def fit_anew(self, lesson: Lesson) -> ArmPolicy:
        return fitted_anew(lesson)[self.policy]

    def fit_parts(self, lessons: tuple[Lesson, ...]) -> ArmPolicy:
        return fitted_parts(lessons)[self.policy]


for _name in POLICIES:
    _title = "".join(part.title() for part in _name.split("_"))
    globals()[f"Test{_title}"] = type(f"Test{_title}", (Suite,), {"policy": _name})


def test_any_policy_is_read_by_its_name() -> None:
    for name, policy in fitted(few_arms_lesson("clones")).items():
        assert policy_from_json(policy.to_json()).name == name == policy.name


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="'policy'"):
        policy_from_json({"arms": []})
    with pytest.raises(UnknownName, match="'joint'"):
        policy_from_json({"policy": "jont"})
    with pytest.raises(UnknownName, match="'online'"):
        fit_all(["onlin"], small_lesson())


@pytest.mark.parametrize(
    ("policy", "path", "value", "said"),
    [
        ("static", "means.costs", [-1.0, 2.0], "field 'means': .*must not be negative"),
        ("static", "means.scores", [0.5], "field 'means': .*lists of one length"),
        ("static", "means.scores", [float("nan"), 1.0], r"field 'means\.scores': .*finite"),
        ("static_mix", "seed", 1.5, "field 'seed'"),
        ("joint", "schedule.choices", [-1], "field 'schedule'"),
        ("joint", "predictor.share", 1e999, r"field 'predictor\.share'"),
        ("joint", "predictor.probe_cost", -1, r"field 'predictor\.probe_cost'"),
        ("joint", "predictor.arms", [], "field 'predictor': .*at least one"),
        ("joint", "predictor.arm_scores", [10**400, 0], r"field 'predictor\.arm_scores'"),
        ("joint", "predictor.encoder.rarity", [1.0], r"field 'predictor\.encoder': .*rarity"),
        ("joint", "predictor.encoder.count_scale", [1.0], r"field 'predictor\.encoder': .*count_scale"),
        ("joint", "predictor.calibration", {"kind": "isotonic"}, r"field 'predictor\.calibration'"),
        ("online", "prices", [[1.0]], "prices does not fit"),
        ("quality_gap", "pairs", [[0, 7]], "pairs does not fit"),
        ("quality_gap", "heads.bias", [0.0] * 50, "heads does not fit"),
        ("best_route", "references", [-1], "references does not fit"),
        ("clusters", "partitions", [{"centers": [[1.0]], "scores": [[1.0]], "costs": [[1.0]]}], "partitions does not"),
        ("factorisation", "factors.arms", [0, 0], r"factors\.arms does not fit"),
        ("factorisation", "factors.project", [[1.0]], "factors does not fit"),
        ("difficulty_bins", "bins", [{"edges": [], "scores": [[1.0]]}], "bins does not fit"),
        ("marginal_gain", "frontier", [9], "frontier does not fit"),
        ("marginal_gain", "frontier", [], "frontier does not fit"),
    ],
)
def test_hostile_values_are_named(policy: str, path: str, value: object, said: str) -> None:
    content = json.loads(json.dumps(fitted(few_arms_lesson("clones"))[policy].to_json()))
    *steps, last = path.split(".")
    holder = content
    for step in steps:
        holder = holder[step]
    holder[last] = value
    with pytest.raises(UsageError, match=said):
        policy_from_json(content)


def test_policies_of_a_comparison_share_one_predictor() -> None:
    policies = fit_all(["joint_up_front", "route_only", "static"], few_arms_lesson("clones"))
    assert list(policies) == ["joint_up_front", "route_only", "static"]
    predictors = [policies[name].to_json()["predictor"] for name in ("joint_up_front", "route_only")]
    assert predictors[0] == predictors[1]


def test_a_safe_policy_is_the_same_with_members_that_were_fitted_before() -> None:
    lesson = few_arms_lesson("clones")
    alone = fit_all(["joint_safe"], lesson)["joint_safe"]
    after_its_members = fit_all(["joint", "route_only", "allocate_only", "joint_safe"], lesson)["joint_safe"]
    assert after_its_members.to_json() == alone.to_json()


def test_policies_that_cannot_be_fitted_are_left_out_where_somebody_is_told() -> None:
    lesson = few_arms_lesson("clones")
    unsure = replace(lesson, fit=replace(lesson.fit, confidences=None))
    told: dict[str, UsageError] = {}
    assert list(fit_all(["static", "cascade"], unsure, left_out=told.__setitem__)) == ["static"]
    assert "confidence" in str(told["cascade"])
    with pytest.raises(UsageError, match="confidence"):
        fit_all(["static", "cascade"], unsure)


def test_a_part_without_the_policy_leaves_it_out_of_all() -> None:
    lessons = gapped_lessons()
    last = replace(lessons[-1], fit=replace(lessons[-1].fit, confidences=None))
    told: dict[str, UsageError] = {}
    assert list(fit_each(["static", "cascade"], (*lessons[:-1], last), left_out=told.__setitem__)) == ["static"]
    assert list(told) == ["cascade"]


def test_files_of_joint_from_before_cascades_are_read_as_joint_up_front() -> None:
    lesson = few_arms_lesson("clones")
    content = fitted(lesson)["joint_up_front"].to_json()
    assert policy_from_json({**content, "policy": "joint"}).name == "joint_up_front"
    assert policy_from_json(fitted(lesson)["joint"].to_json()).name == "joint"
    parts = policy_to_json(fitted_parts(gapped_lessons())["joint_up_front"])
    inner = [{**part, "policy": {**part["policy"], "policy": "joint"}} for part in parts["strata"]]
    assert policy_from_json({"policy": "joint", "strata": inner}).name == "joint_up_front"
