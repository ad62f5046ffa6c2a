"""Running the tools that a model calls: arguments read and checked, results as bounded texts, repeated calls known."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import BaseModel

from ..models.tools import ToolCall
from ..records.status import Status
from ..records.text import clip_as, encodable, longest_bytes
from .callables import Given, Imported, is_async
from .daemon_threads import DaemonThreads
from .prompts.json_text import objects_in
from .tools import Tool, tool_of, tools_json
from .user_calls import called, first_line

__all__ = ["ToolResult", "ToolRuns", "Toolbox", "canonical_arguments", "opened_tools", "shared_out"]

_THREADS = 128
"""The most calls of one node at a time, those included that were given up and never returned."""
_SHOWN = 80
_CUT = "\n[cut; {:,} characters in all]"


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of a node, ready to be called."""

    tools: Mapping[str, Tool]
    told: str
    """What models are told of them, see `Request.tools`."""
    threads: DaemonThreads


@contextmanager
def opened_tools(sources: Sequence[Imported | Given]) -> Iterator[Toolbox]:
    """The tools of a node, and threads to run them in."""
    tools = [tool_of(source) for source in sources]
    threads = DaemonThreads(_THREADS)
    try:
        yield Toolbox({tool.name: tool for tool in tools}, tools_json(tools), threads)
    finally:
        threads.close()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call."""

    text: str
    """At most `most_bytes` characters and one more."""
    characters: int
    """Of the whole text."""
    failed: bool = False
    """Whether the text says what went wrong."""
    remembered: bool = False
    """Whether the same call was made before."""
    seconds: float = 0.0


@dataclass(slots=True)
class ToolRuns:
    """The calls of one loop. A call that was answered before is answered from memory; one that failed is made again.

    Args:
        toolbox: the tools.
        seconds: the time limit of a call.
        most_bytes: the most of a result that can be used.
    """

    toolbox: Toolbox
    seconds: float
    most_bytes: int
    _known: dict[tuple[str, str], ToolResult] = field(default_factory=dict)

    async def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Makes the calls at the same time, equal ones once; the results are in the order of the calls."""
        keys = [(call.name, canonical_arguments(call.arguments) or call.arguments) for call in calls]
        fresh = {key: call for key, call in zip(keys, calls, strict=True) if key not in self._known}
        made = dict(zip(fresh, await asyncio.gather(*map(self._made, fresh.values())), strict=True))
        results: list[ToolResult] = []
        for place, key in enumerate(keys):
            found = made[key] if key in made else self._known[key]
            again = key not in made or key in keys[:place]
            results.append(
                ToolResult(found.text, found.characters, found.failed, again, 0.0 if again else found.seconds)
            )
        self._known.update((key, result) for key, result in made.items() if not result.failed)
        return results

    async def _made(self, call: ToolCall) -> ToolResult:
        tool = self.toolbox.tools.get(call.name)
        if tool is None:
            return self._failure(f"there is no tool {call.name[:_SHOWN]!r}; there are {', '.join(self.toolbox.tools)}")
        written = canonical_arguments(call.arguments)
        if written is None:
            return self._failure(f"the arguments are not a JSON object: {call.arguments[:_SHOWN]!r}")
        try:
            arguments = tool.arguments(json.loads(written))
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # noqa: BLE001 - a validator of the user's may raise anything
            said = str(problem) if type(problem) is ValueError else first_line(problem)
            return self._failure(f"the arguments of {tool.name} do not fit: {said}")
        begun = time.monotonic()
        came = await called(_bound(tool, arguments, self.most_bytes), (), self.toolbox.threads, self.seconds)
        seconds = time.monotonic() - begun
        if came.status is Status.TIMEOUT:
            return self._failure(f"{tool.name} was not done within {self.seconds:g} seconds", seconds)
        if came.status.failed:
            return self._failure(came.reason, seconds)
        text, characters = came.value
        return ToolResult(text, characters, seconds=seconds)

    def _failure(self, reason: str, seconds: float = 0.0) -> ToolResult:
        text, characters = _sliced(f"Error: {reason}", self.most_bytes)
        return ToolResult(text, characters, failed=True, seconds=seconds)


def canonical_arguments(written: str) -> str | None:
    """The arguments of a call as JSON in one spelling; None where they are no object. No arguments are an empty one.

    Written with the spaces that most templates write, so that a model reads its call again as it is in most prompts.
    """
    try:
        value = _value(written.strip())
        if not isinstance(value, dict):
            return None
        return encodable(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError):
        return None


def shared_out(results: Sequence[ToolResult], limit: int, shown: Callable[[str], str]) -> list[str]:
    """The texts of results, cut so that all of them as they are shown have at most so many bytes.

    The short ones are whole; the long ones share what is left. What is cut says so at its end.

    Args:
        results: of one round.
        limit: in bytes, see `longest_bytes`.
        shown: how a text is written into a prompt.
    """
    texts, left = [""] * len(results), limit
    sizes = {place: longest_bytes(shown(result.text)) for place, result in enumerate(results)}
    for number, place in enumerate(sorted(sizes, key=sizes.__getitem__)):
        share = left // (len(results) - number)
        texts[place] = _cut(results[place], share, shown)
        left -= longest_bytes(shown(texts[place]))
    return texts


def _cut(result: ToolResult, limit: int, shown: Callable[[str], str]) -> str:
    if result.characters == len(result.text) and longest_bytes(shown(result.text)) <= limit:
        return result.text
    mark = _CUT.format(result.characters)
    return clip_as(result.text, limit, lambda cut: longest_bytes(shown(cut + mark))) + mark


def _value(written: str) -> Any:
    """What arguments say: JSON, JSON within a JSON text, or an object as models write it."""
    if not written:
        return {}
    try:
        value = json.loads(written, strict=False)
    except ValueError:
        value, start, end = next(objects_in(written), (None, 0, 0))
        return value if start == 0 and end == len(written) else None
    if isinstance(value, str):
        value = json.loads(value, strict=False) if value.strip() else {}
    return {} if value is None else value


def _bound(tool: Tool, arguments: Mapping[str, Any], most: int) -> Callable[[], Any]:
    """The call as a function without arguments that returns a bounded text, made where the tool itself runs."""
    text = partial(_text, tool.name, most=most)
    if is_async(tool.function):

        async def call() -> tuple[str, int]:
            return text(await tool.function(**arguments))

        return call

    def work() -> Any:
        value = tool.function(**arguments)
        return finished(value) if inspect.isawaitable(value) else text(value)

    async def finished(value: Any) -> tuple[str, int]:
        return text(await value)

    return work


def _text(name: str, value: Any, *, most: int) -> tuple[str, int]:
    """What a tool returned as text, with the number of its characters.

    Raises:
        TypeError: it is neither text nor what JSON has.
    """
    if isinstance(value, str):
        return _sliced(str(value), most)
    value = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    if not isinstance(value, dict | list | tuple | bool | int | float | None):
        raise TypeError(f"tool {name!r} returned {type(value).__name__}; return a str, or what JSON has")
    try:
        return _sliced(json.dumps(value, ensure_ascii=False), most)
    except (TypeError, ValueError, RecursionError) as problem:
        raise TypeError(f"tool {name!r} returned {type(value).__name__} that is not JSON: {problem}") from None


def _sliced(text: str, most: int) -> tuple[str, int]:
    """The beginning of a text that matters, which may be short of it, with the length of all of it."""
    return encodable(text[: most + 1]), len(text)
