"""How nodes speak to a model: a dialect turns what a node wants into messages, and reads the reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ...models.request import ChatMessage, ToolChoice
from ...models.tools import ToolCall
from ...records.message import Part
from ...records.output import Output
from ...records.prompt import Prompt

__all__ = [
    "Ask",
    "Decomposition",
    "Dialect",
    "Messages",
    "ReasoningStep",
    "SearchRound",
    "SearchStep",
    "Style",
    "ToolRound",
    "Wording",
]


class Style(StrEnum):
    """How a solver is to answer; a knob."""

    DIRECT = "direct"
    """The answer only."""
    DRAFT = "draft"
    """Steps of a few words each, then the answer (Chain of Draft, Xu et al. 2025)."""
    THINK = "think"
    """Step by step, then the answer."""


@dataclass(frozen=True, slots=True)
class Wording:
    """In whose words a node asks: the user's own prompt, with what its placeholders need beside the question."""

    prompt: Prompt
    answers: Mapping[str, str] = field(default_factory=dict)
    """By upstream node, for `{node:NAME}`."""
    left: str = ""
    rounds_left: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question as a node passes it to a dialect."""

    question: str
    instructions: str = ""
    """How to read the question, for models that were not made for its family."""
    passages: tuple[str, ...] = ()
    """Context of the task and evidence found upstream."""
    notes: tuple[str, ...] = ()
    """Other nodes' answers or objections, one a line."""
    wording: Wording | None = None
    """None: the dialect's own words."""
    output: Output = "line"
    """What the answer is to be."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What to send."""

    messages: tuple[ChatMessage, ...]
    stop: tuple[str, ...] = ()
    response_schema: str = ""
    """Canonical JSON schema, for models that can hold to one."""
    prefix: str = ""
    """How the reply begins, for models that continue it."""
    tools: str = ""
    """See `Request.tools`."""
    tool_choice: ToolChoice = "auto"


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A question split into parts."""

    parts: tuple[Part, ...]
    combine: str
    """A question in which `{p1}` stands for the answer of part p1, and so on."""


@dataclass(frozen=True, slots=True)
class SearchRound:
    """One finished round of a search."""

    query: str
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchStep:
    """What the model wants next: another query, or to answer. Exactly one of the two is set."""

    query: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class ToolRound:
    """A reply that called tools, as it is shown again, with what came of its calls."""

    text: str
    """The reply's text; in words with its calls."""
    calls: tuple[ToolCall, ...]
    results: tuple[str, ...]
    """One for each call."""


@dataclass(frozen=True, slots=True)
class ReasoningStep:
    """A step of somebody's reasoning, as a question that can be solved anew."""

    question: str
    claimed: str
    """What the reasoning says the answer is."""


class Dialect(Protocol):
    """The prompts of all roles for one way of speaking, and the readers of their replies.

    A reader returns None where the text cannot be read; the node then reports a parse error. Readers treat text as
    data: nothing in it is ever evaluated. With `cut` the reply ended at its output cap, and what stands at its end may
    be half of something.
    """

    words: bool
    """Whether it can speak in the user's own words, see `Ask.wording`, and of outputs in words, see `Ask.output`. Where
    not, a node with a prompt is refused before anything runs, and so is one with another output than a line, a number,
    or JSON that the model is held to."""

    def conversation(self, messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        """The messages of somebody's own app, as the model is to read them."""

    def solve(self, ask: Ask, style: Style) -> Messages:
        """Asks for an answer."""

    def read_answer(self, text: str, style: Style, *, cut: bool = False) -> str | None:
        """The answer in a solver's reply."""

    def conclude(self, ask: Ask, style: Style, trace: str, *, continues: bool) -> Messages | str:
        """Asks for the answer that a reasoning leads to which was cut off at its limit.

        Args:
            ask: the question.
            style: in which it was reasoned.
            trace: the reasoning.
            continues: whether the model continues a reply that is begun for it.

        Returns:
            The prompt; or the answer, where the reasoning had come to its end.
        """

    def decompose(self, ask: Ask, max_parts: int) -> Messages:
        """Asks for sub-questions."""

    def read_decomposition(self, text: str) -> Decomposition | None:
        """The sub-questions in a decomposer's reply; parts are named p1, p2, ... in order."""

    def merge(self, ask: Ask, answers: Sequence[tuple[Part, str]], combine: str) -> Messages:
        """Asks for the answer of the whole, given the answers of the parts."""

    def search(self, ask: Ask, rounds: Sequence[SearchRound], *, last: bool) -> Messages:
        """Asks for the next query, or for the answer where the passages suffice (always where `last`)."""

    def read_search(self, text: str, *, cut: bool = False) -> SearchStep | None:
        """The query or the answer in a searcher's reply."""

    def act(self, ask: Ask, tools: str, rounds: Sequence[ToolRound], *, last: bool, native: bool) -> Messages:
        """Asks for calls of tools or for the answer (always the answer where `last`).

        Args:
            ask: the question.
            tools: as `Request.tools`.
            rounds: those that are done, as turns of the conversation.
            last: whether this is the last round.
            native: whether the model calls tools in the format of chat completions.
        """

    def formalise(self, ask: Ask, problem: str) -> Messages:
        """Asks for a constraint problem; `problem` is the solver's message on the last attempt, or empty."""

    def read_formalisation(self, text: str, ask: Ask) -> str | None:
        """The constraint problem as JSON of the closed schema in `nodes.symbolic.schema`."""

    def verify(self, ask: Ask, answer: str, reasoning: str) -> Messages:
        """Asks whether an answer is right."""

    def read_verdict(self, text: str, *, cut: bool = False) -> float | None:
        """The probability that the answer is right, in [0, 1]."""

    def steps(self, reasoning: str) -> tuple[ReasoningStep, ...]:
        """The steps of a reasoning text that can be solved anew one by one; empty where none can be told apart."""
