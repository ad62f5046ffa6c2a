"""What is printed, as titles, sentences and rows of text; the terminal and the page show the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .findings import Findings, PlannedResult, PolicyResult, Ranged, Standing

__all__ = ["Sheet", "dose_title", "points", "sheets", "verdict"]

_SAME = 0.005
"""Costs that differ by a smaller share are one."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def verdict(findings: Findings) -> list[str]:
    """The first lines of every report: which planned comparisons hold, which do not, and whether a control fails."""
    failed, impossible = findings.failed, findings.impossible
    first = f"All {len(findings.planned)} planned comparisons hold."
    if failed:
        first = f"{len(failed)} of {len(findings.planned)} planned comparisons DO NOT HOLD:"
    if impossible:
        first = f"{first.rstrip(':.')}, and {len(impossible)} of {len(findings.controls)} controls FAIL:"
    lines = [f"- {result.name}: {_worst(result)}" for result in failed]
    for control in impossible:
        lines.append(
            f"- pool {control.pool}, {control.cap} cap: {control.label} shows a gain of {points(control.gain)} points "
            "over the better of R and A, where there is none to be had"
        )
    return [first, *lines]


def sheets(findings: Findings) -> Iterator[Sheet]:
    """All tables, the most important first."""
    yield _planned(findings)
    yield _controls(findings)
    for standing in findings.standings:
        yield from _standing(standing)
    yield _synergy(findings)
    for rival in dict.fromkeys(dose.against for dose in findings.doses):
        yield _doses(findings, rival)
    yield _gaps(findings)
    yield _nodes(findings)
    yield _books(findings)


def _planned(findings: Findings) -> Sheet:
    rows = []
    for result in findings.planned:
        for number, part in enumerate(result.parts):
            rows.append(
                (
                    result.name if number == 0 else "",
                    f"{part.subject} - {part.rival}, {part.cap}",
                    points(part.difference),
                    f"{100 * part.detectable:.1f}",
                    f"{part.p:.4f}",
                    f"{result.adjusted:.4f}" if number == 0 else "",
                    ("holds" if result.holds else "DOES NOT HOLD") if number == 0 else "",
                )
            )
    return Sheet(
        "Planned comparisons",
        ("claim", "difference", "points, 95 %", "detectable", "p", "p, Holm", ""),
        tuple(rows),
        "Points are hundredths of the score. All are taken where they cost what J does, each on its own dial. A claim "
        "with several differences holds where all of them do. Detectable: the effect that is found 8 times in 10.",
    )


def _controls(findings: Findings) -> Sheet:
    rows = [
        (control.pool, control.cap, control.label, points(control.gain), "A GAIN" if control.shows else "none")
        for control in findings.controls
    ]
    return Sheet(
        "Controls: what seems to be gained where nothing can be",
        ("pool", "cap", "policy", "policy - the better of R and A, points", "gain"),
        tuple(rows),
        "At J's cost. Intervals hold for all of a pool together with 95 % (Bonferroni).",
    )


def _standing(standing: Standing) -> Iterator[Sheet]:
    for cap in dict.fromkeys(policy.cap for policy in standing.policies):
        policies = [policy for policy in standing.policies if policy.cap == cap]
        budget = policies[0].budget
        yield Sheet(
            f"Pool {standing.pool}, {cap} cap: {budget:.4g} {_unit(standing.unit)} a question",
            ("policy", "", "score, 95 %", "cost", "J - it at J's cost", "at the cap", "optimism", "SD seeds", "orders"),
            tuple(_policy(policy, policies) for policy in policies),
            _how(standing),
        )


def _policy(policy: PolicyResult, policies: Sequence[PolicyResult]) -> tuple[str, ...]:
    return (
        policy.label,
        policy.title,
        f"{policy.score.value:.3f} ({policy.score.low:.3f} to {policy.score.high:.3f})",
        f"{policy.cost.value:.4g}",
        "" if policy.behind is None else points(policy.behind) + _elsewhere(policy, policies),
        "" if policy.behind_at_cap is None else points(policy.behind_at_cap),
        f"{100 * policy.optimism:+.1f}",
        f"{100 * policy.seed_deviation:.1f}",
        f"{100 * policy.order_deviation:.2f}",
    )


def _elsewhere(policy: PolicyResult, policies: Sequence[PolicyResult]) -> str:
    """Where a policy is read that no budget makes cost what J costs."""
    wanted = next((other.mixed_cost for other in policies if other.behind is None), policy.mixed_cost)
    return "" if abs(policy.mixed_cost - wanted) <= _SAME * wanted else f" at {policy.mixed_cost:.4g}"


def _how(standing: Standing) -> str:
    text = f"Scores are predicted by the head {standing.head!r}"
    text += f" with probe {standing.probe!r}." if standing.probe else ", without a probe."
    if standing.inexact is not None:
        text += (
            " In the draws that were tried, choosing anew differed from the bootstrap's paths by at most "
            f"{100 * standing.inexact:.2f} points."
        )
    return text


def _synergy(findings: Findings) -> Sheet:
    rows = [
        (standing.pool, _unit(standing.unit), cap, points(value))
        for standing in findings.standings
        for cap, value in standing.synergy.items()
    ]
    return Sheet("Synergy: J - R - A + U", ("pool", "unit", "cap", "points, 95 %"), tuple(rows))


def _doses(findings: Findings, rival: str) -> Sheet:
    rows = [
        (dose.pool, dose.questions, dose.cap, f"{dose.joint:.3f}", f"{dose.rival:.3f}", points(dose.difference))
        for dose in findings.doses
        if dose.against == rival
    ]
    return Sheet(
        dose_title(rival),
        ("pool", "questions", "cap", "J", rival, "points, 95 %"),
        tuple(rows),
        "Text tells: families whose questions show how hard they are; text hides: families whose questions do not; "
        "family only: all families, with nothing of a question known but its family.",
    )


def dose_title(rival: str) -> str:
    """Of the table of doses against a rival."""
    return f"Where the gain is: J - {rival}"


def _gaps(findings: Findings) -> Sheet:
    rows = [
        (
            gap.cap,
            f"{gap.static:.3f}",
            f"{gap.joint:.3f}",
            f"{gap.oracle:.3f}",
            points(gap.joint_above_static),
            points(gap.oracle_above_static),
            "" if gap.closed is None else f"{100 * gap.closed:.0f} %",
        )
        for gap in findings.gaps
    ]
    return Sheet(
        "The gap to the oracle on expected scores",
        ("cap", "U", "J", "oracle", "J - U", "oracle - U", "closed"),
        tuple(rows),
        f"On {findings.questions.get('replicated', 0):,} test questions in "
        f"{findings.protocol.get('replicates', 0)} replicates. The share is left out where the oracle is no more than "
        f"{100 * float(findings.protocol.get('gap_floor', 0)):.0f} points above U.",
    )


def _nodes(findings: Findings) -> Sheet:
    rows = [(share.cap, share.node, share.model, f"{100 * share.questions:.1f} %") for share in findings.nodes]
    return Sheet("What each node got from J", ("cap", "node", "model", "questions"), tuple(rows))


def _books(findings: Findings) -> Sheet:
    seconds = findings.seconds + findings.measured_seconds
    stages = ", ".join(f"{name} {took:,.0f} s" for name, took in findings.stages.items())
    rows = [
        ("models", "; ".join(f"{name}: {', '.join(models)}" for name, models in findings.pools.items())),
        ("candidate plans", f"{findings.arms}"),
        ("questions", ", ".join(f"{count:,} {name}" for name, count in findings.questions.items())),
        ("generator seeds", ", ".join(f"{name} {seed}" for name, seed in findings.seeds.items())),
        (
            "test part",
            f"read by {findings.test_reads} runs of the command; {findings.evaluations:,} evaluations this time",
        ),
        ("time", f"{seconds:,.0f} s: {stages}"),
        ("kept in", findings.location),
    ]
    return Sheet("Books", ("", ""), tuple(rows))


def points(value: Ranged) -> str:
    """A difference in hundredths of the score, with its interval."""
    return f"{100 * value.value:+.1f} ({100 * value.low:+.1f} to {100 * value.high:+.1f})"


def _worst(result: PlannedResult) -> str:
    part: Sequence[str] = [
        f"{part.subject} - {part.rival} at the {part.cap} cap is {points(part.difference)} points"
        for part in result.parts
    ]
    return f"{'; '.join(part)}; p {result.adjusted:.3f} (Holm)"


def _unit(unit: str) -> str:
    return "weighted tokens" if unit == "weighted" else unit
