"""`apportion diff`: two plans, setting by setting and question by question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .asking import Database, reading, whole_name
from .output import say

if TYPE_CHECKING:
    from ..stores.store import Store

__all__ = ["command"]

Pair = Mapping[str, Any]


def command(
    plan: Annotated[str, typer.Argument(help="The hash of a plan, or how it begins.")],
    other: Annotated[str, typer.Argument(help="That of the other.")],
    db: Database = "apportion.db",
    limit: Annotated[int, typer.Option(help="How many questions.", min=1)] = 20,
    json: Annotated[str | None, typer.Option(help="Write all of them to this file.", metavar="FILE")] = None,
) -> None:
    """Compare two plans on the questions of fit and validation that both were asked: wins, losses, tokens.

    Questions of the test part are left out: they are for what a search has found.
    """
    from ..stores.questions import PLAN_PAIRS
    from .listing import answer_json, count, listing, records, share
    from .loading import program, write_json

    with reading(db) as store:
        plans = whole_name("plan", plan, store), whole_name("plan", other, store)
        if plans[0] == plans[1]:
            raise UsageError(f"{plan!r} and {other!r} are the same plan; name two")
        pairs = _latest(records(store.query(PLAN_PAIRS, plans)))
        settings = list(_settings(*(_content(store, name) for name in plans)))
    say(f"{plans[0][:8]} beside {plans[1][:8]} in {db}")
    if settings:
        listing(("setting", plans[0][:8], plans[1][:8]), settings)
    if not pairs:
        say("no question of fit or validation was asked under both; `apportion runs --plan HASH` lists what was")
        write_json(json, answer_json(pairs))
        return
    say(_summary(pairs))
    apart = sorted(pairs, key=lambda pair: (-abs(_gain(pair) or 0.0), -abs(pair["tokens"] - pair["other_tokens"])))
    columns = (
        "run",
        "other run",
        "part",
        "score",
        "other",
        "tokens",
        "other tokens",
        "question",
        "answer",
        "other answer",
    )
    lines = [
        (
            pair["run_id"][:8],
            pair["other_run_id"][:8],
            pair["part"],
            share(pair["score"]),
            share(pair["other_score"]),
            count(pair["tokens"]),
            count(pair["other_tokens"]),
            str(pair["question"]),
            pair["answer"] or f"({pair['status']})",
            pair["other_answer"] or f"({pair['other_status']})",
        )
        for pair in apart[:limit]
    ]
    listing(columns, lines, right=("score", "other", "tokens", "other tokens"), texts=3)
    if len(apart) > limit:
        say(f"and {len(apart) - limit:,} more, less far apart; --limit shows more")
    shown = (f"  {program()} show {apart[0][run][:8]} --db {db} --full" for run in ("run_id", "other_run_id"))
    say("\n".join(("next:", *shown)))
    write_json(json, answer_json(apart))


def _latest(pairs: Sequence[Pair]) -> list[Pair]:
    """One pair a question: what was asked again counts as it was answered last."""
    return [*{(pair["part"], pair["task_id"]): pair for pair in pairs}.values()]


def _gain(pair: Pair) -> float | None:
    """By how much the first did better; None where one has no score, which is no score of 0."""
    score, other = pair["score"], pair["other_score"]
    return score - other if isinstance(score, int | float) and isinstance(other, int | float) else None


def _summary(pairs: Sequence[Pair]) -> str:
    graded = [(pair, gain) for pair in pairs if (gain := _gain(pair)) is not None]
    wins, losses = sum(gain > 0 for _, gain in graded), sum(gain < 0 for _, gain in graded)
    ungraded = len(pairs) - len(graded)
    sides = (
        f"{_mean([pair[score] for pair, _ in graded], '.3f')} for "
        f"{_mean([pair[tokens] for pair in pairs], ',.0f')} tokens"
        for score, tokens in (("score", "tokens"), ("other_score", "other_tokens"))
    )
    return (
        f"{len(pairs):,} questions under both: better at {wins:,}, worse at {losses:,}, as good at "
        f"{len(graded) - wins - losses:,}{f', without a score at {ungraded:,}' if ungraded else ''}; "
        f"mean score {' against '.join(sides)} a question"
    )


def _mean(values: Sequence[float], written: str) -> str:
    return format(sum(values) / len(values), written) if values else "-"


def _content(store: Store, plan_hash: str) -> Mapping[str, Any]:
    import json

    from ..stores.damage import row_damage

    row = store.plan(plan_hash)
    if row is None:
        return {}
    with row_damage(Path(store.location), "plan", "plan_hash", plan_hash):
        content = json.loads(row.content)
        return {"values": dict(content.get("values", {})), "edges": {*map(str, content.get("edges", ()))}}


def _settings(plan: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What the plans set differently."""
    values, others = plan.get("values", {}), other.get("values", {})
    for name in sorted({*values, *others}):
        if values.get(name) != others.get(name):
            yield name, str(values.get(name, "-")), str(others.get(name, "-"))
    edges, other_edges = plan.get("edges", set()), other.get("edges", set())
    for edge in sorted(edges ^ other_edges):
        yield edge, "on" if edge in edges else "off", "on" if edge in other_edges else "off"
