"""A cascade runs as its column in a table says, whatever its rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from apportion.graphs.plan import Plan
from apportion.graphs.result import Result
from apportion.optimizers.serving.answer import Menu, served
from apportion.optimizers.tables.cascades import cascade_arm, outcomes_of, replay
from apportion.optimizers.tables.confidence import Confidence
from apportion.optimizers.tables.table import Arm, FinalRule, Question, Stage, StopRule, Table, answer_numbers
from apportion.records.status import Status
from apportion.records.usage import Amount, Usage

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
        arm = cascade_arm(stages, final)
        menu = Menu([arm], ARMS)
        scores, costs = (each[:, 0] for each in outcomes_of([arm], table))
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


def test_tables_and_serving_are_equally_sure_and_withhold_the_same_answers() -> None:
    draws = np.random.default_rng(0)
    count = 40
    told = draws.choice(np.array(REPLIES, object), size=(count, 2))
    thinking = np.round(np.exp(draws.normal(5, 2, size=(count, 2)))).astype(np.float64)
    output = (thinking + draws.integers(0, 50, size=(count, 2))).astype(np.float64)
    sure = draws.random((count, 2))
    families = [("sums", "words", "unheard of")[n % 3] for n in range(count)]
    known = tuple(
        Confidence(b, (5.0, 3.0, 0.0), (1.5, 1.0, 2.0), (-1.0, 0.3, 0.7), (("sums", 0.5), ("words", -0.5)))
        for b in (0.0, 0.4)
    )
    said = [[None if reply == "I don't know" else reply for reply in row] for row in told]
    table = Table(
        tuple(Question(str(n), "?", family) for n, family in enumerate(families)),
        tuple(Arm(arm.name) for arm in ARMS[:2]),
        (told == "yes").astype(np.float64)[:, :, None],
        np.full((count, 2, 1), 10.0),
        confidences=np.where(told == None, np.nan, sure)[:, :, None],  # noqa: E711
        answers=answer_numbers(said)[:, :, None],
        abstained=(told == "I don't know").astype(np.float64)[:, :, None],
        thinking_tokens=thinking[:, :, None],
        output_tokens=output[:, :, None],
    )
    finals: tuple[FinalRule, ...] = ("last", "first_sure", "plurality", "most_confident")
    withheld = 0
    for final, length in product(finals, (1, 2)):
        stages = (Stage("a", 0.6, confidence=known[0]), Stage("b", confidence=known[1]))[:length]
        arm = cascade_arm(stages, final, answers_at=0.5)
        menu, found = Menu([arm], ARMS), replay([arm], table)
        for number, row in enumerate(told.tolist()):

            async def run(plan: Plan, before: Sequence[Result], n: int = number) -> Result:
                place = len(before)
                usage = Usage(5, output_tokens=int(output[n, place]), reasoning_tokens=int(thinking[n, place]))
                return replace(result(plan, told[n, place], float(sure[n, place])), usage=usage)

            results, cut = asyncio.run(menu.run(0, run, families[number]))
            said_last = menu.said(0, results, families[number])
            got = served("t", "", "", results, said_last, cut=cut, nothing=Status.SKIPPED)
            assert (got.score, got.charged.tokens) == (found.scores[number, 0, 0], found.costs[number, 0, 0]), row
            assert (got.status is Status.OK and not got.abstained) == found.answered[number, 0, 0]
            assert got.abstained == found.abstained[number, 0, 0]
            if got.stop_reason == "withheld":
                withheld += 1
                assert (got.answer, got.status, got.data) == ("", Status.SKIPPED, None)
                assert got.confidence is not None
                assert got.confidence < 0.5
                assert f"{got.confidence:.2f}" in got.reason
                assert "0.50" in got.reason
                assert got.run_ids
    assert withheld > 10


def test_an_answer_of_which_nothing_is_known_is_withheld_where_that_matters() -> None:
    menu = Menu([cascade_arm((Stage("a"),), answers_at=0.5)], ARMS)
    silent = replace(result(PLANS[0], "yes", 0.9), confidence=None)
    found = menu.said(0, [silent])
    assert found is not None
    assert (found.answer, found.stop_reason) == ("", "withheld")
    assert "nothing is known" in found.reason
