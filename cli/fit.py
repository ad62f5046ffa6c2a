"""`apportion fit`: learn a policy from a table of outcomes."""

from __future__ import annotations

from typing import Annotated

import typer

from .outcomes import Columns, DropIncomplete, Outcomes, SetAside, Unit
from .output import say

__all__ = ["command"]


def command(
    outcomes: Outcomes,
    out: Annotated[str, typer.Option(help="Where to write the policy.", metavar="FILE")] = "policy.json",
    policy: Annotated[str, typer.Option(help="Which policy to learn, by its name or as MODULE:CLASS.")] = "joint_safe",
    budget: Annotated[
        float | None, typer.Option(help="What a question may cost on average; as the best single arm if left out.")
    ] = None,
    column: Columns = None,
    drop_incomplete: DropIncomplete = False,
    set_aside: SetAside = 0.0,
    unit: Unit = "tokens",
    seed: Annotated[int, typer.Option(help="Of the parts and of all that is fitted.", min=0)] = 0,
) -> None:
    """Learn from the outcomes of any arms on any questions: which arm is worth its cost, for which question."""
    import json
    from shlex import quote

    from ..optimizers.policies.registry import policy_named, policy_to_json
    from ..optimizers.tables.split import best_arm, lesson_from
    from ..optimizers.tables.split import set_aside as divided
    from .loading import positive, preload, program, write_json
    from .outcomes import load, options

    preload("policy", policy)
    make = policy_named(policy)
    table = divided(load(outcomes, column, drop_incomplete, unit), set_aside)[0]
    lesson = lesson_from(table, None if budget is None else positive("--budget", budget), seed=seed)
    learned = make.fit(lesson)
    write_json(out, json.dumps(policy_to_json(learned), ensure_ascii=False))

    best = best_arm(table)
    score, cost = float(table.mean_scores[:, best].mean()), float(table.mean_costs[:, best].mean())
    say(f"learned   {learned.name} from {len(table.questions):,} questions and {len(learned.arms)} arms")
    say(f"best arm  {table.arms[best].name}: score {score:.3f} for {cost:,.4g} {unit} a question")
    say(f"budget    {lesson.budget:,.4g} {unit} a question on average; simulate --budget moves it")
    if learned.probe is not None:
        say(f"probe     {learned.probe}: to be taken of every question first")
    say(f"written   {out}")
    again = options(column, drop_incomplete, unit, set_aside)
    again += f" --allow {policy.partition(':')[0]}" if ":" in policy else ""
    files = f"{quote(out)} --outcomes {quote(outcomes)} {again}".rstrip()
    say(f"next:\n  {program()} simulate {files} --budget {lesson.budget:.6g}")
