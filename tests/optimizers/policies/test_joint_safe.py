"""Where choosing jointly gains nothing, the safe one loses nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.policies.grouped import AllocateOnly, RouteOnly
from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.policies.joint_safe import JointSafe
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.static import StaticMix
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learn = Callable[[Kind], tuple[Lesson, Predictor, Rehearsal]]
Learned = tuple[Lesson, Predictor, Rehearsal]


@pytest.mark.parametrize("kind", ["clones", "dominating"])
def test_it_does_not_lose_to_the_best_simple_policy(learn: Learn, kind: Kind) -> None:
    lesson, predictor, rehearsal = learn(kind)
    members = [make.from_predictor(lesson, predictor, rehearsal) for make in (RouteOnly, AllocateOnly)]
    safe = JointSafe.from_predictor(lesson, predictor, rehearsal, members)
    simple = [StaticMix.fit(lesson), *members]
    test = plant(kind, 1500, seed=9, hidden=0.0)
    for budget in (150.0, 300.0, 550.0):
        reached = [test.value(p.assign(test.table.batch(), budget * 1500).arms) for p in (safe, *simple)]
        assert reached[0] >= max(reached[1:]) - 0.01, f"at {budget}: {reached}"


def test_it_chooses_jointly_where_that_gains(learn: Learn) -> None:
    learned = learn("crossing")
    joint = Joint.from_predictor(*learned)
    safe = JointSafe.from_predictor(*learned, members=[joint])
    test = plant("crossing", 1500, seed=9, hidden=0.0)
    for budget in (300.0, 550.0):
        values = [test.value(policy.assign(test.table.batch(), budget * 1500).arms) for policy in (safe, joint)]
        assert values[0] >= values[1] - 0.01


def test_a_probe_that_others_need_is_paid_for_by_the_mixture_too(small: Learned) -> None:
    lesson, predictor, rehearsal = small
    probed = predictor.model_copy(update={"probe": "entropy", "probe_cost": 5.0, "probe_high": 6.0})
    fitted = JointSafe.from_predictor(lesson, predictor, rehearsal)
    batch = plant("crossing", 50, seed=3).table.batch()

    def safe(first: int, last: int) -> JointSafe:
        schedule = fitted.schedule.model_copy(
            update={"choices": (first,) * (len(fitted.schedule.choices) - 1) + (last,)}
        )
        return fitted.model_copy(update={"predictor": probed, "schedule": schedule})

    assert safe(0, 0).probe is None
    assert safe(0, 4).probe == "entropy"
    alone, with_probe = (safe(0, last).assign(batch, 250.0 * 50) for last in (0, 4))
    mixed = fitted.mix.assign(batch, 245.0 * 50)
    assert with_probe.expected.tolist() == (mixed.expected + 5.0).tolist()
    assert with_probe.expected.sum() <= 250.0 * 50
    assert not np.array_equal(alone.arms, with_probe.arms)


def test_a_choice_among_members_that_do_not_exist_is_refused(small: Learned) -> None:
    content = JointSafe.from_predictor(*small).to_json()
    with pytest.raises(UsageError, match="members"):
        JointSafe.from_json(content | {"schedules": content["schedules"][:2]})
    broken = content["schedule"] | {"choices": [9] * len(content["schedule"]["choices"])}
    with pytest.raises(UsageError, match="members"):
        JointSafe.from_json(content | {"schedule": broken})
