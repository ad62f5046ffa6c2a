"""The pipes to an MCP server: a process of its own, one JSON message a line (MCP 2025-11-25, transport stdio)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ...apps.piped_process import KILL, started
from ...errors import ToolServerError
from ...records.text import encodable, single_spaced

__all__ = ["Launch", "Pipes"]

_WARDEN = Path(__file__).with_name("warden.py")
_PIECE = 64 * 1024
_LINE_BYTES = 64 * 1024 * 1024
"""The longest message that is read. What is written behind it is not, and the server is ended."""
_GRACE_SECONDS = 2.0
"""How long a server may take to end once its input has, before it is told to; then half of it, before it is killed."""
_LAST_WORDS = 4096
"""The most bytes of what a server wrote to its error stream that are kept."""
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started; two that are equal are one server."""

    command: tuple[str, ...]
    """The program and its arguments."""
    env: tuple[str, ...]
    """Names of environment variables that it is given beside the harmless ones, such as PATH."""
    folder: str
    """In which it works."""
    start_seconds: float
    """After so long without an answer its start is given up."""

    @property
    def name(self) -> str:
        """For messages."""
        return " ".join(self.command)

    def environment(self) -> dict[str, str]:
        """The variables that it is given.

        Raises:
            ToolServerError: one that it is to be given is not set.
        """
        from mcp.client.stdio import get_default_environment

        missing = [name for name in self.env if name not in os.environ]
        if missing:
            raise ToolServerError(
                f"MCP server {self.name!r} needs the environment variable {missing[0]}, which is not set; set it, or "
                "take it out of env"
            )
        return get_default_environment() | {name: os.environ[name] for name in self.env}


class Pipes:
    """A server process, from entering to leaving, as a transport of the MCP client.

    Lines on its output that are no messages are left out; some servers print there.

    Args:
        launch: how it is started.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._tasks: list[asyncio.Task[None]] = []
        self._errors: deque[bytes] = deque()
        self._rubbish = ""
        self._fault = ""
        self._trouble = ""
        """What there was to say when it was told to end: what comes after that is not its doing."""
        self.ended = asyncio.Event()
        """Set when the server will say nothing more."""
        self.told = False
        """Whether it had not ended by itself when it was told to."""

    async def __aenter__(self) -> tuple[Any, Any]:
        """Starts the server.

        Raises:
            ToolServerError: that is not possible.
        """
        import anyio

        command = (sys.executable, "-I", "-S", str(_WARDEN), str(os.getpid()), *self._launch.command)
        try:
            self._process = await started(command, self._launch.environment(), self._launch.folder)
        except (OSError, ValueError) as error:
            raise ToolServerError(f"MCP server {self._launch.name!r} cannot be started: {error}") from None
        self._heard, heard = anyio.create_memory_object_stream[Any](0)
        said, self._saying = anyio.create_memory_object_stream[Any](0)
        self._streams = (self._heard, heard, said, self._saying)
        self._tasks = [asyncio.create_task(work()) for work in (self._read, self._write, self._listen)]
        return heard, said

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the server: by the end of its input, else by signals to all that it has started."""
        process = self._process
        self.told = not self.ended.is_set()
        self._trouble = self.trouble if self.told else await self.last_words()
        self.ended.set()
        try:
            process.stdin.close()
            if not await process.ends_within(_GRACE_SECONDS):
                process.signal(signal.SIGTERM)
                await process.ends_within(_GRACE_SECONDS / 2)
        finally:
            process.signal(KILL)  # also what it may have left behind
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for stream in self._streams:
                stream.close()
            await process.ends_within(_GRACE_SECONDS)
            process.close()

    @property
    def trouble(self) -> str:
        """What became of the server, as far as it has shown, for messages."""
        if self._trouble:
            return self._trouble
        found = [self._fault]
        code = self._process.returncode
        if code is not None and not self._fault:
            found.append(f"it ended with exit code {code}")
        lines = b"".join(self._errors).decode(errors="replace").strip().splitlines()
        if lines:
            found.append(f"its last words were {single_spaced(lines[-1])[:_SHOWN]!r}")
        if self._rubbish:
            found.append(f"it printed {self._rubbish!r} to its output, where only messages belong")
        return "; ".join(filter(None, found)) or "it said nothing"

    async def last_words(self) -> str:
        """As `trouble`, after a moment in which a server that is ending may end."""
        if await self._process.ends_within(_GRACE_SECONDS / 4):
            await asyncio.wait({self._tasks[-1]}, timeout=_GRACE_SECONDS / 4)
        return self.trouble

    async def _read(self) -> None:
        """Hands on what the server says, a message a line."""
        output = self._process.stdout
        rest = bytearray()
        with suppress(ConnectionError, *_closed()):
            while piece := await output.read(_PIECE):
                *whole, last = piece.split(b"\n")
                for line in whole:
                    rest += line
                    await self._heard_line(bytes(rest))
                    rest.clear()
                rest += last
                if len(rest) > _LINE_BYTES:
                    self._fault = f"it wrote a message of more than {_LINE_BYTES:,} bytes"
                    break
        self.ended.set()
        self._heard.close()

    async def _heard_line(self, line: bytes) -> None:
        from mcp.shared.message import SessionMessage

        if not line.strip():
            return
        message = _message(line)
        if message is None:
            self._rubbish = self._rubbish or single_spaced(line[:_SHOWN].decode(errors="replace"))
            return
        await self._heard.send(SessionMessage(message))

    async def _write(self) -> None:
        pipe = self._process.stdin
        with suppress(ConnectionError, *_closed()):
            async for each in self._saying:
                try:
                    line = each.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
                except ValueError as error:  # such as values that are nested too deep
                    await self._refuse(each.message, str(error))
                    continue
                pipe.write(line + b"\n")
                await pipe.drain()
            return
        self.ended.set()
        self._heard.close()

    async def _refuse(self, message: Any, why: str) -> None:
        """Answers in place of the server what cannot be said to it, so that nobody waits for its answer."""
        from mcp.shared.message import SessionMessage
        from mcp.types import INVALID_PARAMS, ErrorData, JSONRPCError, JSONRPCRequest

        if isinstance(message, JSONRPCRequest):
            said = f"they cannot be written as JSON: {single_spaced(why)[:_SHOWN]}"
            error = ErrorData(code=INVALID_PARAMS, message=said)
            await self._heard.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=message.id, error=error)))

    async def _listen(self) -> None:
        """Keeps the end of what the server writes to its error stream, and lets it write."""
        errors = self._process.stderr
        with suppress(ConnectionError):
            while piece := await errors.read(_PIECE):
                self._errors.append(piece[-_LAST_WORDS:])
                while sum(map(len, self._errors)) - len(self._errors[0]) >= _LAST_WORDS:
                    self._errors.popleft()


def _message(line: bytes) -> Any:
    """The message that a line is; None where it is none."""
    from mcp.types import jsonrpc_message_adapter

    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        pass
    try:  # with halves of signs, which JavaScript writes where it has cut a text, made whole
        whole = encodable(json.dumps(json.loads(line), ensure_ascii=False))
        return jsonrpc_message_adapter.validate_json(whole, by_name=False)
    except (ValueError, RecursionError):
        return None


def _closed() -> tuple[type[Exception], ...]:
    import anyio

    return anyio.ClosedResourceError, anyio.BrokenResourceError
