"""A cascade runs as its column in a table says, whatever its rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import product

import numpy as np

from apportion.graphs.plan import Plan
from apportion.graphs.result import Result
from apportion.optimizers.serving.answer import Menu, served
from apportion.optimizers.tables.cascades import cascade_arm, cascade_outcomes
from apportion.optimizers.tables.table import Arm, FinalRule, Question, Stage, StopRule, Table, answer_numbers
from apportion.records.status import Status
from apportion.records.usage import Amount

REPLIES: tuple[str | None, ...] = ("yes", "no", "I don't know", None)
"""None is a failure; "yes" is right."""
PLANS = tuple(Plan("g", {"solve.samples": n}, ()) for n in (1, 3, 5))
ARMS = tuple(Arm(name, plan=plan.to_json()) for name, plan in zip("abc", PLANS, strict=True))


def result(plan: Plan, reply: str | None, sure: float) -> Result:
    failed = reply is None
    return Result(
        run_id=plan.hash,
        task_id="t",
        plan_hash=plan.hash,
        answer=reply or "",
        status=Status.PARSE_ERROR if failed else Status.OK,
        stop_reason="complete",
        score=float(reply == "yes"),
        charged=Amount(tokens=10),
        lost=Amount(),
        latency=0.0,
        confidence=None if failed else sure,
        abstained=reply == "I don't know",
    )


def test_every_rule_serves_as_it_is_priced() -> None:
    sure = (0.9, 0.4, 0.6)
    cells = list(product(REPLIES, repeat=3))
    said = [[None if reply == "I don't know" else reply for reply in row] for row in cells]
    told = np.array(cells, object)
    table = Table(
        tuple(Question(str(n), "?") for n in range(len(cells))),
        tuple(Arm(arm.name) for arm in ARMS),
        (told == "yes").astype(np.float64)[:, :, None],
        np.full((*told.shape, 1), 10.0),
        confidences=np.array(
            [[np.nan if reply is None else s for reply, s in zip(row, sure, strict=True)] for row in cells]
        )[:, :, None],
        answers=answer_numbers(said)[:, :, None],
        abstained=(told == "I don't know").astype(np.float64)[:, :, None],
    )
    rules: tuple[StopRule, ...] = ("confidence", "answered", "agrees", "always")
    finals: tuple[FinalRule, ...] = ("last", "first_sure", "plurality", "most_confident")
    for first, second, final in product(rules, rules, finals):
        stages = (Stage("a", 0.95, first), Stage("b", 0.3, second), Stage("c"))
        menu = Menu([cascade_arm(stages, final)], ARMS)
        scores, costs = cascade_outcomes(table, stages, final)
        for number, row in enumerate(cells):

            async def run(plan: Plan, before: Sequence[Result], row: tuple[str | None, ...] = row) -> Result:
                return result(plan, row[len(before)], sure[len(before)])

            results, cut = asyncio.run(menu.run(0, run))
            got = served("t", "", "", results, menu.said(0, results), cut=cut, nothing=Status.SKIPPED)
            assert (cut, got.stop_reason, got.reason) == (False, "complete", "")
            assert (got.score, got.charged.tokens) == (scores[number, 0], costs[number, 0]), (stages, final, row)
            assert got.abstained == (got.answer == "I don't know")


def test_a_plan_alone_is_a_cascade_of_one() -> None:
    menu = Menu(ARMS)

    async def run(plan: Plan, before: Sequence[Result]) -> Result:
        return result(plan, None, 0.1)

    results, cut = asyncio.run(menu.run(1, run))
    assert not cut
    assert [one.plan_hash for one in results] == [PLANS[1].hash]
    assert menu.said(1, results) is results[0]
    assert menu.said(1, []) is None


def test_a_cascade_that_a_cap_cuts_short_says_so() -> None:
    """The first plan's answer was not good enough to stop at, and stands because nothing further could be asked."""
    menu = Menu([cascade_arm((Stage("a", 0.95), Stage("b")))], ARMS)

    async def run(plan: Plan, before: Sequence[Result]) -> Result | None:
        return None if before else result(plan, "yes", 0.4)

    results, cut = asyncio.run(menu.run(0, run))
    got = served("t", "", "", results, menu.said(0, results), cut=cut, nothing=Status.SKIPPED)
    assert (got.answer, got.status, got.stop_reason) == ("yes", Status.OK, "budget")
    assert "no room for the next plan of the cascade" in got.reason
