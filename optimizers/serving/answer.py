"""One question answered by an arm: a plan, or a cascade of plans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import UsageError
from ...graphs.plan import Plan
from ...graphs.result import Result
from ...records.status import Status
from ...records.usage import NO_USAGE, ZERO, Amount, Usage
from ..tables.arms import plan_of
from ..tables.cascades import Signs, final_of, stops, withholds
from ..tables.confidence import signs_of
from ..tables.table import Arm, Stage, answer_numbers

__all__ = ["Menu", "Served", "served"]


@dataclass(frozen=True, slots=True)
class Served:
    """What became of one question."""

    task_id: str
    arm: str
    """The name of the arm that it was given, of several the first; empty where the policy left it unanswered."""
    planned: str
    """The arm that the policy had chosen when it last decided the rest of the batch."""
    answer: str
    status: Status
    """skipped where the policy left it unanswered, before looking or after; budget where the cap had no room for it."""
    stop_reason: str
    """As in `Result`; withheld where the policy left it unanswered after looking."""
    score: float | None
    """In [0, 1]; None where nobody scored."""
    confidence: float | None
    """How sure the answer is: as was learned where the arm carries that, else what it says itself. Of a withheld one
    too."""
    charged: Amount
    """By its runs; its probe comes on top."""
    lost: Amount
    run_ids: tuple[str, ...]
    """One, or one for each arm and each stage of a cascade that was tried."""
    reason: str = ""
    """Why there is no answer; empty where there is one."""
    data: Any = None
    """The value of an answer in JSON, see `JsonOutput`."""
    abstained: bool = False
    """Whether the answer says that there is none, such as "I don't know"."""
    usage: Usage = NO_USAGE
    """Tokens of all replies in its runs, as far as endpoints reported them credibly."""
    unscored: str = ""
    """Why a judge gave no score, see `Result.unscored`."""


_NOTHING = {
    Status.SKIPPED: "the policy leaves it unanswered at this budget; a higher one answers more",
    Status.BUDGET: "the cap has no room left for any arm",
}
"""Why nothing was run, by the status that says so."""
_SPENT = "all that was planned for the question is spent, so an answer stands that the policy would have looked beyond"
_CUT = "the cap had no room for the next plan of the cascade, so an answer stands that was not good enough to stop at"


class Menu:
    """The arms of a policy with the plans that they run.

    Args:
        arms: of the policy.
        others: further arms that the stages of cascades name.

    Raises:
        UsageError: an arm has no plan.
    """

    def __init__(self, arms: Sequence[Arm], others: Sequence[Arm] = ()) -> None:
        self._plans = {arm.name: plan_of(arm) for arm in (*arms, *others) if arm.plan}
        self._arms = [arm if arm.stages else Arm(arm.name, stages=(Stage(arm.name),)) for arm in arms]
        for stage in (stage for arm in self._arms for stage in arm.stages):
            if stage.arm not in self._plans:
                raise UsageError(
                    f"arm {stage.arm!r} has no plan, so nothing can run it; policies from logs only advise"
                )

    def plans(self, arm: int) -> tuple[Plan, ...]:
        """What an arm runs, one plan or those of its stages in order."""
        return tuple(self._plans[stage.arm] for stage in self._arms[arm].stages)

    async def run(
        self, arm: int, run: Callable[[Plan, Sequence[Result]], Awaitable[Result | None]], family: str = ""
    ) -> tuple[list[Result], bool]:
        """Runs an arm; a cascade until the rule of a stage ends it, or a cap is reached.

        Args:
            arm: its number.
            run: runs one plan, given what the stages before came to; None where that cannot be.
            family: of the question, as the policy sees it.

        Returns:
            What came of the stages, and whether a cap ended them before a rule did.
        """
        results: list[Result] = []
        stages = self._arms[arm].stages
        for count, stage in enumerate(stages, 1):
            result = await run(self._plans[stage.arm], results)
            if result is None:
                return results, True
            results.append(result)
            if result.status is Status.BUDGET:
                return results, True
            if bool(stops(stages[:count], _signs(results, stages, family))):
                break
        return results, False

    def said(self, arm: int, results: Sequence[Result], family: str = "") -> Result | None:
        """Which of the results of an arm is its answer, by its final rule; None where there is no result.

        Its confidence is what was learned of its arm, where the arm carries that. An answer that is not sure enough to
        stand is withheld: the result says so and has none, while the run's trace keeps it.
        """
        if not results:
            return None
        own = self._arms[arm]
        asked = own.stages[: len(results)]
        signs = _signs(results, asked, family)
        place = int(final_of(asked, signs, own.final))
        found, sure = results[place], float(signs.sure[place])
        if asked[place].confidence is not None and not found.status.failed:
            found = replace(found, confidence=sure)
        if bool(withholds(own, signs.answered[place], signs.sure[place])):
            return _withheld(found, own.answers_at)
        return found


def _withheld(found: Result, needed: float) -> Result:
    had = "which nothing is known of" if found.confidence is None else f"which is {found.confidence:.2f}"
    return replace(
        found,
        answer="",
        data=None,
        status=Status.SKIPPED,
        stop_reason="withheld",
        score=None if found.score is None else 0.0,
        reason=f"its answer was looked at and is withheld: it stands at a confidence of {needed:.2f} or more, {had}; "
        f"run {found.run_id} has it, and a policy fitted with smaller wrong_costs answers more",
    )


def _signs(results: Sequence[Result], stages: Sequence[Stage], family: str) -> Signs:
    """What shows of answers, as in tables."""
    gave = np.array([not result.status.failed for result in results])
    told = [result.answer if shown else None for result, shown in zip(results, gave.tolist(), strict=True)]
    answered = gave & ~np.array([result.abstained for result in results], bool)
    sure = np.array([_sure(*each, family) for each in zip(results, stages, strict=False)])
    return Signs(gave, answered, np.where(gave, sure, -np.inf), answer_numbers([told])[0])


def _sure(result: Result, stage: Stage, family: str) -> float:
    own = np.array([np.nan if result.confidence is None else result.confidence])
    if stage.confidence is None:
        return float(np.where(np.isnan(own), -np.inf, own)[0])
    thought, written = (np.array([float(n)]) for n in (result.usage.reasoning_tokens, result.usage.output_tokens))
    return float(stage.confidence.of(signs_of(thought, written, own), [family])[0])


def served(
    task_id: str,
    arm: str,
    planned: str,
    results: Sequence[Result],
    said: Result | None,
    *,
    cut: bool,
    spent: bool = False,
    nothing: Status,
    score: float | None = None,
) -> Served:
    """What became of a question, from what its arm came to.

    Args:
        task_id: of the question.
        arm: the name of the arm that it was given.
        planned: the name of the arm that it was to be given.
        results: of the arm's runs.
        said: the one that is its answer, see `Menu.said`. One that failed does not undo the answer of one before.
        cut: whether a cap ended its stages before a rule did, so that what stands was not good enough to stop at.
        spent: whether they ended because all that was planned for the question was spent.
        nothing: the status where there is no result.
        score: likewise.
    """
    return Served(
        task_id=task_id,
        arm=arm,
        planned=planned,
        answer="" if said is None else said.answer,
        status=nothing if said is None else said.status,
        stop_reason=nothing.value if said is None else "budget" if cut or spent else said.stop_reason,
        score=score if said is None else said.score,
        confidence=None if said is None else said.confidence,
        charged=sum((result.charged for result in results), ZERO),
        lost=sum((result.lost for result in results), ZERO),
        run_ids=tuple(result.run_id for result in results),
        reason=_NOTHING.get(nothing, nothing.value)
        if said is None
        else said.reason or (_CUT if cut else _SPENT if spent else ""),
        data=None if said is None else said.data,
        abstained=said is not None and not said.status.failed and said.abstained,
        usage=sum((result.usage for result in results), NO_USAGE),
        unscored="" if said is None else said.unscored,
    )
