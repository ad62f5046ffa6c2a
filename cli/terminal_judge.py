"""What a study tells of its judge, on the terminal."""

from __future__ import annotations

from rich.console import Console

from ..optimizers.analysis.judge_agreement import Agreement, GoldAgreement, Shift
from ..optimizers.bootstrap import Interval
from ..optimizers.study.plan_report import Score
from ..optimizers.study.report import JudgeReport, StudyReport
from .layout import difference, labelled
from .numbers import number

__all__ = ["print_judge"]

_CONTROLS = {
    "position": "the scale told from its best mark down",
    "length": "answers padded to more than twice their length",
}
_MISSING = ("unread", "starved", "refused", "filtered", "failed")


def print_judge(console: Console, report: StudyReport) -> None:
    """Prints what the judge was paid, which answers it gave no verdict on, and how far it can be relied on."""
    judge = report.judge
    if judge is None:
        return
    low, high = judge.scale
    votes = f", the mean of {judge.votes} votes" if judge.votes > 1 else ""
    share = f" ({100 * judge.paid / report.paid:.0f} % of all that was paid)" if report.paid else ""
    labelled(
        console,
        "judge",
        f"{judge.model} gives {low:g} to {high:g} by rubric {judge.rubric}{votes}; it was paid {number(judge.paid)} "
        f"{report.cap.unit}{share}",
    )
    _missing(console, report, judge)
    if judge.itself is not None:
        labelled(console, "", f"with itself, other draws: {_agreement(judge.itself)}", style="")
    if judge.gold is not None:
        labelled(console, "", f"with gold answers, by {judge.gold.metric}: {_with_gold(judge.gold)}", style="")
    for shift in judge.controls:
        labelled(console, "", f"{shift.control}, {_CONTROLS[shift.control]}: {_shift(shift)}", style="")
    for note in judge.notes:
        labelled(console, "", note, style="yellow")


def _missing(console: Console, report: StudyReport, judge: JudgeReport) -> None:
    """The verdicts that are missing: in all, of the plans of the frontier, and how the replies read."""
    if not judge.unscored:
        labelled(console, "", f"a verdict on each of {judge.answers:,} answers", style="")
        return
    labelled(
        console,
        "",
        f"no verdict on {judge.unscored:,} of {judge.answers:,} answers; they count as 0, so scores may be too low",
        style="yellow",
    )
    for plan in report.frontier:
        parts = (("validation", plan.validation), ("test", plan.test))
        told = [f"{what} {_lacking(score)}" for what, score in parts if score is not None and score.unscored]
        if told:
            labelled(console, "", f"plan {plan.plan_hash[:8]}: {'; '.join(told)}", style="yellow")
    tested = None if report.policies is None else report.policies.test
    if tested is not None and tested.score.unscored:
        labelled(console, "", f"the policy: test {_lacking(tested.score)}", style="yellow")
    replies = judge.replies
    for kind in _MISSING if replies is not None else ():
        example = None if replies is None else replies.examples.get(kind)
        if example is not None:
            count, why = getattr(replies, kind), example.reason or repr(example.text)
            labelled(console, "", f"{count:,} replies {kind}, for example in run {example.run_id[:8]}: {why}", style="")
    if replies is not None and replies.warning:
        labelled(console, "", replies.warning, style="yellow")


def _lacking(score: Score) -> str:
    most = min(1.0, score.score + score.unscored / score.tasks)
    return f"{score.score:.3f} without {score.unscored} of {score.tasks} verdicts, {most:.3f} at most with them"


def _agreement(found: Agreement) -> str:
    return (
        f"rank correlation {_correlation(found.correlation)}, {found.difference.mean:.3f} of the scale apart "
        f"({found.difference.low:.3f} to {found.difference.high:.3f}), {found.answers} answers"
    )


def _with_gold(found: GoldAgreement) -> str:
    right = "none" if found.score_right is None else f"{found.score_right:.3f}"
    wrong = "none" if found.score_wrong is None else f"{found.score_wrong:.3f}"
    return (
        f"rank correlation {_correlation(found.correlation)}, {found.answers} answers; it gives {right} to the "
        f"{found.right} right ones and {wrong} to the others"
    )


def _correlation(found: Interval | None) -> str:
    return "not defined" if found is None else f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"


def _shift(found: Shift) -> str:
    unread = f", {found.unread} verdicts missing" if found.unread else ""
    moved = "no verdict" if found.shift is None else f"{difference(found.shift)} of the scale"
    return f"{moved}, {found.answers} answers{unread}"
