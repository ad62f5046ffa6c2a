from __future__ import annotations

import random
from collections.abc import Callable

from apportion.graphs.plan import Plan
from apportion.optimizers.search.capability import Capabilities, best_in_some_family
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.records.status import Status
from apportion.testing.optimizer import planted_space

SPACE = planted_space()
FAMILIES = ("even", "odd") * 30
Chance = Callable[[Plan, int], float]


def measured(chance: Chance, plans: list[Plan]) -> list[Measurement]:
    def outcome(plan: Plan, task: int) -> Outcome:
        luck = random.Random(f"{task}").random()
        cost = float(plan.values["solve.samples"] * plan.values["solve.max_output_tokens"])
        return Outcome(f"t{task}", Status.OK, float(luck < chance(plan, task)), cost, 0.0)

    return [Measurement(plan, tuple(outcome(plan, task) for task in range(60))) for plan in plans]


def plans(**values: object) -> list[Plan]:
    settings = [{"solve.samples": n, "solve.max_output_tokens": m} for n in (1, 3, 5) for m in (16, 64)]
    return [SPACE.plan({**setting, **values}, []) for setting in settings]


def test_a_budget_that_gains_nothing_in_any_family_is_advised_against() -> None:
    cards = Capabilities(SPACE, measured(lambda plan, _: 0.2 + 0.15 * plan.values["solve.samples"], plans()), FAMILIES)
    assert cards.wasteful(SPACE.plan({"solve.max_output_tokens": 64}))
    assert not cards.wasteful(SPACE.plan({"solve.samples": 5, "solve.max_output_tokens": 16}))


def test_a_gain_in_one_family_is_enough() -> None:
    def specialist(plan: Plan, task: int) -> float:
        return 0.9 if plan.values["solve.max_output_tokens"] == 64 and task % 2 else 0.2

    cards = Capabilities(SPACE, measured(specialist, plans()), FAMILIES)
    assert not cards.wasteful(SPACE.plan({"solve.max_output_tokens": 64, "solve.samples": 1}))
    gains = {card.family: card for card in cards.cards if card.knob == "solve.max_output_tokens"}
    assert gains["odd"].low > 0 >= gains["even"].low


def test_few_tasks_say_nothing() -> None:
    few = [m.first(20) for m in measured(lambda *_: 0.5, plans())]
    cards = Capabilities(SPACE, few, FAMILIES)
    assert not any(card.flat for card in cards.cards)
    assert not any(cards.wasteful(plan) for plan in SPACE)


def test_specialists_are_kept() -> None:
    cheap, even, odd = plans()[:3]
    chances = {cheap: (0.3, 0.3), even: (0.95, 0.1), odd: (0.1, 0.95)}
    found = best_in_some_family(measured(lambda plan, task: chances[plan][task % 2], [cheap, even, odd]), FAMILIES)
    assert {m.plan for m in found} == {cheap, even, odd}
    assert best_in_some_family([]) == []
