"""Under a cap per task a run decides and charges alike, whether its replies come from a model or from the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apportion.budgets.cap import Cap
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.base import Context, Inputs
from apportion.nodes.readings import read_all
from apportion.records.message import Message
from apportion.records.rows import AccountRow
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.stores import Store, open_store
from apportion.testing.scripted import ScriptedModel

TASKS = [Task(question=f"what is {number} * 7?", gold="42") for number in range(4)]


class Slow(ScriptedModel):
    """Later calls answer first."""

    async def complete(self, request: Request) -> Reply:
        await asyncio.sleep(0.002 * (3 - request.sample))
        return await super().complete(request)


async def samples(_: Any, inputs: Inputs, context: Context) -> Message:
    """Three calls at once; the last node's and the later ones are smaller."""
    requests = [
        Request("small", (ChatMessage("user", f"{context.node} {inputs.question}"),), 30 - 8 * sample, sample=sample)
        for sample in range(3)
    ]
    good = [reading.value for reading in await read_all(requests, context, lambda text: text) if reading.value]
    return Message(answer=good[0]) if good else Message(status=Status.PROVIDER_ERROR, reason="none")


@pytest.mark.parametrize("per_task", [220, 260, 300, 340, 420])
def test_cold_and_warm_runs_decide_and_charge_alike(
    bench: Any, made_of: Callable[..., Any], tmp_path: Path, per_task: int
) -> None:
    graph = bench.fan(made_of(samples), 2)
    model = Slow(
        lambda request: "4" * (3 + request.sample),
        name="small",
        card=ModelCard(name="small", template_tokens=0, message_tokens=0, attempts=1),
    )

    async def served(store: Store) -> list[object]:
        async with Runner(graph, Pool([model]), store) as runner:
            study = runner.open_account(AccountRow("study", None, None, "paid"))
            found: list[object] = []
            for task in TASKS:
                result = await runner.run(
                    task, runner.space.default(), parent_account=study, cap=Cap(per_task=per_task)
                )
                store.flush()
                calls = sorted((call.request_key, call.charged.tokens) for call in store.calls(result.run_id))
                found.append((result.answer, result.status, result.stop_reason, result.charged, result.lost, calls))
            return found

    with open_store(tmp_path / "books.db") as store:
        cold = asyncio.run(served(store))
        sent = len(model.requests)
        assert asyncio.run(served(store)) == cold
        assert len(model.requests) == sent
