"""The function: a step that a function of the user's own does, without a model and without a token."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from pydantic import PlainSerializer, PlainValidator, PositiveInt, ValidationInfo

from ..errors import UsageError
from ..records.message import ANY_SIZE, CANDIDATES, Forward, Message, MessageSize
from ..records.output import canonical_json
from ..records.status import Status
from ..records.text import encodable, longest_bytes
from .base import CallBound, Context, Incoming, Inputs, Kind, Node, Speakers
from .callables import FUNCTION, Given, Imported, callable_json
from .daemon_threads import DaemonThreads
from .known_results import KnownResults
from .parts import complaint, part_bytes
from .prompts.base import Ask
from .user_calls import called, first_line

__all__ = ["KIND", "Function"]

_THREADS = 128
"""The most calls of one node at a time, those included that were given up and never returned."""
_KEPT = frozenset({Status.OK, Status.SKIPPED})
"""What a pure function says once and for all: an answer, or that there is nothing to say."""


def _source(value: Any, info: ValidationInfo) -> Imported | Given:
    found = FUNCTION.named(value, info) or FUNCTION.given(value)
    if found is None:
        raise ValueError(
            'give a function (question, inputs, task) -> str, dict or Message, or its name "my_app:function"'
        )
    return found


class Function(Node):
    """Answers by a function `(question, inputs, task) -> str | dict | Message`, which costs no tokens.

    `inputs` are the messages from upstream by the name of their node, as their edges let them through. The function may
    be async; one that is not runs in a thread. An empty text says that there is nothing to say (`skipped`); a dict
    becomes JSON in one spelling, with the value in `Message.data`; a `Message` passes as it is, so that a function can
    also say a status, split a question, or end a loop. An exception, or anything else that is returned, is the status
    `tool_error` with its first line; the run goes on.
    """

    kind: ClassVar[str] = "function"

    function: Annotated[
        str | Callable[..., Any] | Imported | Given,
        PlainValidator(_source),
        PlainSerializer(callable_json, return_type=Any),
    ]
    """The function or a callable object, or its name "module:name". In JSON it is `{"import": "module:name"}`, and is
    imported only where whoever loads the file admits the module. What no module holds at its top, such as a lambda, can
    be run, and a graph that has it cannot be written to a file."""
    timeout_seconds: Annotated[float, Interval(gt=0.0, le=86_400.0)] = 30.0
    """After so long the node ends with the status `timeout`. A thread cannot be stopped: the function goes on to its
    end, and what it returns then is dropped."""
    result_bytes: PositiveInt = 8192
    """The most bytes that it may return, all texts together; more is the status `oversize`, and nothing is cut. The
    prompts behind it are bounded by this: set it to what the function needs."""
    pure: bool = False
    """Whether its result depends on nothing but its arguments. It is then reused where task, question and inputs are
    the same, within a batch of runs, and while it is among the last that there is room for. Each run has a copy of its
    data; a failure is not kept."""

    def __init__(
        self,
        function: str | Callable[..., Any] | Imported | Given,
        *,
        timeout_seconds: float = 30.0,
        result_bytes: int = 8192,
        pure: bool = False,
    ) -> None:
        settings = {"timeout_seconds": timeout_seconds, "result_bytes": result_bytes, "pure": pure}
        super().__init__(**{"function": function, **settings})

    # So that pydantic validates a file's settings as it does for any other model, with the modules that are admitted.
    __init__.__dict__["__pydantic_base_init__"] = True


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a node keeps between runs."""

    function: Callable[..., Any]
    threads: DaemonThreads
    known: KnownResults | None
    """Results that can be reused; None where the function is not pure."""


@contextmanager
def _open(node: Function) -> Iterator[_Opened]:
    source: Any = node.function
    function = source.function()
    _check_signature(source.name, function)
    threads = DaemonThreads(_THREADS)
    try:
        yield _Opened(function, threads, KnownResults(node.result_bytes) if node.pure else None)
    finally:
        threads.close()


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are written in C do not tell; the call will
        return
    try:
        signature.bind("", {}, None)
    except TypeError as problem:
        raise UsageError(
            f"function {name!r} cannot be called as (question, inputs, task): {problem}; it is {name.partition(':')[2]}"
            f"{signature}"
        ) from None


async def _run(node: Function, inputs: Inputs, context: Context) -> Message:
    opened: _Opened = context.resource
    if opened.known is None:
        return (await _called(node, inputs, opened))[0]
    key = opened.known.key(inputs)
    found = opened.known.get(key)
    if found is not None:
        context.record("reused")
        return found
    message, returned = await _called(node, inputs, opened)
    if returned and message.status in _KEPT:
        try:
            opened.known.put(key, message)
        except Exception as problem:  # noqa: BLE001 - a value of the user's may raise anything where it is copied
            return _failed(f"pure, it returned data that cannot be copied for another run: {first_line(problem)}")
    return message


async def _called(node: Function, inputs: Inputs, opened: _Opened) -> tuple[Message, bool]:
    """What came of a call, and whether the function returned at all."""
    arguments = inputs.question, MappingProxyType(dict(inputs.messages)), inputs.task
    came = await called(opened.function, arguments, opened.threads, node.timeout_seconds)
    if came.status is Status.TIMEOUT:
        reason = f"not done within timeout_seconds={node.timeout_seconds:g}"
        return Message(status=Status.TIMEOUT, reason=reason), False
    if came.status is not Status.OK:
        return _failed(came.reason), False
    return _message(node, inputs, came.value), True


def _message(node: Function, inputs: Inputs, result: Any) -> Message:
    """What the function returned as a message, or one that says why it cannot be one."""
    if isinstance(result, str):
        message = Message(answer=encodable(str(result)))
        if not message.answer.strip():
            return Message(status=Status.SKIPPED, reason="the function returned an empty text")
    elif isinstance(result, dict):
        try:
            written = canonical_json(result)
        except (TypeError, ValueError, RecursionError) as problem:
            return _failed(f"it returned a dict that is not JSON: {first_line(problem)}")
        answer = encodable(written)
        message = Message(answer=answer, data=json.loads(answer))
    elif isinstance(result, Message):
        try:
            message = _encodable(result)
        except (TypeError, AttributeError) as problem:
            return _failed(f"it returned a Message with a field of another type: {first_line(problem)}")
    else:
        return _failed(f"it returned {type(result).__name__}; return a str, a dict or a Message")
    if message.parts or message.combine:
        wrong = complaint(message.parts, message.combine, CANDIDATES, part_bytes(inputs.question))
        if wrong:
            return _failed(f"it returned parts that cannot be worked off: {wrong}")
    excess = _excess(node, message)
    return Message(status=Status.OVERSIZE, reason=excess) if excess else message


def _excess(node: Function, message: Message) -> str:
    """What is too large of a message; empty where all fits."""
    said = replace(message, status=Status.OK, parts=(), combine="")
    carried = said.forwarded(Forward.FULL, _size(node))
    large = longest_bytes(message.reason)
    if carried.status is Status.OK and large <= node.result_bytes:
        return ""
    found = carried.reason if carried.status is not Status.OK else f"its reason has {large:,}"
    return (
        f"what the function returned is larger than result_bytes={node.result_bytes:,} admits: {found}; raise "
        "result_bytes, or return less"
    )


def _failed(reason: str) -> Message:
    return Message(status=Status.TOOL_ERROR, reason=encodable(reason))


def _encodable(message: Message) -> Message:
    """The message as a store can hold it.

    Raises:
        TypeError, AttributeError: a field holds something else than it is for.
    """
    if not isinstance(message.status, Status):
        raise TypeError(f"status is {type(message.status).__name__}")
    return replace(
        message,
        answer=encodable(message.answer),
        text=encodable(message.text),
        reason=encodable(message.reason),
        combine=encodable(message.combine),
        evidence=tuple(encodable(passage) for passage in message.evidence),
        candidates=tuple(replace(c, answer=encodable(c.answer), text=encodable(c.text)) for c in message.candidates),
        parts=tuple(replace(part, question=encodable(part.question)) for part in message.parts),
    )


def _size(node: Function) -> MessageSize:
    most = node.result_bytes
    return replace(ANY_SIZE, answer=most, text=most, evidence=most, most=most)


def _worst_case(node: Function, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    return ()


def _writes(node: Function, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    return _size(node)


KIND = Kind(config=Function, run=_run, worst_case=_worst_case, open=_open, writes=_writes)
