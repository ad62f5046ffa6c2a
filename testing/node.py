"""What every node kind must do, as a test class to subclass, and a bench to run single nodes on.

Example:
    ```python
    class TestMyKind(NodeConformance):
        kind = my_module.KIND

        def node(self) -> Node:
            return MyNode(model="scripted")

        def reply(self, request: Request) -> str:
            return "Answer: 42"
    ```
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from string import ascii_lowercase, printable
from typing import Any

import pytest
from pydantic import ValidationError

from ..budgets.ledger import Ledger
from ..budgets.memory import MemoryLedger
from ..errors import CallFailed, CapReached
from ..models.base import Model
from ..models.card import ModelCard
from ..models.metered import Meter, MeteredCaller, call_bound
from ..models.pool import Pool
from ..models.request import Reply, Request
from ..nodes.asks import NOTES, PASSAGES
from ..nodes.base import CallBound, Incoming, Inputs, Kind, Node, Speakers
from ..nodes.kinds import kinds_with, node_from_json
from ..nodes.prompts import dialect_named
from ..nodes.prompts.base import Ask, Dialect
from ..records.message import CANDIDATES, Candidate, Message, MessageSize
from ..records.rows import Limit, StoredReply
from ..records.status import Status
from ..records.task import Task
from ..records.text import longest_bytes
from ..records.usage import ZERO, Amount
from .scripted import ScriptedModel

__all__ = ["BenchContext", "NoReplies", "NodeBench", "NodeConformance", "NodeRun"]


class BenchContext:
    """A `Context` for one run of one node, on the real metered caller."""

    def __init__(self, node: str, resource: Any, caller: MeteredCaller, meter: Meter) -> None:
        self._node = node
        self._resource = resource
        self._caller = caller
        self._meter = meter
        self.bounds: list[Amount] = []
        """The bound of every call asked for, in order."""
        self.events: list[tuple[str, dict[str, object]]] = []

    @property
    def node(self) -> str:
        """See `Context.node`."""
        return self._node

    @property
    def resource(self) -> Any:
        """See `Context.resource`."""
        return self._resource

    @property
    def allowance(self) -> Amount | None:
        """See `Context.allowance`; a bench does not say what is left."""
        return None

    def card(self, model: str) -> ModelCard:
        """See `Context.card`."""
        return self._caller.pool.card(model)

    def dialect(self, model: str) -> Dialect:
        """See `Context.dialect`."""
        return dialect_named(self.card(model).dialect)

    def bound(self, request: Request) -> Amount:
        """See `Context.bound`."""
        return call_bound(self._caller.pool.model(request.model), request)

    async def call(self, request: Request) -> Reply:
        """See `Context.call`."""
        self.bounds.append(self.bound(request))
        return await self._caller.call(request, self._meter)

    def record(self, event: str, **fields: object) -> None:
        """See `Context.record`; refuses values that are not JSON."""
        json.dumps(fields)
        self.events.append((event, fields))


@dataclass(frozen=True, slots=True)
class NodeRun:
    """What came of one run of a node."""

    message: Message
    charged: Amount
    lost: Amount
    bounds: tuple[Amount, ...]
    """Of every call asked for."""
    events: tuple[tuple[str, dict[str, object]], ...] = field(default=())


class NodeBench:
    """Runs single nodes with real accounts in memory.

    Args:
        models: the pool.
        kinds: further kinds, beside those of the package.
        resource: what the kind's `open` would make, where it is slow to make and shared by many runs.
    """

    def __init__(self, models: Iterable[Model], kinds: Iterable[Kind[Any]] = (), *, resource: Any = None) -> None:
        self.pool = Pool(models)
        self._kinds = kinds_with(*kinds)
        self._resource = resource

    def run(self, node: Node, inputs: Inputs, *, limit: int | None = None, name: str = "node") -> NodeRun:
        """Runs a node once under a task account with so many tokens, or without a limit.

        What a kind may raise comes back as the status that a graph makes of it.
        """
        kind = self._kinds[node.kind]
        ledger = Ledger(MemoryLedger(), "bench")
        ledger.open("task", limit=None if limit is None else Limit("tokens", limit))
        meter = Meter("task", "run", "span")
        opened = nullcontext(self._resource) if self._resource is not None or kind.open is None else kind.open(node)
        with opened as resource:
            context = BenchContext(name, resource, MeteredCaller(self.pool, ledger, NoReplies()), meter)
            message = asyncio.run(_run(kind, node, inputs, context))
        return NodeRun(message, meter.charged, meter.lost, tuple(context.bounds), tuple(context.events))

    def worst_case(self, node: Node, ask: Ask, incoming: Incoming) -> Amount:
        """The most that one run of a node can be charged when no attempt fails."""
        bounds = self._kinds[node.kind].worst_case(node, ask, incoming, self._speakers())
        return sum((self._amount(bound) for bound in bounds), ZERO)

    def _speakers(self) -> Speakers:
        return Speakers(
            lambda model: dialect_named(self.pool.card(model).dialect),
            lambda model, tokens: tokens * self.pool.card(model).bytes_per_token,
        )

    def _amount(self, bound: CallBound) -> Amount:
        card = self.pool.card(bound.model)
        prompt = card.template_tokens + bound.prompt_bytes + bound.messages * card.message_tokens
        one = card.amount(prompt, min(bound.output_tokens, card.max_output_tokens) + card.output_slack_tokens)
        return Amount(one.tokens * bound.times, one.weighted * bound.times, one.usd * bound.times)


class NodeConformance:
    """Tests that every node kind passes; subclass it, name the kind, and say what the model replies."""

    kind: Kind[Any]
    """The kind under test."""
    dialect: str = "chat"
    """The dialect that `reply` speaks."""
    calls: bool = True
    """False for a node that makes no call in the setting of `node`."""
    resource: Any = None
    """What the kind's `open` would make, where it is slow to make; a fixture of the subclass sets it."""

    def node(self) -> Node:
        """A node with every knob pinned; its model is "scripted"."""
        raise NotImplementedError

    def reply(self, request: Request) -> str:
        """A good reply to what the node asks."""
        raise NotImplementedError

    def inputs(self) -> Inputs:
        """What the node is given; by default the outputs of two nodes before it, and no loop."""
        task = Task(question="What is 40+2?", instructions="Add.", context=("Forty is 40.",))
        candidates = (
            Candidate("42", 0.6, text="40+2 = 42\nAnswer: 42", source="first"),
            Candidate("24", 0.2, text="20+4 = 24\nAnswer: 24", source="first"),
        )
        first = Message(answer="42", text="40+2 = 42\nAnswer: 42", candidates=candidates, evidence=("Two is 2.",))
        second = Message(answer="43", candidates=(Candidate("43", source="second"),))
        return Inputs(task, task.question, {"first": first, "second": second})

    def bench(self, script: Callable[[Request], str | Reply] | None = None) -> NodeBench:
        """A bench whose one model replies as the script says, by default as `reply` does."""
        card = ModelCard(name="scripted", provider="scripted", attempts=1, dialect=self.dialect, json_schema=True)
        return NodeBench([ScriptedModel(script or self.reply, card=card)], [self.kind], resource=self.resource)

    def test_settings_survive_json(self) -> None:
        """A node is data: its canonical form is JSON and reads back to an equal node."""
        node = self.node()
        data = json.loads(json.dumps(node.canonical()))
        assert node_from_json(data, kinds_with(self.kind)) == node
        assert node_from_json(data, kinds_with(self.kind)).canonical() == node.canonical()

    def test_settings_are_frozen_and_closed(self) -> None:
        """Nothing can be changed on a node, and an unknown setting is refused."""
        node = self.node()
        with pytest.raises(ValidationError):
            setattr(node, next(iter(type(node).model_fields)), None)
        with pytest.raises(ValidationError):
            type(node).model_validate({**node.model_dump(), "no_such_setting": 1})

    def test_every_knob_of_the_node_is_pinned(self) -> None:
        """`node` must return a node that can run."""
        assert self.node().open_knobs(("scripted",)) == {}

    def test_good_replies_make_a_good_message(self) -> None:
        """With good replies there is an answer, parts or evidence, and a status of ok."""
        outcome = self.bench().run(self.node(), self.inputs())
        assert outcome.message.status is Status.OK, outcome.message.reason
        assert outcome.message.answer or outcome.message.parts or outcome.message.evidence
        assert bool(outcome.bounds) is self.calls

    def test_the_same_run_twice_is_the_same_message(self) -> None:
        """Nothing but the replies decides what a node says."""
        first = self.bench().run(self.node(), self.inputs())
        assert self.bench().run(self.node(), self.inputs()).message == first.message

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " \n ",
            "I cannot say.",
            "{" * 5000,
            '{"a":' * 3000,
            "Answer:",
            "\ud800 Answer: \udfff",
            "Answer: __import__('os').system('exit 1')",
            "9" * 6000,
            "Query: \" OR * NEAR( ) -- '; DROP TABLE passage",
            '{"parts": ["{p1}"], "combine": "{p9}"}',
            "Probability: 999999999999999999999999999999",
        ],
    )
    def test_no_reply_can_break_it(self, text: str) -> None:
        """Whatever a model writes becomes a message, and that message can be stored."""
        outcome = self.bench(lambda request: text).run(self.node(), self.inputs())
        assert isinstance(outcome.message.status, Status)
        for written in (outcome.message.answer, outcome.message.text, outcome.message.reason):
            written.encode()

    @pytest.mark.parametrize("status", [Status.REFUSED, Status.TIMEOUT, Status.PROVIDER_ERROR])
    def test_a_failing_model_is_a_status(self, status: Status) -> None:
        """A failed call never becomes an answer that looks fine; what other nodes said may still be chosen."""

        def fail(request: Request) -> str:
            raise CallFailed(status, "planted")

        outcome = self.bench(fail).run(self.node(), self.inputs())
        if outcome.message.status is Status.OK:
            given = {message.answer for message in self.inputs().messages.values()}
            assert outcome.message.answer in given or not self.calls
        else:
            assert outcome.message.status is status or outcome.message.reason

    def test_an_empty_account_ends_in_a_status(self) -> None:
        """Without room for a single call the node says budget, or does without a model."""
        outcome = self.bench().run(self.node(), self.inputs(), limit=1)
        assert outcome.charged == ZERO
        assert outcome.message.status in (Status.OK, Status.BUDGET)

    @pytest.mark.parametrize("filler", ["good", "longest", "unreadable"])
    @pytest.mark.parametrize("crowd", ["nothing", "few large", "many small"])
    def test_the_worst_case_is_enough(self, crowd: str, filler: str) -> None:
        """A run whose account has exactly the worst case never meets its cap, whatever comes in and comes back."""
        inputs = _crowded(self.inputs(), crowd)

        def script(request: Request) -> str:
            if filler == "unreadable":
                return "?" * request.max_output_tokens
            return (
                self.reply(request)
                if filler == "good"
                else f"{self.reply(request)}\n".ljust(request.max_output_tokens, "x")
            )

        bench = self.bench(script)
        known = Ask(inputs.question, inputs.task.instructions, inputs.task.context)
        worst = bench.worst_case(self.node(), known, _incoming(inputs))
        outcome = bench.run(self.node(), inputs, limit=worst.tokens)
        assert outcome.message.status is not Status.BUDGET, outcome.message.reason
        assert sum(bound.tokens for bound in outcome.bounds) <= worst.tokens


class NoReplies:
    """A cache that knows nothing."""

    def get(self, request_key: str) -> StoredReply | None:
        """See `ReplyCache.get`."""
        return None


async def _run(kind: Kind[Any], node: Node, inputs: Inputs, context: BenchContext) -> Message:
    try:
        return await kind.run(node, inputs, context)
    except CapReached as reached:
        return Message(status=Status.BUDGET, reason=str(reached))
    except CallFailed as failure:
        return Message(status=failure.status, reason=failure.reason)


def _crowded(inputs: Inputs, crowd: str) -> Inputs:
    """The inputs with other messages: none, some that fill their edges, or some with as many items as there can be.

    Messages that carry parts or their answers stay as they are.
    """
    if crowd == "nothing":
        return Inputs(inputs.task, inputs.question, {})
    if crowd == "few large":
        texts = [f"{n}+{n} = {n}\n{n}*{n} = {n}\n{n}-{n} = {n}\n" * 8 for n in range(CANDIDATES)]
        candidates = tuple(Candidate(f"{n:x}", text=text, source="crowd") for n, text in enumerate(texts))
        full = Message(answer="x" * 600, text="y " * 600, candidates=candidates, evidence=("a" * 1000, "é" * 900))
        previous = Message(answer="z" * 600, accepted=False, reason="ﷺ" * 100 + "w" * 1000)
    else:
        # One byte each, and no more than a prompt shows, so that what surrounds them is most of what they cost.
        candidates = tuple(Candidate(letter) for letter in ascii_lowercase[: NOTES - 1])
        full = Message(candidates=candidates, evidence=tuple(printable[:PASSAGES]))
        previous = Message(answer="z", accepted=False, reason="w" * 1000)
    messages: dict[str, Message] = {}
    for name, message in inputs.messages.items():
        messages[name] = message if _of_parts(message) else full
        full = full if crowd == "few large" or _of_parts(message) else Message()
    return Inputs(inputs.task, inputs.question, messages, 1, previous)


def _of_parts(message: Message) -> bool:
    return bool(message.parts) or any(candidate.source.startswith("p") for candidate in message.candidates)


def _incoming(inputs: Inputs) -> Incoming:
    """What came over the edges, as narrow as it can be counted."""
    previous = None if inputs.previous is None else _size(inputs.previous)
    return Incoming(map(_size, inputs.messages.values()), previous)


def _size(message: Message) -> MessageSize:
    said = [Candidate(message.answer, text=message.text), *message.candidates]
    return MessageSize(
        answer=max(longest_bytes(candidate.answer) for candidate in said),
        text=max(longest_bytes(candidate.text) for candidate in said),
        candidates=len(said),
        evidence=sum(map(longest_bytes, message.evidence)),
        passages=len(message.evidence),
        combine=sum(map(longest_bytes, (message.combine, *(part.question for part in message.parts)))),
    )
