"""Running the tools that a model calls: arguments read and checked, results as bounded texts, repeated calls known."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import BaseModel

from ..errors import BudgetBreach, CapReached, GraphError, ToolBreach, ToolServerError
from ..models.tools import ToolCall
from ..records.status import Status
from ..records.text import clip_as, encodable, longest_bytes
from .base import Context
from .callables import is_async
from .daemon_threads import DaemonThreads
from .mcp_listing import listed_tools
from .mcp_tools import McpTools
from .prompts.json_text import objects_in
from .servers.server import ListedTool, ToolServer
from .tool_costs import ToolResult, billionths
from .tools import MOST_TOOLS, Tool, ToolSource, check_names, tool_of, tools_json
from .user_calls import Returned, called, first_line

__all__ = ["OpenTools", "ToolOutcome", "ToolRuns", "Toolbox", "canonical_arguments", "opened_tools", "shared_out"]

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
    breaches: dict[str, ToolBreach]
    """By tool that cost more than was stated: it is not called again."""


@dataclass(slots=True)
class OpenTools:
    """The tools of a node between its runs: functions as they are, servers that start when they are first needed."""

    sources: Sequence[ToolSource]
    servers: Mapping[McpTools, ToolServer]
    threads: DaemonThreads
    breaches: dict[str, ToolBreach] = field(default_factory=dict)
    _known: tuple[Sequence[Sequence[ListedTool]], Toolbox] | None = None
    """The last toolbox, with the listings that it was made of: to look through these takes a while."""

    async def toolbox(self) -> Toolbox:
        """All tools, those of servers as they list them now.

        Raises:
            ToolServerError: a server cannot be started, or lists what cannot be offered.
        """
        listings = {source: await server.tools() for source, server in self.servers.items()}
        listed, known = [*listings.values()], self._known
        if known is None or known[0] != listed:
            known = self._known = listed, self._made(listings)
        return known[1]

    def _made(self, listings: Mapping[McpTools, Sequence[ListedTool]]) -> Toolbox:
        tools: list[Tool] = []
        for source in self.sources:
            if isinstance(source, McpTools):
                tools += listed_tools(source, self.servers[source], listings[source])
            else:
                tools.append(tool_of(source))
        try:
            check_names(tools)
        except GraphError as twice:
            raise ToolServerError(f"{twice}; a server's tools are told apart by McpTools(prefix=...)") from None
        if len(tools) > MOST_TOOLS:
            raise ToolServerError(f"{len(tools)} tools are more than {MOST_TOOLS}; name fewer in McpTools(only=...)")
        return Toolbox({tool.name: tool for tool in tools}, tools_json(tools), self.threads, self.breaches)


@contextmanager
def opened_tools(sources: Sequence[ToolSource]) -> Iterator[OpenTools]:
    """The tools of a node, and threads to run them in."""
    threads = DaemonThreads(_THREADS)
    with ExitStack() as leases:
        servers = {source: leases.enter_context(source.kept()) for source in sources if isinstance(source, McpTools)}
        try:
            yield OpenTools(tuple(sources), servers, threads)
        finally:
            threads.close()


@dataclass(frozen=True, slots=True)
class ToolOutcome:
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
    charged: int = 0
    """What it cost, in billionths of a dollar."""
    lost: int = 0
    """What it may have cost, in the same, where it failed."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What a tool returned."""

    text: str
    characters: int
    failed: bool = False
    usd: int | None = None
    """What it says that it cost, in billionths of a dollar."""


@dataclass(slots=True)
class ToolRuns:
    """The calls of one loop. A call that was answered before is answered from memory; one that failed is made again.

    Args:
        toolbox: the tools.
        seconds: the time limit of a call.
        most_bytes: the most of a result that can be used.
        context: of the node; it pays for calls that cost something.
    """

    toolbox: Toolbox
    seconds: float
    most_bytes: int
    context: Context
    _known: dict[tuple[str, str], ToolOutcome] = field(default_factory=dict)

    async def run(self, calls: Sequence[ToolCall]) -> list[ToolOutcome]:
        """Makes the calls at the same time, equal ones once; the results are in the order of the calls.

        Raises:
            ToolBreach: a call cost more than was stated of its tool; all others have ended.
        """
        keys = [(call.name, canonical_arguments(call.arguments) or call.arguments) for call in calls]
        fresh = {key: call for key, call in zip(keys, calls, strict=True) if key not in self._known}
        ended = await asyncio.gather(*map(self._made, fresh.values()), return_exceptions=True)
        made: dict[tuple[str, str], ToolOutcome] = {}
        for key, outcome in zip(fresh, ended, strict=True):
            if isinstance(outcome, BaseException):
                raise min((each for each in ended if isinstance(each, BaseException)), key=_is_no_breach)
            made[key] = outcome
        results: list[ToolOutcome] = []
        for place, key in enumerate(keys):
            found = made[key] if key in made else self._known[key]
            again = key not in made or key in keys[:place]
            results.append(replace(found, remembered=True, seconds=0.0, charged=0, lost=0) if again else found)
        self._known.update((key, result) for key, result in made.items() if not result.failed)
        return results

    async def _made(self, call: ToolCall) -> ToolOutcome:
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
        try:
            came, cost = await self._paid(tool, arguments)
        except CapReached:
            most = f"{tool.usd / 1e9:,g} USD"
            return self._failure(f"the cap has no room for a call of {tool.name}, which may cost {most}")
        seconds = time.monotonic() - begun
        charged, lost = (0, tool.usd) if cost is None else (cost, 0)
        if came.status is Status.TIMEOUT:
            reason = f"{tool.name} was not done within {self.seconds:g} seconds"
        elif came.status.failed:
            reason = came.reason
        else:
            said = came.value
            return ToolOutcome(said.text, said.characters, said.failed, seconds=seconds, charged=charged, lost=lost)
        return replace(self._failure(reason), seconds=seconds, charged=charged, lost=lost)

    async def _paid(self, tool: Tool, arguments: Mapping[str, Any]) -> tuple[Returned, int | None]:
        """Calls a tool: what came of it, and what it cost; None where it may have cost all that was stated."""
        breach = self.toolbox.breaches.get(tool.name)
        if breach is not None:
            raise breach

        async def work() -> tuple[tuple[Returned, int | None], int | None]:
            came = await called(_bound(tool, arguments, self.most_bytes), (), self.toolbox.threads, self.seconds)
            if came.status.failed:
                return (came, None), None
            cost = tool.usd if came.value.usd is None else came.value.usd
            return (came, cost), cost

        try:
            # Also where nothing is stated: what such a tool says that it cost is booked whatever comes between.
            return await self.context.spend(tool.name, tool.usd, work)
        except ToolBreach as breached:
            self.toolbox.breaches[tool.name] = breached
            raise

    def _failure(self, reason: str) -> ToolOutcome:
        text, characters = _sliced(f"Error: {reason}", self.most_bytes)
        return ToolOutcome(text, characters, failed=True)


def _is_no_breach(problem: BaseException) -> bool:
    return not isinstance(problem, BudgetBreach)


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


def shared_out(results: Sequence[ToolOutcome], limit: int, shown: Callable[[str], str]) -> list[str]:
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


def _cut(result: ToolOutcome, limit: int, shown: Callable[[str], str]) -> str:
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
    text = partial(_said, tool.name, most=most)
    if is_async(tool.function):

        async def call() -> _Said:
            return text(await tool.function(**arguments))

        return call

    def work() -> Any:
        value = tool.function(**arguments)
        return finished(value) if inspect.isawaitable(value) else text(value)

    async def finished(value: Any) -> _Said:
        return text(await value)

    return work


def _said(name: str, value: Any, *, most: int) -> _Said:
    """What a tool returned.

    Raises:
        TypeError, ValueError: it is neither text nor what JSON has, or its cost is none.
    """
    if not isinstance(value, ToolResult):
        return _Said(*_text(name, value, most=most))
    text, characters = _text(name, value.text, most=most)
    try:
        cost = None if value.usd is None else billionths(value.usd)
    except ValueError as wrong:
        raise ValueError(f"tool {name!r} returned a ToolResult whose {wrong}") from None
    return _Said(text, characters, bool(value.failed), cost)


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
