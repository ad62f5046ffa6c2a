"""What reaching a score costs, on the terminal."""

from __future__ import annotations

from rich.console import Console

from ..optimizers.analysis.target_score import TargetReport
from .layout import labelled
from .numbers import number

__all__ = ["print_target"]


def print_target(console: Console, found: TargetReport | None, what: str) -> None:
    """Prints the smallest budget that reaches a target, and whether further questions bear it out.

    Args:
        console: where to.
        found: the report; None where nobody asked for it.
        what: a question is called.
    """
    if found is None:
        return
    unit, target = found.unit, f"a score of {found.target:.3g}"
    if found.best_score is None or found.best_budget is None:
        labelled(console, "target", f"{target} was not looked for: {found.why}", style="yellow")
        return
    if found.budget is None:
        top = found.steps[0]
        labelled(
            console,
            "target",
            f"{target} is not reached within {number(found.ceiling)} {unit} a {what}: there {found.policy} scores "
            f"{top.score:.3f} on validation, at least {top.low:.3f} with 90 %; the best is {found.best_score:.3f} "
            f"at {number(found.best_budget)}",
            style="bold red",
        )
        return
    step = next(each for each in found.steps if each.budget == found.budget)
    total = "" if found.cap is None else f", {number(found.cap)} for all"
    labelled(
        console,
        "target",
        f"{target} is reached from {number(found.budget)} {unit} a {what} on{total}, by {found.policy}: "
        f"{step.score:.3f} on validation, at least {step.low:.3f} with 90 %, for {number(step.cost)}",
    )
    if found.test is None:
        labelled(console, "", f"no further {what}s say whether that holds")
        return
    test = found.test
    labelled(
        console,
        "",
        f"{test.verdict} by {test.questions:,} {what}s that had no part in it: {test.score:.3f} ({test.low:.3f} to "
        f"{test.high:.3f}, each bound with 90 %) for {number(test.cost)}",
    )
