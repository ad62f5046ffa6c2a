"""Nodes whose answer has a form of its own: what they ask for, and how a reply that misses it is mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Self, TypeVar

from annotated_types import Interval
from pydantic import PlainSerializer, PlainValidator, model_validator

from ..errors import GraphError, PlanError
from ..models.card import ModelCard
from ..models.request import Request
from ..records.output import JsonOutput, OneOf, Output, output_from, output_json
from ..records.status import Status
from ..records.text import clip, single_spaced
from .base import CallBound, Context, Node, Speakers
from .knob import ADDED, Knob, options
from .model_node import ModelNode
from .outputs import PLAIN, held_problem
from .prompts import dialect_named
from .prompts.base import Messages
from .prompts.replies import mending
from .readings import Reading, read_all

__all__ = [
    "MOST_REPAIRS",
    "UNCHECKED",
    "AnswerNode",
    "answer_size",
    "mended",
    "output_of",
    "prefix_size",
    "repairs_bound",
]

MOST_REPAIRS = 8
UNCHECKED = ("line", "text")
"""Outputs of which nothing can be wrong but that there is none."""
PROBLEM_BYTES = 256
"""The most bytes of what was wrong with a reply in the prompt that asks to mend it."""

T = TypeVar("T")


class AnswerNode(ModelNode):
    """A node that asks a model for an answer."""

    output: Annotated[Any, PlainValidator(output_from), PlainSerializer(output_json, return_type=Any), ADDED] = "line"
    """What the answer is: "line"; "text", the whole reply; "code", without its fence; "number"; `OneOf("A", "B")`; or
    `JsonOutput(schema or class)`. The model is told so, and where its card says that it holds to a schema, it is held
    to it. A reply that is something else is a parse error. A template without `{format}` tells the model itself."""
    repairs: Annotated[Knob[Annotated[int, Interval(ge=0, le=MOST_REPAIRS)]], ADDED] = 0
    """How often a reply that is not what `output` says is sent back with what is wrong with it. Each is a further call,
    charged like any other; one that was cut off or refused is not sent back."""

    def demands(self) -> dict[str, Any]:
        """See `ModelNode.demands`; an answer with a form, or a repair, needs a model that follows words."""
        repairs = {"repairs": self.repairs} if self.repairs else {}
        return super().demands() | repairs | ({} if self.output in PLAIN else {"output": self.output})

    @property
    def demanding(self) -> bool:
        """See `ModelNode.demanding`."""
        return super().demanding or self.repairs != 0 or self.output not in PLAIN

    @property
    def _with_models(self) -> frozenset[str]:
        return super()._with_models | {"repairs"}

    def fitted(self, card: Callable[[str], ModelCard]) -> Self:
        """See `Node.fitted`; who follows no instructions is asked for lines, numbers, and JSON that it is held to."""
        fitted = super().fitted(card)
        asked = {name: value for name, value in self.demands().items() if name in ("output", "repairs")}
        for known in map(card, self.called()):
            for name, value in asked.items():
                if dialect_named(known.dialect).words or (name == "output" and self.holds(known)):
                    continue
                raise PlanError(
                    f"model {known.name!r} follows no instructions (dialect {known.dialect!r}), so it cannot be asked "
                    f"for {name}={value!r:.60}{self._misfit(known)}; choose a model whose dialect is 'chat'"
                )
        return fitted

    def holds(self, card: ModelCard) -> bool:
        """Whether a model that follows no instructions can be held to the output."""
        return isinstance(self.output, JsonOutput) and card.json_schema and not held_problem(self.output)

    def _misfit(self, card: ModelCard) -> str:
        problem = held_problem(self.output) if isinstance(self.output, JsonOutput) and card.json_schema else ""
        return f" ({problem})" if problem else ""

    def reads_a_form(self) -> bool:
        """See `ModelNode.reads_a_form`: where an output is set, it is for the user to say how to reply."""
        return bool(self.output == "line")

    @model_validator(mode="after")
    def _repairs_can_be_asked_for(self) -> Self:
        if self.output in UNCHECKED and max(options(self.repairs)) > 0:
            raise GraphError(
                f"repairs of a {self.kind} node: nothing can be wrong with output={self.output!r}; set an output that "
                "can be checked, such as JsonOutput(...), or leave out repairs"
            )
        return self


def output_of(node: Node | None) -> Output:
    """What the answer of a node is to be."""
    return node.output if isinstance(node, AnswerNode) else "line"


async def mended(
    node: AnswerNode, readings: Sequence[Reading[T]], requests: Sequence[Request], context: Context, reader: Any
) -> list[Reading[T]]:
    """The readings, those that missed the output asked for anew, at the same time, as often as the node says.

    Args:
        node: pinned.
        readings: what came of the requests.
        requests: one for each reading; a repair goes on from its prompt.
        context: of the node.
        reader: see `reader_of`.

    Raises:
        BudgetBreach: the model cannot be relied on, so the run must end.
    """
    found = list(readings)
    for number in range(1, node.repairs + 1):
        wrong = [place for place, reading in enumerate(found) if _can_be_mended(reading)]
        if not wrong:
            break
        context.record("repair", number=number, problems=[found[place].problem for place in wrong])
        asked = [_asked_again(requests[place], found[place]) for place in wrong]
        again = await read_all(asked, context, reader, cut=partial(reader, cut=True))
        for place, reading in zip(wrong, again, strict=True):
            found[place] = reading
    return found


def repairs_bound(node: AnswerNode, call: CallBound, reply: int, speakers: Speakers) -> tuple[CallBound, ...]:
    """The calls that mend the replies to a call: its prompt, the reply that missed the output, and what was wrong.

    Args:
        node: pinned.
        call: what is mended.
        reply: the most that its reply has, with what was begun for it, in the unit of `Speakers.measure`.
        speakers: measures texts.
    """
    if not node.repairs:
        return ()
    frame = sum(speakers.measure(message.content) for message in mending(Messages(()), "", "").messages)
    size = call.prompt_bytes + frame + reply + PROBLEM_BYTES
    return (replace(call, prompt_bytes=size, messages=call.messages + 2, times=call.times * node.repairs),)


def prefix_size(node: AnswerNode, speakers: Speakers) -> int:
    """The most that a prompt of the node begins a reply with."""
    return max((speakers.measure(prompt.prefix) for prompt in node.prompts()), default=0)


def answer_size(output: Output, reply: int, speakers: Speakers) -> int:
    """The most that an answer has whose reply has so much: an option is one of those that there are."""
    return max(map(speakers.measure, output.options)) if isinstance(output, OneOf) else reply


def _can_be_mended(reading: Reading[Any]) -> bool:
    return reading.status is Status.PARSE_ERROR and bool(reading.problem) and bool(reading.text.strip())


def _asked_again(request: Request, reading: Reading[Any]) -> Request:
    problem = clip(single_spaced(reading.problem), PROBLEM_BYTES)
    return replace(request, messages=mending(Messages(request.messages), reading.text, problem).messages)
