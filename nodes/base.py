"""What a node is, and what it sees while it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from ..errors import PlanError
from ..models.card import ModelCard
from ..models.delta import Delta
from ..models.effort import Effort
from ..models.request import Reply, Request
from ..records.message import CANDIDATES, Message, MessageSize
from ..records.prompt import Prompt
from ..records.status import Status
from ..records.task import Task
from ..records.text import longest_bytes
from ..records.usage import Amount
from .depth import Depth
from .draws import Draws
from .knob import ADDED, ANY_MODEL, MODEL, Choice, marked
from .prompts import dialect_named
from .prompts.base import Ask, Dialect
from .settings_errors import with_settings_errors
from .sizes import CallBound, Fee, Incoming

__all__ = ["CallBound", "Context", "Fee", "Incoming", "Inputs", "Kind", "Node", "Oracle", "Scorer", "Speakers"]

T = TypeVar("T")

Scorer = Callable[[Task, str], float]
"""A metric: from a task and an answer to a score in [0, 1]."""


class Node(BaseModel):
    """A step of a graph, as data. Subclasses add fields; a field of type `Knob[...]` or `ModelKnob` can be opened.

    The code that runs a node is found by its kind, see `Kind`.

    Raises:
        GraphError: a setting does not fit, or there is no such setting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same settings would behave differently; part of the graph's hash."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_settings_errors(cls, handler(source))

    @classmethod
    def model_knobs(cls) -> frozenset[str]:
        """The settings that say which model is called."""
        return marked(cls, MODEL)

    def open_knobs(self, models: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
        """The knobs that are open, with their values in order; `models` are the names in the pool."""
        found: dict[str, tuple[Any, ...]] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Choice):
                found[name] = value.values
            elif value == ANY_MODEL and name in self.model_knobs():
                found[name] = models
        return found

    def usable_knobs(self, cards: Mapping[str, ModelCard]) -> dict[str, tuple[Any, ...]]:
        """The open knobs with the values that some model of the pool can go with; `cards` are by the model's name.

        Raises:
            GraphError: a value is of no use with any model, for a reason that is a mistake.
        """
        return self.open_knobs(tuple(cards))

    def pinned(self, values: Mapping[str, Any], models: tuple[str, ...]) -> Self:
        """The same node with its open knobs set.

        Raises:
            PlanError: a value is missing, or not among those of its knob.
        """
        chosen: dict[str, Any] = {}
        for name, options in self.open_knobs(models).items():
            if name not in values:
                raise PlanError(f"knob {name!r} of a {self.kind} node has no value; it may be one of {options}")
            match = [option for option in options if option == values[name] or _dumped(option) == values[name]]
            if not match:
                raise PlanError(f"knob {name!r} of a {self.kind} node cannot be {values[name]!r}; one of {options}")
            chosen[name] = match[0]
        return self.model_copy(update=chosen)

    def idle_knobs(self) -> frozenset[str]:
        """Of a pinned node: the knobs that make no difference at the settings of the others.

        Plans that differ only there are one plan, so that a search does not measure it twice.
        """
        return frozenset()

    def idle_with(self, card: Callable[[str], ModelCard]) -> frozenset[str]:
        """As `idle_knobs`, with those too that make no difference to the models that it calls."""
        return self.idle_knobs()

    def fitted(self, card: Callable[[str], ModelCard]) -> Self:
        """Of a pinned node: itself without the settings that mean nothing to its models.

        What a knob that makes no difference says must not matter here.

        Raises:
            PlanError: a setting cannot go together with a model that it calls; such plans are no part of a space.
        """
        return self

    def effort_on(self, card: ModelCard) -> Effort | None:
        """Of a pinned node: how hard it asks a model to think; None leaves that to the model."""
        return None

    def depth_at(self, depth: Depth | None, card: Callable[[str], ModelCard]) -> Depth | None:
        """Of a pinned node: how far it reasons with its models, where its kind says `depth`."""
        return depth

    def admissions(self) -> tuple[str, ...]:
        """What whoever loads its graph from a file must admit beside the modules that it names."""
        return ()

    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts of the user's own that it may ask with."""
        return ()

    def canonical(self) -> dict[str, Any]:
        """The node as JSON values, for the graph's hash.

        A field that is marked as `ADDED` is there only where it is not at its default, so that a graph keeps the hash
        that it had before the field was there, and its plans stay valid.
        """
        fields = type(self).model_fields
        unsaid = {
            name
            for name in marked(type(self), ADDED)
            if getattr(self, name) == fields[name].get_default(call_default_factory=True)
        }
        return {"kind": self.kind, "version": self.version, **self.model_dump(mode="json", exclude=unsaid)}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one execution of a node is given."""

    task: Task
    question: str
    """What this execution is asked: the task's question, or that of a part with the answers it needs filled in."""
    messages: Mapping[str, Message]
    """By the name of the node they come from, in the order of the graph, as their edges forward them."""
    round: int = 0
    """Of a loop, from 0."""
    previous: Message | None = None
    """In the later rounds of a loop, for its first node and its checker: what the checker said of the round before."""
    left: int | None = None
    """Tokens that the run had left when the node started, for prompts that say so; None without a cap."""
    rounds_left: int | None = None
    """How many rounds of its loop may follow this one; None outside loops."""
    asked: Any = None
    """What another node asks of it, see `Context.execute`; None where the graph runs it."""

    def evidence(self) -> tuple[str, ...]:
        """The task's passages and those found upstream, each once."""
        found = [*self.task.context, *(p for message in self.messages.values() for p in message.evidence)]
        return tuple(dict.fromkeys(found))

    def ask(self, *, notes: Sequence[str] = ()) -> Ask:
        """The question as a dialect takes it."""
        return Ask(self.question, self.task.instructions, self.evidence(), tuple(notes))


class Context(Protocol):
    """All that a node can reach while it runs. It cannot reach a model any other way."""

    @property
    def node(self) -> str:
        """The node's name in the graph."""

    @property
    def resource(self) -> Any:
        """What the kind's `open` made for this node, or None."""

    @property
    def allowance(self) -> Amount | None:
        """What is left for this run right now, allowances held elsewhere excluded; None without a cap."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names in the pool."""

    def card(self, model: str) -> ModelCard:
        """What is known of a model."""

    def dialect(self, model: str) -> Dialect:
        """How to speak to a model."""

    def bound(self, request: Request) -> Amount:
        """The most that a request can cost."""

    async def call(self, request: Request) -> Reply:
        """Completes a request under the ledger.

        Raises:
            CapReached: it does not fit; whatever the node has by now is its best answer.
            CallFailed: the model failed, with a typed status.
        """

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """As `call`, piece by piece, and last the whole reply; close it where it is left before its end."""

    async def execute(self, node: str, asked: Any, number: int) -> Message:
        """Runs another node of the plan, one whose kind is `on_demand`, in a span of its own.

        Args:
            node: its name in the graph.
            asked: what is asked of it, its `Inputs.asked`.
            number: how often it was asked before in this run.

        Returns:
            What it says; where it failed, with the status and the reason.
        """

    async def spend(self, name: str, most: int, work: Callable[[], Awaitable[tuple[T, int | None]]]) -> T:
        """Does work under the ledger that costs something beside the calls of models.

        Args:
            name: of what is paid, such as a tool.
            most: the most that it may cost, in billionths of a dollar.
            work: does it, and says what it cost, in the same; None where that is unknown, so that all is lost.

        Raises:
            CapReached: it does not fit, and was not begun.
            ToolBreach: it cost more; that is on the books.
        """

    def read_as(self, reply: Reply, status: Status, reason: str = "") -> None:
        """Says what came of reading a reply to one of its calls, for reports: what is not said was read.

        `readings.read` says it. A node that reads its replies otherwise need not: where its message says parse_error,
        starved, refused or filtered, so does its last reply.
        """

    def record(self, event: str, **fields: object) -> None:
        """Notes what the node did, for the trace; values must be JSON values."""


@dataclass(frozen=True, slots=True)
class Speakers:
    """How to speak to the models of a plan, and how large texts are for all of them."""

    dialect: Callable[[str], Dialect]
    """By the model's name."""
    reply: Callable[[str, int], int]
    """(model, output tokens) -> the most that a reply has, in the unit of `measure`."""
    measure: Callable[[str], int] = longest_bytes
    """How many tokens a text has at most; exact where one tokenizer that is known counts for all models."""
    card: Callable[[str], ModelCard] = lambda model: ModelCard(name=model)
    """What is known of a model; where nothing is, a card that says no more than its name."""

    def __call__(self, model: str) -> Dialect:
        """The dialect of a model."""
        return self.dialect(model)


NodeT = TypeVar("NodeT", bound=Node)

Oracle = Callable[[NodeT, Inputs, Context, Scorer], Awaitable[Message | None]]
"""What a node would say if it made no mistake, without a call; None where the task does not tell."""


def _nothing(node: Node) -> None:
    return None


def _free(node: Node) -> Fee:
    return Fee()


def _nobody(node: Any) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Kind(Generic[NodeT]):
    """A node kind: the settings and the code that belong together. One kind is one file, and one line in `kinds`.

    The first three fields make it run. The others tell a search, which knows graphs and no kinds, what the kind's
    nodes have in common with those of other kinds; all can be left out. Every node that they are given is pinned.
    """

    config: type[NodeT]
    run: Callable[[NodeT, Inputs, Context], Awaitable[Message]]
    """Runs once. It may raise CapReached and CallFailed; the runtime turns them into a message with a status."""
    worst_case: Callable[[NodeT, Ask, Incoming, Speakers], tuple[CallBound, ...]]
    """All calls that one run may make, from the pinned node, the question, what its edges may bring, and the dialect by
    model."""
    open: Callable[[NodeT], AbstractContextManager[Any]] | None = None
    """Makes what the node keeps between runs, such as an index; entered once per batch of runs."""
    fee: Callable[[NodeT], Fee] = _free
    """What one run may pay beside those calls, by `Context.spend`."""
    writes: Callable[[NodeT, Ask, Incoming, Speakers], MessageSize] | None = None
    """The most that its message has: what its edges carry follows from it. None: `ANY_SIZE`."""
    oracle: Oracle[NodeT] | None = None
    """What its nodes would say if they made no mistake; where left out, they are left out of a plan's headroom."""
    draws: Callable[[NodeT], Draws | None] = _nothing
    """Its independent draws of one request; None where it has no number of draws to set."""
    depth: Callable[[NodeT], Depth | None] = _nothing
    """How far it reasons; None where that is not what it is for."""
    repeats: Callable[[NodeT], int] = field(default=lambda node: 0)
    """The most rounds in which it looks something up before it answers."""
    models: Callable[[NodeT], tuple[str, ...]] | None = None
    """The models that it may call at its settings; those of its worst case where left out."""
    most_parts: Callable[[NodeT], int] = field(default=lambda node: CANDIDATES)
    """The most parts that it makes of a question; as many as a message can carry back where left out."""
    verified: bool = False
    """Whether its answers are supported by more than a model's word, for example by a constraint check."""
    asks_per_source: bool = False
    """Whether it asks of what each node before it said by itself, so that a call does not depend on the others."""
    passes_on: bool = False
    """Whether it answers with one of the answers that come in, as it stands, and makes none of its own."""
    on_demand: bool = False
    """Whether the graph leaves it alone: another node has it run, see `Context.execute`, as often as it likes."""
    asks: Callable[[NodeT], Mapping[str, str]] = _nobody
    """The nodes that it has run on demand, each with the kind that it must have."""
    unbounded: bool = False
    """Whether nobody can foresee what it asks of nodes that run on demand; its run then needs an allowance, which is
    its bound."""

    def called_by(self, node: NodeT) -> tuple[str, ...]:
        """The models that a pinned node may call, each once."""
        if self.models is not None:
            return tuple(dict.fromkeys(self.models(node)))
        # Which models are called depends neither on the question nor on how they are spoken to.
        speakers = Speakers(lambda model: dialect_named("chat"), lambda model, tokens: tokens)
        calls = self.worst_case(node, Ask("?"), Incoming(()), speakers)
        return tuple(dict.fromkeys(call.model for call in calls))


def _dumped(value: Any) -> Any:
    if isinstance(value, Prompt):
        return value.label
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
