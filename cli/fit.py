"""`apportion fit`: learn a policy from a table of outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .options import WrongCosts
from .outcomes import Columns, DropIncomplete, Outcomes, SetAside, Unit
from .output import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..optimizers.analysis.target_score import TargetReport
    from ..optimizers.analysis.template_gain import TemplateGain
    from ..optimizers.policies.base import ArmPolicy
    from ..optimizers.prediction.confidence import ConfidenceReport
    from ..optimizers.study.report import PolicyScore
    from ..optimizers.tables.table import Lesson, Table
    from ..tasks.clusters import Clusters

__all__ = ["command"]

_ALL = "all"
_ASIDE = 0.3
"""The share of questions that policies are compared on, where nobody names one."""
_FEWEST = 10
"""Questions to compare them on; by fewer one could as well draw lots."""


def command(
    outcomes: Outcomes,
    out: Annotated[str, typer.Option(help="Where to write the policy.", metavar="FILE")] = "policy.json",
    policy: Annotated[
        str,
        typer.Option(
            help="Which policy to learn, by its name or as MODULE:CLASS; `all` compares them on questions set aside."
        ),
    ] = "joint_safe",
    budget: Annotated[
        float | None, typer.Option(help="What a question may cost on average; as the best single arm if left out.")
    ] = None,
    target_score: Annotated[
        float | None,
        typer.Option(help="Look for the smallest budget that reaches this mean score; --budget is the most."),
    ] = None,
    column: Columns = None,
    drop_incomplete: DropIncomplete = False,
    set_aside: SetAside = 0.0,
    unit: Unit = "tokens",
    wrong_costs: WrongCosts = 0.0,
    seed: Annotated[int, typer.Option(help="Of the parts and of all that is fitted.", min=0)] = 0,
    json: Annotated[str | None, typer.Option(help="Write the figures to this file.", metavar="FILE")] = None,
) -> None:
    """Learn from the outcomes of any arms on any questions: which arm is worth its cost, for which question."""
    from json import dumps

    from ..optimizers.analysis.target_score import checked_target
    from ..optimizers.policies.registry import FITTED_FOR, fit_each, policy_named, policy_to_json
    from ..optimizers.prediction.confidence import confidence_reports
    from ..optimizers.tables.clusters import found_clusters
    from ..optimizers.tables.split import set_aside as divided
    from ..optimizers.tables.value import checked_wrong_costs, valued
    from .loading import positive, preload, write_json
    from .outcomes import load

    target = None if target_score is None else checked_target(target_score)
    if policy == _ALL or target is not None:
        set_aside = set_aside or _ASIDE
    if policy != _ALL:
        preload("policy", policy)
        policy_named(policy)
    price, most = checked_wrong_costs(wrong_costs), None if budget is None else positive("--budget", budget)
    table, aside = divided(valued(load(outcomes, column, drop_incomplete, unit), price), set_aside)
    lessons = _lessons(table, most, seed, judged=target is not None)
    figures: dict[str, Any] = {"budget": lessons[0].budget, "unit": unit, "questions": len(table.questions)}
    if policy == _ALL:
        policies, scores, chosen = _best_of_all(lessons, aside, unit, seed)
        learned = policies[chosen]
        figures |= {"set_aside": len(aside.questions), "scores": [score.model_dump(mode="json") for score in scores]}
    else:
        (learned,) = fit_each([policy], lessons).values()
    reached = None if target is None else _target(learned, lessons, table, aside, target)
    budgeted = lessons[0].budget if reached is None or reached.budget is None else reached.budget
    fitted_for = {FITTED_FOR: {"budget": budgeted, "unit": unit}}
    write_json(out, dumps(policy_to_json(learned) | fitted_for, ensure_ascii=False))
    confidences, clusters = confidence_reports(table, seed), found_clusters(table)
    gain = _template_gain(learned, lessons, seed)
    figures |= {} if reached is None else {"target": reached.model_dump(mode="json")}
    figures |= {
        "wrong_costs": price,
        "confidences": [found.model_dump(mode="json") for found in confidences],
        "clusters": {"notes": list(clusters.notes)} | clusters.counts,
        "templates": None if gain is None else gain.model_dump(mode="json"),
    }
    write_json(json, dumps({**figures, "policy": learned.name}, indent=2))
    _tell(learned, lessons, table, unit)
    _tell_clusters(clusters, gain)
    _tell_found(reached, confidences)
    if set_aside and not aside.questions:
        say("note     no question was set aside: the share is small, or the clusters are few")
    say(f"written  {out}")
    kept = set_aside if aside.questions else 0.0
    _next(out, outcomes, policy, budgeted, (column, drop_incomplete, unit, kept))


def _lessons(table: Table, budget: float | None, seed: int, *, judged: bool) -> Sequence[Lesson]:
    """What is learned from; where validation judges afterwards, nothing may be searched there."""
    from dataclasses import replace

    from ..optimizers.tables.split import lessons_from

    return [replace(lesson, judged=judged) for lesson in lessons_from(table, budget, seed=seed)]


def _best_of_all(
    lessons: Sequence[Lesson], aside: Table, unit: str, seed: int
) -> tuple[Mapping[str, ArmPolicy], Sequence[PolicyScore], str]:
    """All policies, how they stand on the questions that were set aside, and the one to take."""
    if len(aside.questions) < _FEWEST:
        raise UsageError(
            f"{len(aside.questions)} questions were set aside, too few to compare policies on; name a larger "
            f"--set-aside, so that there are {_FEWEST} at least, or give more questions: those of one cluster stay "
            "together"
        )
    policies = _fit_all(lessons)
    return policies, *_compare(policies, aside, lessons[0].budget, unit, seed)


def _fit_all(lessons: Sequence[Lesson]) -> Mapping[str, ArmPolicy]:
    """All policies that these lessons allow."""
    from ..optimizers.policies.registry import POLICIES, fit_each

    left_out: dict[str, UsageError] = {}
    policies = fit_each(POLICIES, lessons, left_out=left_out.__setitem__)
    for name, reason in left_out.items():
        say(f"left out {name}: {reason}")
    return policies


def _compare(
    policies: Mapping[str, ArmPolicy], aside: Table, budget: float, unit: str, seed: int
) -> tuple[Sequence[PolicyScore], str]:
    """Compares policies on questions that none has learned from, prints how they stand, and names the one to take."""
    from rich.console import Console

    from ..optimizers.study.policy_selection import rank
    from .layout import labelled
    from .numbers import number
    from .terminal_policies import print_scores, worth

    scores, chosen = rank(policies, aside, budget, seed=seed)
    console = Console(highlight=False)
    labelled(
        console,
        "policies",
        f"learned from the other questions, compared on {len(aside.questions):,} that were set aside, as one batch "
        f"under the hard cap, {number(budget)} {unit} a question; gain: over mixing the arms blindly at the same cost, "
        "chosen in hindsight" + worth(aside.wrong_costs),
        style="",
    )
    print_scores(console, scores, chosen)
    best = max(scores, key=lambda score: score.score)
    taken = next(score for score in scores if score.policy == chosen)
    why = (
        "it is the best"
        if taken.score == best.score
        else f"it is within one standard error of the best, {best.policy}, and comes before it: joint_safe first, then "
        "from the simplest on"
    )
    labelled(console, "taken", f"{chosen}: {why}; its score here chose it, and flatters it a little", style="")
    return scores, chosen


def _tell(learned: ArmPolicy, lessons: Sequence[Lesson], table: Table, unit: str) -> None:
    from ..optimizers.policies.stratified import Stratified
    from ..optimizers.tables.split import best_arms, mean_at
    from ..optimizers.tables.strata import strata

    best = best_arms(table)
    names = " or ".join(table.arms[arm].name for arm in dict.fromkeys(best.tolist()))
    score, cost = mean_at(table.mean_scores, best), mean_at(table.mean_costs, best)
    cascades = sum(1 for arm in learned.arms if arm.stages)
    beside = f", and {cascades} cascades of them" if cascades else ""
    arms = len(learned.arms) - cascades
    say(f"learned  {learned.name} from {len(table.questions):,} questions and {arms} arms{beside}")
    if isinstance(learned, Stratified):
        say(f"apart    {len(learned.parts)} groups of families on which different arms were run, with one budget:")
        for part in learned.parts:
            families = ", ".join(map(repr, part.families))
            few = "" if part.policy.name == learned.name else f"; too few to choose by question: {part.policy.name}"
            say(f"         {families}: {len(part.policy.arms)} arms, {part.questions:,} questions{few}")
    said = "value" if table.wrong_costs else "score"
    say(f"best arm {names}: {said} {score:.3f} for {cost:,.4g} {unit} a question")
    say(f"budget   {lessons[0].budget:,.4g} {unit} a question on average; simulate --budget moves it")
    parts = strata(table)
    least = sum(float(p.table.mean_costs.mean(axis=0).min()) * len(p.questions) for p in parts) / len(table.questions)
    if lessons[0].budget < least:
        say(
            f"note     the cheapest arm costs {least:,.4g} {unit} a question, more than the budget: under a hard cap "
            "some questions will have no answer"
        )
    if learned.probe is not None:
        say(f"probe    {learned.probe}: to be taken of every question first")


def _target(learned: ArmPolicy, lessons: Sequence[Lesson], table: Table, aside: Table, target: float) -> TargetReport:
    """The smallest budget that reaches a score on the questions that validate, and what those set aside say of it."""
    import numpy as np

    from ..optimizers.analysis.target_score import confirmation, find_target
    from ..optimizers.serving.replay_batch import serve_on_table
    from ..optimizers.tables.value import scored

    validating = {question.name for lesson in lessons for question in lesson.validation.questions}
    places = np.flatnonzero([question.name in validating for question in table.questions])
    found = find_target(learned, table.take(places), target, lessons[0].budget)
    if found.budget is None or not aside.questions:
        return found
    service = serve_on_table(learned, scored(aside), found.budget * len(aside.questions))
    return found.model_copy(update={"test": confirmation(target, service.scores, service.costs, aside.clusters)})


def _template_gain(learned: ArmPolicy, lessons: Sequence[Lesson], seed: int) -> TemplateGain | None:
    """What reading questions gains by how they are held out; None for a policy that does not read them."""
    from ..optimizers.analysis.template_gain import template_gain
    from ..optimizers.policies.stratified import Stratified
    from ..optimizers.prediction.predictor import Predictor

    policies = [part.policy for part in learned.parts] if isinstance(learned, Stratified) else [learned]
    held = [getattr(policy, "predictor", None) for policy in policies]
    predictors = [each if isinstance(each, Predictor) else None for each in held]
    if not any(predictors):
        return None
    return template_gain(list(zip(lessons, predictors, strict=True)), seed=seed)


def _tell_clusters(found: Clusters, gain: TemplateGain | None) -> None:
    """Prints which questions stay together, and what that says of the gain."""
    counts = found.counts
    if found.any:
        say(
            f"clusters {counts['clustered']:,} of the questions are near-duplicates, or were given a cluster: "
            f"{counts['clusters']:,} groups, which stay together wherever questions are held out"
        )
    for note in found.notes:
        say(f"note     {note}")
    if gain is not None and gain.differs:
        at_random, together = (f"{100 * each.mean:+.1f}" for each in (gain.at_random, gain.together))
        why = ": the gain is of templates seen before" if gain.learned_by_heart else ""
        say(
            f"gain     of choosing by question over mixing: {at_random} points on questions set aside at random, "
            f"{together} where near-duplicates stay together{why}"
        )


def _tell_found(reached: TargetReport | None, confidences: Sequence[ConfidenceReport]) -> None:
    from rich.console import Console

    from .terminal_policies import print_confidences
    from .terminal_target import print_target

    console = Console(highlight=False)
    print_target(console, reached, "question")
    print_confidences(console, confidences)


def _next(out: str, outcomes: str, policy: str, budget: float, given: tuple[Any, ...]) -> None:
    """Prints the command that prices the policy, as it is to be typed."""
    from shlex import quote

    from .loading import program
    from .outcomes import options

    again = options(*given)
    again += f" --allow {quote(policy.partition(':')[0])}" if ":" in policy else ""
    files = f"{quote(out)} --outcomes {quote(outcomes)} {again}".rstrip()
    say(f"next:\n  {program()} simulate {files} --budget {budget:.6g}")
