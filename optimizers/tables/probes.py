"""Probes: a cheap look at a question, so that a policy knows better which arm it needs.

A probe is a run of a graph of one node, so that it is metered, cached, capped and traced like every other run. Its name
says what is looked at and which model looks, such as `entropy/pocket-30k`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from ...budgets.cap import in_unit
from ...errors import SpendExhausted, UsageError
from ...graphs.finishing import direct_call
from ...graphs.graph import Graph
from ...graphs.run import Runner
from ...models.pool import Pool
from ...models.request import Request
from ...nodes.asks import ask_of, bound_of
from ...nodes.base import CallBound, Context, Inputs, Kind, Node
from ...nodes.kinds import kinds_with
from ...nodes.prompts import dialect_named
from ...nodes.prompts.base import Ask, Dialect, Style
from ...nodes.readings import read, read_all
from ...nodes.votes import normal_form
from ...records.message import Candidate, Message
from ...records.rows import Unit
from ...records.task import Task
from ..concurrency import in_turn
from .table import Probe

__all__ = ["Look", "probe_graph", "probe_names", "take_probe"]

_ANSWER_TOKENS = 64
"""The most that a sample whose agreement is looked at may write."""
_WARM = 0.7
"""The temperature at which two samples can differ."""
_AT_ONCE = 128
"""Looks in progress."""


class Look(Node):
    """Looks at the question by way of a model; how sure that looks is the confidence of its message."""

    kind: ClassVar[str] = "look"

    method: Literal["entropy", "agreement"]
    """entropy: one token of a direct answer, e to the power of minus the entropy of its distribution; agreement: two
    direct answers at temperature 0.7, 1 where they are equal, else 0."""
    model: str


def probe_names(pool: Pool, task: Task, unit: Unit) -> tuple[str, ...]:
    """The probes that a pool allows, by its cheapest model that does not reason, the cheaper probe first.

    Args:
        pool: the models.
        task: a typical one; a direct answer to it decides which model is the cheapest.
        unit: of the cost.
    """
    plain = [model for model in pool if model.card.kind == "standard"]
    if not plain:
        return ()
    cheapest = direct_call(task, Pool(plain), dialect_named, unit)[0].model
    entropy = [f"entropy/{cheapest}"] if pool.card(cheapest).logprobs else []
    return (*entropy, f"agreement/{cheapest}")


def probe_graph(name: str) -> Graph:
    """The graph that takes a probe; its only plan is the default one of its space.

    Raises:
        UsageError: no probe has such a name.
    """
    method, _, model = name.partition("/")
    if method not in ("entropy", "agreement") or not model:
        raise UsageError(f"no probe {name!r}; a probe is named entropy/MODEL or agreement/MODEL")
    graph = Graph(f"probe {name}", kinds=kinds_with(KIND))
    return graph.add("look", Look.model_validate({"method": method, "model": model}))


async def take_probe(
    name: str,
    runner: Runner,
    tasks: Sequence[Task],
    *,
    unit: Unit = "tokens",
    seed: int = 0,
    account: str | None = None,
    required: bool = True,
) -> Probe:
    """Takes a probe of every task.

    Its values are in [0, 1], how sure the model looks; 0 where it gave no answer.

    Args:
        name: of the probe.
        runner: whose pool, store and accounts are used.
        tasks: what is looked at.
        unit: of the costs.
        seed: see `Runner.run`.
        account: pays for it; opened on the runner already.
        required: whether a look that the account cannot pay for is an error; where it is not, its value is 0.

    Raises:
        UsageError, UnknownName: no probe has such a name, or the pool has no such model.
        SpendExhausted: the account cannot pay for a look that is required.
    """
    values, costs = np.zeros(len(tasks)), np.zeros(len(tasks))
    graph = probe_graph(name)
    runner.pool.card(name.partition("/")[2])
    async with runner.beside(graph) as looker:
        plan = looker.space.default()

        async def one(index: int) -> None:
            result = await looker.run(tasks[index], plan, parent_account=account, engine="direct", seed=seed)
            if result.short_account and required:
                raise SpendExhausted(result.short_account)
            costs[index] = in_unit(result.charged + result.lost, unit)
            if not result.status.failed and result.confidence is not None:
                values[index] = result.confidence

        await in_turn((one(index) for index in range(len(tasks))), _AT_ONCE)
    return Probe(name, values, costs)


async def _run(node: Look, inputs: Inputs, context: Context) -> Message:
    dialect = context.dialect(node.model)
    if node.method == "entropy":
        return await _entropy(_request(node, ask_of(inputs), dialect, 1, 0.0), context)
    request = _request(node, ask_of(inputs), dialect, _ANSWER_TOKENS, _WARM)
    requests = [request.with_sample(sample) for sample in range(2)]
    readings = await read_all(requests, context, lambda text: dialect.read_answer(text, Style.DIRECT))
    answers = [reading.value for reading in readings if reading.value is not None]
    if not answers:
        return Message(status=readings[0].status, reason=readings[0].reason)
    agreed = len(answers) == len(readings) and len({normal_form(answer) for answer in answers}) == 1
    return Message(answer=answers[0], candidates=(Candidate(answers[0], float(agreed), source=context.node),))


async def _entropy(request: Request, context: Context) -> Message:
    reading = await read(request, context, lambda text: text)
    reply = reading.reply
    if reply is None or reply.first_token_entropy is None:
        return Message(status=reading.status, reason=reading.reason or "the model gave no log-probabilities")
    sure = min(1.0, math.exp(-reply.first_token_entropy))
    return Message(answer=reply.text, candidates=(Candidate(reply.text, sure, source=context.node),))


def _request(node: Look, ask: Ask, dialect: Dialect, tokens: int, temperature: float) -> Request:
    prompt = dialect.solve(ask, Style.DIRECT)
    return Request(
        node.model,
        prompt.messages,
        tokens,
        temperature=temperature,
        stop=prompt.stop,
        logprobs=node.method == "entropy",
    )


def _worst_case(node: Look, ask: Ask, incoming: int, dialect: Callable[[str], Dialect]) -> tuple[CallBound, ...]:
    render = partial(dialect(node.model).solve, style=Style.DIRECT)
    tokens, times = (1, 1) if node.method == "entropy" else (_ANSWER_TOKENS, 2)
    return (bound_of(node.model, render, ask, incoming, tokens, times=times),)


KIND = Kind(config=Look, run=_run, worst_case=_worst_case)
