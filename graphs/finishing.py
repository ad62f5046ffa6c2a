"""The finishing allowance: how a run that has met its cap still ends with an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..budgets.cap import pick
from ..models.metered import call_bound
from ..models.pool import Pool
from ..models.request import Reply, Request
from ..nodes.answer_node import AnswerNode, output_of
from ..nodes.outputs import fewest_tokens, formed, passed_on, reader_of, says_nothing, spoken_by
from ..nodes.prompts import dialect_named
from ..nodes.prompts.base import Ask, Dialect, Style
from ..nodes.readings import Unfit
from ..nodes.votes import pooled
from ..records.message import Candidate, Message
from ..records.output import Output
from ..records.rows import Unit
from ..records.status import Status
from ..records.task import Task
from ..records.usage import Amount
from .blueprint import Blueprint

__all__ = ["Allowance", "InPlace", "best_so_far", "direct_answer", "direct_call", "fitting", "output_of_graph"]

_ENDS = (".", "!", "?", ")", "]", "}", '"', "'", "”", "。", "！", "？", "```")
"""What a text that was not cut off most often ends with."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Room for one direct call, held from the start of a run."""

    reservation_id: str
    request: Request


@dataclass(frozen=True, slots=True)
class InPlace(Message):
    """What a run answers in place of its final node, which said nothing before a cap was reached."""

    whole: bool = False
    """Whether the text is known not to be cut off."""


def direct_call(
    task: Task,
    pool: Pool,
    dialect: Callable[[str], Dialect],
    unit: Unit,
    output_cap: int | None = None,
    *,
    output: Output = "line",
) -> tuple[Request, Amount]:
    """The request for a direct answer whose bound is the lowest in `unit`, and that bound.

    With an output cap, where no call may write more than that; and for an answer of this output.

    Models whose output cannot be capped are left out, unless there are no others; so are those that cannot be asked for
    such an answer.
    """
    ask = Ask(task.question, task.instructions, task.context, output=output)
    calls = []
    able = [model for model in pool if spoken_by(model.card, dialect(model.card.dialect), output)]
    for model in able or pool:
        card = model.card
        speaker = dialect(card.dialect)
        prompt = speaker.solve(ask, Style.DIRECT)
        # JSON that a model is held to has names and structure beside the answer.
        room = card.direct_output_cap + (0 if speaker.words else fewest_tokens(output))
        request = Request(
            model=card.name,
            messages=prompt.messages,
            max_output_tokens=min(room, card.max_output_tokens, output_cap or room),
            stop=prompt.stop,
            response_schema=prompt.response_schema if card.json_schema else "",
        )
        bound = call_bound(model, request)
        calls.append(((card.output_cap == "ignored", pick(bound, unit)), request, bound))
    _, request, bound = min(calls, key=lambda call: call[0])
    return request, bound


def direct_answer(reply: Reply, dialect: Dialect) -> InPlace:
    """What the direct call says: its answer, or the status that says why there is none."""
    capped = reply.finish_reason == "length"
    answer = dialect.read_answer(reply.text, Style.DIRECT, cut=capped)
    if answer:
        return InPlace(answer=answer, text=reply.text, whole=not capped)
    if capped:
        return InPlace(status=Status.STARVED, reason="the direct call was cut off", text=reply.text)
    return InPlace(status=Status.PARSE_ERROR, reason="no answer in the direct call", text=reply.text)


def best_so_far(messages: Iterable[Message]) -> InPlace | None:
    """The best candidate among what nodes have said about the whole question, at no cost; None where there is none.

    Each node has one vote, spread over its candidates (see `pooled`). What a checker did not accept speaks only where
    nothing else does.
    """
    panels: dict[bool, list[tuple[Candidate, ...]]] = {True: [], False: []}
    for message in messages:
        panel = message.candidates or (Candidate(message.answer),)
        if any(candidate.answer.strip() for candidate in panel):
            panels[message.accepted].append(panel)
    candidates = pooled(panels[True]) or pooled(panels[False])
    if not candidates:
        return None
    best = candidates[0]
    return InPlace(answer=best.answer, data=best.data, text=best.text, candidates=candidates)


def output_of_graph(graph: Blueprint) -> Output:
    """What is to be answered in place of the final node: its output.

    Where it passes on what others say, it is what all nodes that answer agree on.
    """
    final = graph.nodes[graph.final]
    if not graph.kinds[final.kind].passes_on:
        return output_of(final)
    said = [node.output for node in graph.nodes.values() if isinstance(node, AnswerNode)]
    agreed: Output = said[0] if said and all(output == said[0] for output in said) else "line"
    return agreed


def fitting(output: Output, message: Message) -> Message:
    """The answer of a run that met its cap; what stands in for the final node only if it is of this output."""
    if not isinstance(message, InPlace) or message.status.failed:
        return message
    message = replace(message, abstained=says_nothing(output, message.answer))
    if output == "line" or message.form:
        return message
    found = None if output in ("text", "code") else passed_on(output, Candidate(message.answer), "")
    if found is None:
        answer = _read(output, message)
        found = None if answer is None else formed(output, Candidate(answer, text=message.text))
    if found is None:
        reason = f"a cap was reached, and the best answer so far is not what was asked for: {message.answer[:60]!r}"
        return Message(status=Status.BUDGET, reason=reason, text=message.text)
    return Message(answer=found.answer, data=found.data, text=message.text, candidates=message.candidates)


def _read(output: Output, message: InPlace) -> str | None:
    """What a reply says as this output; of texts and programs that may have been cut off, only what seems whole."""
    text = message.text or message.answer
    if output == "text" and not message.whole and not text.rstrip().endswith(_ENDS):
        return None
    cut = output == "code" and not message.whole
    try:
        return reader_of(output, dialect_named("chat"), Style.DIRECT)(text, cut=cut)
    except Unfit:
        return None
