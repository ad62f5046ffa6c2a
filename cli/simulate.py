"""`apportion simulate`: price a policy on a table of outcomes."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import FileError, UsageError
from .options import Allow
from .outcomes import Columns, DropIncomplete, Outcomes, SetAside, Unit
from .output import cell, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..optimizers.analysis.gain import Price
    from ..optimizers.policies.base import ArmPolicy
    from ..optimizers.tables.table import Arm

__all__ = ["command"]


def command(
    policy: Annotated[str, typer.Argument(help="What fit or optimize wrote.", metavar="POLICY")],
    outcomes: Outcomes,
    budget: Annotated[
        float | None,
        typer.Option(help="What a question may cost on average; what the policy was fitted for if left out."),
    ] = None,
    column: Columns = None,
    drop_incomplete: DropIncomplete = False,
    set_aside: SetAside = 0.0,
    unit: Unit = "tokens",
    wrong_costs: Annotated[
        float | None,
        typer.Option(help="What a wrong answer costs; as when the policy was fitted if left out.", metavar="X"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals.", min=0)] = 0,
    allow: Allow = None,
    json: Annotated[str | None, typer.Option(help="Write the figures to this file.", metavar="FILE")] = None,
) -> None:
    """Say what a policy would have scored and cost on questions whose outcomes are known for every arm."""
    from ..optimizers.analysis.gain import price
    from ..optimizers.tables.split import best_arms, mean_at
    from ..optimizers.tables.split import set_aside as divided
    from .loading import positive, write_json
    from .outcomes import load

    learned, told = _read(policy, allow or ())
    table = load(outcomes, column, drop_incomplete, unit)
    if set_aside:
        table = divided(table, set_aside)[1]
    if not table.questions:
        raise UsageError("no question was set aside; name a larger --set-aside, the same for fit and simulate")
    if budget is None:
        budget = _fitted_for(policy, told, unit)
    if budget is None:
        budget = mean_at(table.mean_costs, best_arms(table))
    priced = price(learned, table, positive("--budget", budget), seed=seed, wrong_costs=wrong_costs)
    _print(priced, learned)
    if not set_aside:
        say("note     questions that fit has seen flatter the policy; --set-aside 0.3 for both keeps some apart")
    write_json(json, priced.model_dump_json(indent=2))


def _read(path: str, allow: Sequence[str]) -> tuple[ArmPolicy, Mapping[str, Any]]:
    """The policy, and what stands beside it in its file."""
    from pathlib import Path

    from ..optimizers.policies.registry import FITTED_FOR, policy_from_json
    from ..records.files import read_json
    from .loading import admitted

    try:
        content = read_json(Path(path))
    except FileError as error:
        raise UsageError(f"{error}; `apportion fit` writes a policy") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: this is no policy; `apportion fit` writes one")
    # The file that `optimize` writes holds the policy as one of its fields.
    inner = content.get("policy")
    beside = content if isinstance(inner, dict) else content.get(FITTED_FOR)
    learned = policy_from_json(inner if isinstance(inner, dict) else content, allow=admitted(allow))
    return learned, beside if isinstance(beside, dict) else {}


def _fitted_for(path: str, told: Mapping[str, Any], unit: str) -> float | None:
    """The budget a question that the policy was fitted for; None where its file does not say."""
    budget, fitted_unit = told.get("budget"), told.get("unit", unit)
    if budget is None:
        return None
    if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget < inf:
        raise UsageError(f"{path}, field 'budget': it must be a number above 0, not {budget!r}; say --budget")
    if fitted_unit != unit:
        raise UsageError(
            f"{path}: the policy was fitted for {budget:,.4g} {fitted_unit} a question, and the costs are said to be "
            f"in {unit}; say --unit {fitted_unit}, or --budget in {unit}"
        )
    return float(budget)


def _cascades(priced: Price, policy: ArmPolicy) -> Sequence[str]:
    """What the cascades that were chosen ask, one after the other, and where they stop."""
    by_name = {arm.name: arm for arm in policy.arms}
    used = [by_name[use.arm] for use in priced.arms if use.arm in by_name]
    return [f"{arm.name} = {_cascade(arm)}" for arm in used if arm.stages]


def _cascade(arm: Arm) -> str:
    steps = [
        f"{stage.arm} [{f'confidence {stage.sure:.2f}' if stage.stop == 'confidence' else stage.stop}]"
        for stage in arm.stages[:-1]
    ]
    withheld = f", withheld below confidence {arm.answers_at:.2f}" if arm.answers_at else ""
    return f"{' > '.join([*steps, arm.stages[-1].arm])}; answer: {arm.final}{withheld}"


def _print(priced: Price, policy: ArmPolicy) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    p = priced
    apart = f", {p.replicates} samples each" if p.replicates > 1 else ""
    say(f"policy   {p.policy} on {p.questions:,} questions{apart}")
    say(f"budget   {p.budget:,.4g} {p.unit} a question on average")
    said = "value" if p.wrong_costs else "score"
    say(f"{said}    {p.score.mean:.3f} ({p.score.low:.3f} to {p.score.high:.3f} with 95 %)")
    if p.wrong_costs:
        say(f"prices   1 a right answer, {-p.wrong_costs:g} a wrong one, 0 none; scores below are such values too")
    shares = p.shares
    say(
        f"answers  right {shares.right:.1%}, wrong {shares.wrong:.1%}, abstained {shares.abstained:.1%}, "
        f"unanswered {shares.unanswered:.1%}"
    )
    say(f"cost     {p.cost:,.4g} a question; it had foreseen {p.predicted:,.4g}")
    say(f"hard cap score {p.capped_score:.3f} for {p.capped_cost:,.4g}, with every question kept within the cap")
    if p.unanswered:
        say(f"left out {p.unanswered:.1%} of the questions")
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("arm", "questions", "score", "cost"):
        table.add_column(column, justify="left" if column == "arm" else "right", overflow="fold")
    for use in p.arms:
        table.add_row(cell(use.arm), f"{use.questions:,}", f"{use.score:.3f}", f"{use.cost:,.4g}")
    Console(highlight=False, markup=False).print(table)
    for told in _cascades(p, policy):
        say(told)
    say("beside it, within the budget and chosen in hindsight on these questions:")
    say(f"best arm {p.best_arm}: score {p.best_arm_score:.3f} for {p.best_arm_cost:,.4g}")
    say(f"mixture  score {p.mixture_score:.3f} for {p.cost:,.4g}, arms drawn at random at the policy's cost")
    say(f"gain     {p.gain.mean:+.3f} ({p.gain.low:+.3f} to {p.gain.high:+.3f}) over the mixture")
