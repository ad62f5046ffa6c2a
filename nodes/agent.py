"""The agent: a model that calls tools, round by round, and answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Self, cast

from annotated_types import Interval
from pydantic import PlainSerializer, PlainValidator, PositiveInt, model_validator

from ..errors import PlanError
from ..models.card import ModelCard
from ..models.request import Reply, Request
from ..models.tools import CALL_TOKENS, ToolCall, call_size, tools_size
from ..records.message import CANDIDATES, Message, MessageSize
from ..records.text import clip, encodable, longest_bytes
from .answer_node import AnswerNode, answer_size, mended, prefix_size, repairs_bound
from .asks import FILLER, ask_of, bound_of, request_of
from .base import CallBound, Context, Fee, Incoming, Inputs, Kind, Speakers
from .callables import Given, Imported
from .embedded_tools import result_size, why_uncallable
from .knob import ANY_MODEL, Knob, ModelKnob, Times
from .mcp_listing import placeholder_tool
from .mcp_tools import McpTools
from .oracles import right_answer
from .outputs import candidate_of, reader_of
from .prompts.acting import calls_in, quoted, result_frame
from .prompts.base import Ask, Dialect, Messages, Style, ToolRound
from .readings import Reading, Unfit, all_of, read
from .repeated_node import RepeatedNode, most_draws, vote_of
from .repetition import Drawn, draws_of, first_alone, message_of, repeat
from .tool_costs import billionths
from .tool_runs import OpenTools, Toolbox, ToolRuns, canonical_arguments, opened_tools, shared_out
from .tools import Tool, ToolSource, check_names, sources_json, tool_of, tools_from, tools_json

__all__ = ["KIND", "MOST_CALLS", "Agent"]

MOST_CALLS = 8
"""The most calls of one reply that are made."""
_NAME_BYTES = 64
_CALL_BYTES = CALL_TOKENS + _NAME_BYTES + len("{}")
"""What a call takes in a prompt at least: with the longest name, and no arguments."""
_FRAME = len("Results:\n")


class Agent(RepeatedNode, AnswerNode):
    """Answers with the help of tools: functions of the user's own, and tools of MCP servers.

    In each round the model calls tools, several at once where it likes, or answers. What the tools return goes back to
    it as data. In the last round it must answer. It must also where all calls of a round were made before: they are
    answered from memory, and another round would bring nothing new.

    One sample is a whole loop, with its own conversation and its own memory of calls. Several vote with their answers.
    """

    kind: ClassVar[str] = "agent"

    tools: Annotated[
        tuple[str | Callable[..., Any] | Imported | Given | McpTools, ...],
        PlainValidator(tools_from),
        PlainSerializer(sources_json, return_type=Any),
    ]
    """Functions with type hints, async or not: themselves, or "module:name"; and `McpTools`. A model is told their
    names, docstrings and arguments. In JSON a function is `{"import": "module:name"}` and a server `{"mcp": ...}`; the
    one is imported, and the other started, only where whoever loads the file admits the module or the command."""
    model: ModelKnob = ANY_MODEL
    rounds: Knob[Times] = 4
    """The most replies of the model, the answer included: two calls, one after the other, need 3."""
    max_output_tokens: Knob[PositiveInt] = 512
    """Of each round."""
    result_bytes: Knob[Annotated[int, Interval(ge=512, le=10_000_000)]] = 2000
    """The most bytes of all results of one round together. Longer ones are cut, and marked as cut."""
    timeout_seconds: Annotated[float, Interval(gt=0.0, le=86_400.0)] = 30.0
    """After so long a call of a tool is given up, and the model is told so."""

    def demands(self) -> dict[str, Any]:
        """See `ModelNode.demands`; tools need a model that follows words, or calls them by itself."""
        return super().demands() | {"tools": ", ".join(source.name for source in _sources(self))}

    @property
    def demanding(self) -> bool:
        """See `ModelNode.demanding`."""
        return True

    def fitted(self, card: Callable[[str], ModelCard]) -> Self:
        """See `Node.fitted`; a model that follows no instructions calls what it calls by itself, see `Offered`."""
        for known in map(card, self.called()):
            problem = why_uncallable(known, _functions(self))
            if problem:
                raise PlanError(problem)
        return super().fitted(card)

    def reads_a_form(self) -> bool:
        """See `ModelNode.reads_a_form`: how to call a tool is a part of it."""
        return True

    @model_validator(mode="after")
    def _tools_can_be_called(self) -> Self:
        check_names(_functions(self))
        return self


@dataclass(frozen=True, slots=True)
class _Step:
    """What the model wants next: calls, or to answer. Exactly one of the two is set."""

    calls: tuple[ToolCall, ...] = ()
    answer: str = ""
    text: str = ""
    """What it wrote with its calls; in words up to the end of the last one."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """What is the same in all rounds of one loop."""

    node: Agent
    context: Context
    dialect: Dialect
    toolbox: Toolbox
    native: bool
    """Whether the model calls tools in the format of chat completions."""
    reply_bytes: int
    """The most of a reply that is shown again."""
    number: int
    """Of the draw."""


async def _run(node: Agent, inputs: Inputs, context: Context) -> Message:
    async def draw(samples: Sequence[int]) -> list[Drawn[int]]:
        return await all_of([_acted(node, inputs, context, number) for number in samples])

    loops = partial(first_alone, draw, context=context)
    found = await repeat(node, inputs.question, context, loops)
    message, told = message_of(node, found, context), found.winner(vote_of(node)) or found.drawn[0]
    return replace(message, rounds=told.value)


async def _acted(node: Agent, inputs: Inputs, context: Context, number: int) -> Drawn[int]:
    """One loop from the question to the answer, and how many rounds of calls it took.

    Args:
        node: pinned.
        inputs: of the node.
        context: of the node.
        number: of the draw.
    """
    card = context.card(node.model)
    opened: OpenTools = context.resource
    toolbox = await opened.toolbox()
    loop = _Loop(node, context, context.dialect(node.model), toolbox, card.tools, _reply_bytes(node, card), number)
    runs = ToolRuns(toolbox, node.timeout_seconds, node.result_bytes, context)
    rounds: list[ToolRound] = []
    readings: list[Reading[_Step]] = []
    exhausted = False
    while True:
        last = exhausted or len(rounds) >= node.rounds - 1
        reading = await _step(loop, inputs, rounds, last=last)
        readings.append(reading)
        step = reading.value
        if step is None:
            return Drawn(len(rounds), None, tuple(readings))
        if not step.calls:
            candidate = candidate_of(node.output, step.answer, reading, context.node)
            return Drawn(len(rounds), candidate, tuple(readings))
        made = step.calls[:MOST_CALLS]
        begun = time.monotonic()
        results = await runs.run(made)
        shown = shared_out(results, node.result_bytes, _as_it_is if loop.native else quoted)
        _record(loop, len(rounds), step, zip(made, results, shown, strict=True), time.monotonic() - begun)
        first = sum(len(done.calls) for done in rounds)
        rounds.append(ToolRound(*_kept(loop, step, made, first), tuple(shown)))
        exhausted = all(result.remembered for result in results)


async def _step(loop: _Loop, inputs: Inputs, rounds: Sequence[ToolRound], *, last: bool) -> Reading[_Step]:
    node, context, ask = loop.node, loop.context, ask_of(inputs, loop.node)
    if ask.wording is not None:
        ask = replace(ask, wording=replace(ask.wording, rounds_left=str(node.rounds - 1 - len(rounds))))
    request = request_of(
        context,
        node.model,
        loop.dialect.act(ask, loop.toolbox.told, rounds, last=last, native=loop.native),
        max_output_tokens=node.max_output_tokens,
        temperature=node.temperature,
        node=node,
        sample=inputs.round * most_draws(node) + loop.number,
    )
    reader = partial(_read, loop=loop, last=last)
    first = await read(
        request, context, reader, cut=partial(reader, cut=True), calls=partial(_read_calls, loop=loop, last=last)
    )
    (reading,) = await mended(node, [first], [_answering(request)], context, reader)
    return reading


def _answering(request: Request) -> Request:
    """The request as a reply to it is mended: what missed its form was an answer."""
    return replace(request, tool_choice="none") if request.tools else request


def _read(text: str, *, loop: _Loop, last: bool, cut: bool = False) -> _Step | None:
    """The calls or the answer in a reply's text; raises `Unfit` where it calls tools in the last round."""
    calls, end = calls_in(text, loop.toolbox.tools, lines=not loop.native)
    if calls and last:
        raise Unfit(f"after the last round it still calls {calls[0].name[:_NAME_BYTES]!r} in place of an answer")
    if calls:
        return _Step(calls, text="" if loop.native else text[:end])
    answer = _answer(text, loop, cut=cut)
    return _Step(answer=answer) if answer else None


def _read_calls(reply: Reply, *, loop: _Loop, last: bool) -> _Step | None:
    text = encodable(reply.text)
    if not last:
        return _Step(reply.tool_calls, text=text)
    if text.strip():
        return _read(text, loop=loop, last=last)
    name = reply.tool_calls[0].name
    raise Unfit(f"after the last round it still calls {name[:_NAME_BYTES]!r} in place of an answer")


def _answer(text: str, loop: _Loop, *, cut: bool) -> str | None:
    """The answer as the output has it; a single line without a mark is one too."""
    output = loop.node.output
    try:
        found = reader_of(output, loop.dialect, Style.THINK)(text, cut=cut)
    except Unfit:
        if output != "number" or not _is_line(text):
            raise
        found = None
    if found is None and not cut and output in ("line", "number") and _is_line(text):
        return reader_of(output, loop.dialect, Style.DIRECT)(text)
    return found


def _is_line(text: str) -> bool:
    return "\n" not in text.strip()


def _as_it_is(text: str) -> str:
    return text


def _kept(loop: _Loop, step: _Step, calls: Sequence[ToolCall], first: int) -> tuple[str, tuple[ToolCall, ...]]:
    """A reply as it is shown again, within its bound: its text and its calls, with ids that any endpoint takes.

    Where not all of it fits, calls lose what the endpoint wanted back, then arguments; the text has what is left.
    """
    tools = loop.toolbox.tools
    if not loop.native:
        return clip(step.text, loop.reply_bytes), tuple(
            ToolCall(call.name if call.name in tools else "", call.arguments) for call in calls
        )
    left = loop.reply_bytes + MOST_CALLS * _CALL_BYTES - len(calls) * _CALL_BYTES
    kept = []
    for number, call in enumerate(calls, start=first):
        # Some endpoints refuse a history with other names, with arguments that are no JSON, or with longer ids.
        bare = ToolCall(call.name if call.name in tools else "unknown", "{}", f"call{number:05d}")
        whole = replace(bare, arguments=canonical_arguments(call.arguments) or "{}", extra=encodable(call.extra))
        for form in (whole, replace(whole, extra=""), bare):
            if call_size(form) - _CALL_BYTES <= left:
                kept.append(form)
                left -= max(0, call_size(form) - _CALL_BYTES)
                break
    return clip(step.text, left), tuple(kept)


def _record(loop: _Loop, number: int, step: _Step, made: Any, seconds: float) -> None:
    """Notes a round and its calls for the trace."""
    context, failed, remembered = loop.context, 0, 0
    numbered = {"sample": loop.number} if most_draws(loop.node) > 1 else {}
    for call, result, shown in made:
        failed, remembered = failed + result.failed, remembered + result.remembered
        paid = {"usd": result.charged / 1e9} if result.charged else {}
        paid |= {"lost_usd": result.lost / 1e9} if result.lost else {}
        context.record(
            "tool",
            round=number,
            name=encodable(call.name[:_NAME_BYTES]),
            arguments=canonical_arguments(call.arguments) or encodable(call.arguments),
            result=shown,
            failed=result.failed,
            remembered=result.remembered,
            seconds=round(result.seconds, 6),
            **paid,
            **numbered,
        )
    context.record(
        "tools",
        round=number,
        calls=len(step.calls),
        dropped=max(0, len(step.calls) - MOST_CALLS),
        failed=failed,
        remembered=remembered,
        seconds=round(seconds, 6),
        **numbered,
    )


def _reply_bytes(node: Agent, card: ModelCard) -> int:
    tokens = min(node.max_output_tokens, card.max_output_tokens) + card.output_slack_tokens
    return tokens * card.bytes_per_token


def _worst_case(node: Agent, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    """Of every round: the prompt, and of each round before it a reply, its calls and their results."""
    tools, servers, card = _functions(node), _servers(node), speakers.card(node.model)
    told = tools_json(tools, [placeholder_tool(server, FILLER) for server in servers])
    dialect = speakers(node.model)
    if card.tokenizer == "pocket":  # An embedded model reads neither tools nor the arguments of its calls.
        fixed, turns = 0, 1 + MOST_CALLS
        found = result_size(tools, node.result_bytes, servers=bool(servers))
        grown = speakers.reply(node.model, node.max_output_tokens) + found
    elif card.tools:
        fixed = tools_size(tools_json(tools)) + sum(server.schema_bytes for server in servers) + card.tools_tokens
        grown = _reply_bytes(node, card) + MOST_CALLS * _CALL_BYTES + node.result_bytes
        turns = 1 + MOST_CALLS
    else:
        names = [tool.name for tool in tools] + ["x" * _NAME_BYTES for _ in servers]
        frame = longest_bytes(result_frame(names))
        fixed, turns = 0, 2
        reply = max(_reply_bytes(node, card), speakers.reply(node.model, node.max_output_tokens))
        grown = reply + prefix_size(node, speakers) + _FRAME + MOST_CALLS * frame + node.result_bytes

    def render(filled: Ask) -> Messages:
        return dialect.act(filled, told, (), last=True, native=card.tools)  # any round may turn out to be the last

    cap = node.max_output_tokens
    first = bound_of(
        node.model,
        render,
        ask,
        incoming,
        cap,
        node=node,
        extra_bytes=fixed,
        times=most_draws(node),
        speakers=speakers,
    )
    bounds = [
        replace(first, prompt_bytes=first.prompt_bytes + done * grown, messages=first.messages + done * turns)
        for done in range(node.rounds)
    ]
    reply = speakers.reply(node.model, node.max_output_tokens) + prefix_size(node, speakers)
    return (*bounds, *(mend for call in bounds for mend in repairs_bound(node, call, reply, speakers)))


def _sources(node: Agent) -> tuple[ToolSource, ...]:
    return cast(tuple[ToolSource, ...], node.tools)


def _functions(node: Agent) -> list[Tool]:
    return [tool_of(source) for source in _sources(node) if not isinstance(source, McpTools)]


def _servers(node: Agent) -> list[McpTools]:
    return [source for source in _sources(node) if isinstance(source, McpTools)]


def _fee(node: Agent) -> Fee:
    """Of every round but the last: as many calls as are made, of the dearest tool."""
    prices = [tool.usd for tool in _functions(node)] + [billionths(server.usd_per_call) for server in _servers(node)]
    return Fee(max(prices), (node.rounds - 1) * MOST_CALLS * most_draws(node))


def _open(node: Agent) -> AbstractContextManager[OpenTools]:
    return opened_tools(_sources(node))


def _writes(node: Agent, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    reply = speakers.reply(node.model, node.max_output_tokens)
    candidates = min(CANDIDATES, most_draws(node))
    return MessageSize(answer=answer_size(node.output, reply, speakers), text=reply, candidates=candidates)


KIND = Kind(
    config=Agent,
    run=_run,
    worst_case=_worst_case,
    fee=_fee,
    open=_open,
    writes=_writes,
    oracle=right_answer,
    draws=draws_of,
    repeats=lambda node: node.rounds - 1,
    models=lambda node: (node.model,),
)
