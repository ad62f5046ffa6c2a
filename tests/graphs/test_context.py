from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.graphs.finishing import direct_call
from apportion.nodes.base import Context, Inputs
from apportion.nodes.prompts import dialect_named
from apportion.records.message import Message
from apportion.records.task import Task
from apportion.records.usage import Amount

TASK = Task(question="what is 6 * 7?", gold="42")
Made = Callable[..., tuple[type[Any], Any]]


def test_what_is_left(bench: Any, made_of: Made) -> None:
    seen: list[Amount | None] = []

    async def look(_: Any, inputs: Inputs, context: Context) -> Message:
        seen.append(context.allowance)
        said: Message = await bench.answer(_, inputs, context)
        return said

    graph, pool = bench.chain(made_of(look), "a"), bench.one_model()
    bench.run(graph, pool, MemoryStore())
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    bench.run(graph, pool, MemoryStore(), cap=Cap(per_task=1000))
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1].tokens == 1000 - allowance.tokens
    assert not Amount(1, 10**9, 10**9).exceeds(seen[1])
