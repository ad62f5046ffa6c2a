"""`apportion show`: one run, its spans and its calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .asking import Database, reading, whole_name
from .output import cell

if TYPE_CHECKING:
    from rich.tree import Tree

    from ..records.rows import CallRow, RunRow, SpanRow
    from ..records.usage import Amount

__all__ = ["command"]

_SHOWN = 200
"""How many characters of a prompt or a reply are shown without --full."""


def command(
    run: Annotated[str, typer.Argument(help="The id of a run, or how it begins.")],
    db: Database = "apportion.db",
    full: Annotated[bool, typer.Option("--full", help="Show prompts and replies in full.")] = False,
    json: Annotated[str | None, typer.Option(help="Write the run to this file.", metavar="FILE")] = None,
) -> None:
    """Show what a run did: its nodes, what each was charged, and every call."""
    from rich.console import Console

    from ..stores.damage import row_damage
    from ..stores.questions import is_of_test
    from .loading import write_json

    with reading(db) as store:
        (row,) = store.runs_of([whole_name("run", run, store)])
        spans, calls, task = store.spans(row.run_id), store.calls(row.run_id), store.task(row.task_id)
        with row_damage(Path(db), "task", "task_id", row.task_id):
            question = "" if task is None else _question(task.content)
        asked = is_of_test(row.run_id)
        if store.query(asked.sql, asked.parameters).rows:
            spans, calls = _without_golds(spans, calls)
    Console().print(_tree(row, spans, calls, question, full))
    write_json(json, _to_json(row, spans, calls))


def _without_golds(spans: Sequence[SpanRow], calls: Sequence[CallRow]) -> tuple[Sequence[SpanRow], Sequence[CallRow]]:
    """Both without what a judge was told and said, and without reasons that quote it: the gold may be in it."""
    from dataclasses import replace

    from ..records.rows import JUDGE_NODE
    from ..stores.views import HIDDEN

    verdicts = {span.span_id for span in spans if span.node == JUDGE_NODE}
    return (
        [replace(each, reason=each.reason and HIDDEN) if each.span_id in verdicts else each for each in spans],
        [
            replace(call, request_messages=HIDDEN, output_text=HIDDEN, reasoning_text="", error=call.error and HIDDEN)
            if call.span_id in verdicts
            else call
            for call in calls
        ],
    )


def _tree(row: RunRow, spans: Sequence[SpanRow], calls: Sequence[CallRow], question: str, full: bool) -> Tree:
    from rich.tree import Tree

    score = "" if row.score is None else f", score {row.score:.2f}"
    tree = Tree(cell(f"run {row.run_id}: {row.status.value} ({row.stop_reason}){score}", style="bold"))
    tree.add(cell(f"task {row.task_id}: {_cut(question, full)}"))
    tree.add(cell(f"answer: {_cut(row.answer, full)}" if row.answer or not row.reason else f"no answer: {row.reason}"))
    plan = f"plan {row.plan_hash}; " if row.plan_hash else ""
    spent = (
        f"{row.charged.tokens:,} tokens{_dollars(row.charged)} charged, {row.lost.tokens:,}{_dollars(row.lost)} lost"
    )
    tree.add(cell(f"{plan}{spent}"))
    for span in spans:
        place = f" part {span.part}" if span.part else ""
        place += f" round {span.round}" if span.round else ""
        cost = f"{span.charged.tokens:,} tokens{_dollars(span.charged + span.lost)}"
        branch = tree.add(
            cell(
                f"{span.node} ({span.kind}){place}: {span.status.value}, {cost}, "
                f"{span.ended_at - span.started_at:.3f} s  ->  {_cut(span.answer, full)}"
                + (f"  [{span.reason}]" if span.reason else ""),
                style="cyan",
            )
        )
        for passage in _passages(span.evidence):
            branch.add(cell(f"passage: {_cut(passage, full)}"))
        for call in (c for c in calls if c.span_id == span.span_id):
            branch.add(cell(_call_line(call, full)))
    return tree


def _dollars(amount: Amount) -> str:
    """What was paid in dollars, for tools too; nothing where that is nothing."""
    return f" and {amount.usd / 1e9:g} USD" if amount.usd else ""


def _passages(evidence: str) -> list[str]:
    import json

    try:
        return [str(passage) for passage in json.loads(evidence)]
    except (TypeError, ValueError):  # it was not kept, and says so
        return [evidence]


def _call_line(call: CallRow, full: bool) -> str:
    prompt = _prompt(call.request_messages)
    used = "usage unknown" if call.usage is None else f"{call.usage.input_tokens} + {call.usage.output_tokens} tokens"
    if call.usage is not None and call.usage.reasoning_tokens:
        used += f" ({call.usage.reasoning_tokens} of reasoning)"
    notes = [call.outcome.value, used, f"bound {call.bound.tokens:,}", f"charged {call.charged.tokens:,}"]
    notes += [f"lost {call.lost.tokens:,}"] if call.lost.tokens else []
    notes += ["from cache"] if call.cached else []
    notes += [f"attempt {call.attempt}"] if call.attempt > 1 else []
    notes += [call.error] if call.error else []
    lines = [f"{call.request_model} #{call.sample_index}: {', '.join(notes)}"]
    lines += [f"  > {_cut(prompt, full)}"]
    lines += [f"  ~ {_cut(call.reasoning_text, full)}"] if call.reasoning_text else []
    lines += [f"  < {_cut(call.output_text, full)}"]
    return "\n".join(lines)


def _prompt(messages: str) -> str:
    import json

    try:
        return "\n".join(line for message in json.loads(messages or "[]") for line in _lines(message))
    except (AttributeError, KeyError, TypeError, ValueError):  # older versions cut long prompts inside their JSON
        return messages


def _lines(message: Mapping[str, Any]) -> Iterator[str]:
    """A message of a prompt, and below it the calls of tools that it asked for."""
    yield f"{message['role']}: {message['content']}"
    for call in message.get("tool_calls", ()):
        yield f"Call: {call['function']['name']} {call['function']['arguments']}"


def _question(task: str) -> str:
    import json

    return str(json.loads(task).get("question", "")) if task else ""


def _cut(text: str, full: bool) -> str:
    return text if full or len(text) <= _SHOWN else f"{text[:_SHOWN]} ... ({len(text):,} characters)"


def _to_json(row: RunRow, spans: Sequence[SpanRow], calls: Sequence[CallRow]) -> str:
    import json

    from .encoding import row_fields

    content = {
        "run": row_fields(row),
        "spans": [row_fields(span) for span in spans],
        "calls": [row_fields(call) for call in calls],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)
