"""The part of a study in which its judge is held against itself, against gold answers, and against two controls."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import CapReached, UsageError, gravest
from ...graphs.judging import MeteredJudge
from ...graphs.resolved import resolve
from ...graphs.run import Runner
from ...records.task import Task
from ...tasks.judge import Judge
from ...tasks.metrics import AUTO, metric_for, resolve_metric
from ...tasks.verdict import Verdict
from ..analysis.judge_agreement import Agreement, GoldAgreement, Shift, agreement, gold_agreement, shift_of
from ..arrays import Floats
from .accounts import StudyAccounts
from .readings import Choice, judge_readings
from .report import JudgeReport
from .spec import StudySpec
from .trials import TrialEvaluator

__all__ = ["JudgePhase"]

_PARTS = ("fit", "validation", "test")
_ANSWERS = 40
"""How many answers are graded again at most."""
_AT_ONCE = 8
"""Answers: where the account has no more room, so many may be graded again in part."""
_GOLD = 400
"""How many answers are held against gold at most."""
_FEWEST = 16
"""Pairs from which on a control is warned of: the interval of few is too narrow."""
_NAMED = 3
"""Plans that a sentence names."""


@dataclass(frozen=True, slots=True)
class _Graded:
    """An answer with its verdict."""

    task: Task
    answer: str
    run_id: str
    score: float


@dataclass(frozen=True, slots=True)
class _Again:
    """The verdicts on an answer that was graded again; None where one could not be paid for."""

    score: float
    """The first time."""
    itself: Verdict | None
    position: Verdict | None
    length: Verdict | None

    @property
    def whole(self) -> bool:
        """Whether all could be paid for."""
        return None not in (self.itself, self.position, self.length)


class JudgePhase:
    """Holds the judge of a study against itself and others, and tells what it was paid; nothing where there is none.

    Args:
        spec: of the study.
        runner: of its graph.
        accounts: of the study.
        evaluator: measures plans.
    """

    def __init__(self, spec: StudySpec, runner: Runner, accounts: StudyAccounts, evaluator: TrialEvaluator) -> None:
        self._spec = spec
        self._judge = spec.scorer if isinstance(spec.scorer, Judge) else None
        self._runner = runner
        self._accounts = accounts
        self._evaluator = evaluator
        self._again: list[_Again] = []
        self._wanted = 0

    async def control(self) -> None:
        """Grades some answers of validation three times more, as far as a tenth of the spend reaches.

        As before from other draws; with the scale told in the other order; and padded. Which answers is up to a hash.

        Raises:
            BudgetBreach: the judge's endpoint charged more than was reserved.
        """
        if self._judge is not None:
            answers = _graded_answers(self._spec, self._evaluator)[:_ANSWERS]
            self._wanted = len(answers)
            self._again = await _graded_again(self._judge, self._runner, self._accounts.of("controls"), answers)

    async def report(self, choices: Sequence[Choice]) -> JudgeReport | None:
        """How far the judge can be relied on, and what it was paid.

        Args:
            choices: what was chosen.
        """
        judge, spec, again = self._judge, self._spec, self._again
        if judge is None:
            return None
        measured = [found for part in _PARTS for found in self._evaluator.measured(part).values()]
        answers = _graded_answers(spec, self._evaluator)
        gold, untold = await asyncio.to_thread(_against_gold, judge, answers, spec.seed)
        controls = (_shift("position", again, spec.seed), _shift("length", again, spec.seed)) if again else ()
        own = _own_answers(spec, judge, self._evaluator, choices)
        notes = (_short(again, self._wanted), untold, own, *map(_moved, controls))
        return JudgeReport(
            model=judge.model,
            rubric=judge.rubric.label,
            scale=judge.scale,
            votes=judge.votes,
            paid=self._accounts.paid_to_judge,
            answers=sum(not outcome.status.failed for found in measured for outcome in found.outcomes),
            unscored=sum(found.unscored for found in measured),
            replies=judge_readings(spec.store, spec.study_id, choices),
            itself=_itself(again, spec.seed),
            gold=gold,
            controls=controls,
            notes=tuple(filter(None, notes)),
        )


def _graded_answers(spec: StudySpec, evaluator: TrialEvaluator) -> list[_Graded]:
    """The different answers of validation, or of fit where nothing was validated, in an order that is chance."""
    part = "validation" if evaluator.measured("validation") else "fit"
    tasks = {task.task_id: task for task in spec.tasks}
    found: dict[str, _Graded] = {}
    for measured in evaluator.measured(part).values():
        for row in spec.runs(measured.plan, part):
            if row.score is not None and not row.status.failed and row.answer.strip() and row.task_id in tasks:
                place = hashlib.sha256(f"{spec.seed}/{row.task_id}/{row.answer}".encode(errors="surrogatepass"))
                graded = _Graded(tasks[row.task_id], row.answer, row.run_id, row.score)
                found.setdefault(place.hexdigest(), graded)
    return [graded for _, graded in sorted(found.items())]


async def _graded_again(judge: Judge, runner: Runner, account: str, answers: Sequence[_Graded]) -> list[_Again]:
    """Grades answers again until the account has no more room; those with at least one further verdict."""
    found: list[_Again] = []
    for start in range(0, len(answers), _AT_ONCE):
        wave = [(runner.judge(judge, account, each.run_id), each) for each in answers[start : start + _AT_ONCE]]
        found += await asyncio.gather(*(_once_more(metered, judge, each) for metered, each in wave))
        if not all(each.whole for each in found):
            break
    return [each for each in found if (each.itself, each.position, each.length) != (None, None, None)]


async def _once_more(metered: MeteredJudge, judge: Judge, graded: _Graded) -> _Again:
    drawn = await asyncio.gather(
        metered.control(graded.task, graded.answer, again=True),
        metered.control(graded.task, graded.answer, reverse=True),
        metered.control(graded.task, judge.padded(graded.answer)),
        return_exceptions=True,
    )
    problems = [each for each in drawn if isinstance(each, Exception) and not isinstance(each, CapReached)]
    if problems:
        raise gravest(ExceptionGroup("controls", problems))
    itself, position, length = (each if isinstance(each, Verdict) else None for each in drawn)
    return _Again(graded.score, itself, position, length)


def _pairs(again: Sequence[_Again], control: str) -> tuple[Floats, Floats, int]:
    """The scores without and with a control, and how many of its verdicts are missing."""
    drawn = [(each.score, getattr(each, control)) for each in again]
    pairs = [(score, one.score) for score, one in drawn if one is not None and one.score is not None]
    unread = sum(one is not None and one.score is None for _, one in drawn)
    first, second = np.array(pairs, np.float64).reshape(-1, 2).T
    return first, second, unread


def _itself(again: Sequence[_Again], seed: int) -> Agreement | None:
    first, second, _ = _pairs(again, "itself")
    return agreement(first, second, seed=seed)


def _shift(control: str, again: Sequence[_Again], seed: int) -> Shift:
    before, after, unread = _pairs(again, control)
    return shift_of("position" if control == "position" else "length", before, after, unread=unread, seed=seed)


def _against_gold(judge: Judge, answers: Sequence[_Graded], seed: int) -> tuple[GoldAgreement | None, str]:
    """How far the judge agrees with the metric of gold answers, where there are any; why that cannot be told."""
    known = [each for each in answers if each.task.gold][:_GOLD]
    if not known:
        return None, ""
    try:
        metric = resolve_metric(judge.against)
        graded = [metric(each.task, each.answer) for each in known]
        names = sorted({metric_for(each.task) for each in known}) if judge.against == AUTO else [judge.against]
    except UsageError as problem:
        return None, f"agreement with gold answers is not told: {problem}"
    judged = np.array([each.score for each in known])
    return gold_agreement(", ".join(names), judged, np.array(graded), seed=seed), ""


def _short(again: Sequence[_Again], wanted: int) -> str:
    """What a tenth of the spend did not reach for."""
    if not wanted:
        return "no answer that could be graded again has a verdict, so there is nothing to hold the judge against"
    whole = sum(each.whole for each in again)
    return "" if whole == wanted else f"the spend reached for grading {whole} of {wanted} answers again; more tell more"


def _moved(shift: Shift) -> str:
    """A control that moves scores for sure."""
    found = shift.shift
    if found is None or shift.answers < _FEWEST or found.low <= 0 <= found.high:
        return ""
    what = "the scale is told from its best mark down" if shift.control == "position" else "an answer is padded"
    return f"scores move by {found.mean:+.3f} of the scale where {what}, which should not matter"


def _own_answers(spec: StudySpec, judge: Judge, evaluator: TrialEvaluator, choices: Sequence[Choice]) -> str:
    """Whether it grades what it wrote itself (self-enhancement bias, Zheng et al. 2023)."""
    plans = {**evaluator.measured("fit"), **evaluator.measured("validation")}
    chosen = dict.fromkeys(name for choice in choices for name in sorted(choice.plans) if name in plans)
    own = [
        name[:8]
        for name in chosen
        if any(judge.model in step.models for step in resolve(spec.space, plans[name].plan).steps.values())
    ]
    if not own:
        return ""
    more = f" and {len(own) - _NAMED} more" if len(own) > _NAMED else ""
    return (
        f"{judge.model} also answers in plan {', '.join(own[:_NAMED])}{more}: models favour their own words; "
        "name the models of your nodes with choose(...), and have another one judge"
    )
