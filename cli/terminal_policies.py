"""What a study found about policies, on the terminal: how they compare, and what each node got under the chosen one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from ..optimizers.prediction.confidence import ConfidenceReport
from ..optimizers.study.report import LimitedBy, NodeReport, NodeUse, PoliciesReport, PolicyScore, StudyReport
from ..optimizers.tables.value import Shares
from .layout import difference, labelled, rows, shares
from .numbers import USD, dollars, number

__all__ = ["print_confidences", "print_nodes", "print_policies", "print_scores", "worth"]


_ARM = 32
"""The most characters of an arm's name."""


def print_policies(console: Console, report: StudyReport) -> None:
    """Prints how policies compare, and what the chosen one reached on test."""
    found = report.policies
    if found is None:
        return
    unit = report.cap.unit
    labelled(
        console,
        "policies",
        f"choose among {len(found.arms)} plans for every task; here they serve the {found.tabulated['validation']} "
        f"tasks of validation under the hard cap, {number(found.budget)} {unit} a task; gain: over mixing the plans "
        f"blindly at the same cost{worth(found.wrong_costs)}",
    )
    print_scores(console, found.scores, found.chosen)
    served = f", which is {found.member} at this cap" if found.member != found.chosen else ""
    probe = f"; it looks at {found.probe} first" if found.probe else ""
    labelled(console, "policy", f"{found.chosen}{served}: within one standard error of the best on validation{probe}")
    print_confidences(console, found.confidences)
    if found.test is None:
        return
    score = found.test.score
    told = f"score {score.score:.3f} ({score.low:.2f} to {score.high:.2f}) for {number(score.cost)} {unit} a task"
    labelled(console, "test", f"{told}, {100 * score.coverage:.0f} % answered, {score.tasks} tasks as one batch")
    if found.test.shares is not None:
        labelled(console, "", _shares_line(found.test.shares))
    if found.test.unspent:
        labelled(console, "", f"{number(found.test.unspent)} {unit} of the cap are left: {found.test.why_unspent}")
    best = report.best
    if best is not None and best.test is not None and found.test.gain is not None:
        labelled(
            console,
            "",
            f"{difference(found.test.gain)} over plan {best.plan_hash[:8]} for all, which scores "
            f"{best.test.score:.3f} for {number(best.test.cost)}",
        )


def print_scores(console: Console, scores: Sequence[PolicyScore], chosen: str) -> None:
    """Prints how policies compare; the chosen one in bold."""
    priced = any(score.usd is not None for score in scores)
    told = [(score.policy, score.shares) for score in scores if score.shares is not None]
    # The shares below count what was withheld too, so one word would have two numbers.
    unanswered = not told and any(score.unanswered for score in scores)
    header = ["", "score, 95 %", "cost", *([USD] if priced else []), "behind", "gain at equal cost, 95 %"]
    rows(
        console,
        [*header, *(["no arm"] if unanswered else [])],
        [_policy_row(score, priced, unanswered) for score in scores],
        marked=[place for place, score in enumerate(scores) if score.policy == chosen],
    )
    rows(
        console,
        ["", "right", "wrong", "abstained", "unanswered"],
        [[policy, *map(_percent, (s.right, s.wrong, s.abstained, s.unanswered))] for policy, s in told],
        marked=[place for place, (policy, _) in enumerate(told) if policy == chosen],
    )


def print_confidences(console: Console, found: Sequence[ConfidenceReport]) -> None:
    """Prints how well the confidence of each arm tells right answers from wrong ones; nothing where no arm has one."""
    if not found:
        return
    labelled(
        console,
        "AUROC",
        "how well each arm's confidence tells right answers from wrong ones, on questions it was not learned from: 1 "
        "always, 0.5 never; ECE: the expected calibration error",
    )
    lines = [
        [
            each.arm[:_ARM],
            ", ".join(name.removesuffix("_tokens") for name in each.signs) or "family",
            f"{each.answers:,}",
            _percent(each.right),
            "-" if each.auroc is None else f"{each.auroc:.2f}",
            f"{each.calibration_error:.2f}",
        ]
        for each in found
    ]
    rows(console, ["", "reads", "answers", "right", "AUROC", "ECE"], lines, left=(0, 1))


def worth(wrong_costs: float) -> str:
    """What scores are where wrong answers cost something, to be added to a line; empty where they cost nothing."""
    return f"; scores are values: a right answer 1, a wrong one {-wrong_costs:g}, none 0" if wrong_costs else ""


def print_nodes(console: Console, found: PoliciesReport, *, families: bool = True) -> None:
    """Prints for every node what it got and why.

    Args:
        console: where to.
        found: the report.
        families: whether to say of every family as well what is different there.
    """
    labelled(
        console,
        "nodes",
        "what each got under the policy, and why not something else: capability, nothing measured is better there; "
        "price, better but not for its tokens; cap, it did not fit any more",
    )
    lines = []
    for node in found.nodes:
        got = "; ".join(_parts(node.everywhere))
        lines.append([node.node, f"{100 * node.everywhere.active:.0f} %", got, _why(node)])
        for use in node.families if families else ():
            apart = [part for part in _parts(use) if part not in _parts(node.everywhere)]
            if apart:
                lines.append([f"  {use.family}", f"{100 * use.active:.0f} %", "; ".join(apart), ""])
    rows(console, ["", "on", "got", "why"], lines, left=(0, 2, 3), folded=2)


def _shares_line(found: Shares) -> str:
    told = {name: getattr(found, name) for name in Shares.model_fields}
    return ", ".join(f"{name} {_percent(share)}" for name, share in told.items())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _policy_row(score: PolicyScore, priced: bool, unanswered: bool) -> list[str]:
    return [
        score.policy,
        f"{score.score:.3f} {score.low:.2f}-{score.high:.2f}",
        number(score.cost),
        *([dollars(score.usd)] if priced else []),
        f"{score.behind.mean:.3f}",
        difference(score.gain),
        *([f"{100 * score.unanswered:.0f} %"] if unanswered else []),
    ]


def _parts(use: NodeUse) -> list[str]:
    """A node's settings, each with its frequent values."""
    if not use.active:
        return ["left out"]
    parts = [f"{knob} {shares(values)}" for knob, values in use.knobs.items()]
    if use.models:
        parts.insert(0, shares({model: share / use.active for model, share in use.models.items()}))
    if use.edges:
        parts.append(f"reads {shares({edge.partition('->')[0]: share for edge, share in use.edges.items()})}")
    return parts


def _why(node: NodeReport) -> str:
    bound: LimitedBy = node.everywhere.bound
    named = {name: getattr(bound, name) for name in LimitedBy.model_fields}
    return shares(dict(sorted(named.items(), key=lambda each: -each[1])))
