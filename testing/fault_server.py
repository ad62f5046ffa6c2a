"""A real HTTP server on the loopback interface that speaks chat completions, and fails in every known way.

It keeps a provider's books: what it would bill for each request, whether or not the caller ever learns of it. So a
test can compare both sides: what was charged or lost must never be below what was billed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .behaviours import ERRORS, Answer, Behaviour
from .fault_completions import Completion, Provider, Reply, event_stream
from .fault_stream import Streaming, send_stream

__all__ = ["CAP_FIELDS", "Answer", "Behaviour", "FaultServer", "Received"]

KEPT_REQUESTS = 10_000
_COMPLETIONS = re.compile(r"(?:http://[^/?]+)?/(?:v1|openai/deployments/[^/?]+)/chat/completions(?:\?.*)?")
"""Asked for directly, through it as a proxy, or of an Azure deployment."""
CAP_FIELDS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Received:
    """One request as the server saw it."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]
    behaviour: Behaviour | Answer
    billed_tokens: int


class FaultServer:
    """Chat completions over HTTP/1.1 on 127.0.0.1, in a thread of its own; a context manager.

    Args:
        behaviours: what to do with the first, second, ... request; `Behaviour.OK` when they run out. May be endless.
        answer: looked at first: makes the answer to a request, or None for what `behaviours` say.
        reply: makes the text of the reply from the request's body, or its whole message, such as one that calls tools.
        bytes_per_token: of its tokenizer, for prompt and reply; 1 is the worst that a byte-level tokenizer can do.
        cap_fields: the request fields that cap its output; others are ignored, as some servers do.
        api_key: when given, any other key is answered with 401.
        latency: seconds before each answer.
        retry_after: seconds in the Retry-After header of a 429.
        models: the names that GET /models lists, or whole entries; None where there is no such list.
        answers_as: the model that replies name; None for the one that was asked for, with a version.
        pages: what it answers at further paths.
        tls: how it proves who it is, for a server behind https.
        streaming: how it streams to those who ask for it.
        strict_names: whether completions are refused for other names; most small servers look at no name.
    """

    def __init__(
        self,
        behaviours: Iterable[Behaviour | Answer] = (),
        *,
        answer: Callable[[Mapping[str, Any]], Answer | None] = lambda body: None,
        reply: Callable[[Mapping[str, Any]], Reply] = lambda body: "ok",
        bytes_per_token: int = 4,
        cap_fields: tuple[str, ...] = CAP_FIELDS,
        api_key: str | None = None,
        latency: float = 0.0,
        retry_after: float = 1.0,
        models: Sequence[str | Mapping[str, Any]] | None = ("test",),
        strict_names: bool = False,
        answers_as: str | None = None,
        pages: Mapping[str, Answer] | None = None,
        tls: ssl.SSLContext | None = None,
        streaming: Streaming = Streaming(),  # noqa: B008 - it is frozen
    ) -> None:
        self.retry_after = retry_after
        self._behaviours: Iterator[Behaviour | Answer] = iter(behaviours)
        self._answer_to = answer
        self._provider = Provider(reply, bytes_per_token, cap_fields, answers_as)
        self._pages = pages or {}
        self._tls = tls
        self._streaming = streaming
        self._left = 0
        self._models = models
        self._strict_names = strict_names
        self._api_key = api_key
        self._latency = latency
        self._lock = threading.Condition()
        self._received: deque[Received] = deque(maxlen=KEPT_REQUESTS)
        self._count = 0
        self._billed = 0
        self._open = 0
        self._most_open = 0
        self._connections = 0
        self._port = 0
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    # What a test reads.

    @property
    def base_url(self) -> str:
        """Where clients find it."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> int:
        """How many completions were asked for."""
        with self._lock:
            return self._count

    @property
    def billed_tokens(self) -> int:
        """What it would bill for all requests so far."""
        with self._lock:
            return self._billed

    @property
    def received(self) -> tuple[Received, ...]:
        """The last requests, oldest first."""
        with self._lock:
            return tuple(self._received)

    @property
    def most_open(self) -> int:
        """The most requests that were in the works at one time."""
        with self._lock:
            return self._most_open

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        with self._lock:
            return self._connections

    @property
    def left(self) -> int:
        """How many clients left before the end of their stream, as far as it was noticed."""
        with self._lock:
            return self._left

    def wait_for(self, requests: int, seconds: float = 10.0) -> None:
        """Blocks until so many completions were asked for.

        Raises:
            TimeoutError: they did not come within `seconds`.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: self._count >= requests, seconds):
                raise TimeoutError(f"{self._count} of {requests} requests came within {seconds:g} s")

    # Life.

    def __enter__(self) -> FaultServer:
        self._thread = threading.Thread(target=self._run, name="fault-server", daemon=True)
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError("the server did not start within 10 s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with self._lock:
                self._connections += 1
            task = asyncio.create_task(self._converse(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024, ssl=self._tls)
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)

    # HTTP.

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Reads and answers one request; False where the connection must close."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        fields = (line.partition(":") for line in head[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        page = self._pages.get(path)
        if page is not None:
            await _send(writer, page)
        elif method == "POST" and _COMPLETIONS.fullmatch(path):
            return await self._complete(writer, path, headers, json.loads(body))
        elif method == "GET" and path.partition("?")[0] == "/v1/models":
            await _send(writer, self._list_of_models(headers))
        else:
            await _send(writer, _NOT_FOUND)
        return True

    def _list_of_models(self, headers: Mapping[str, str]) -> Answer:
        if not self._admits(headers):
            return Answer({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, 401)
        if self._models is None:
            return _NOT_FOUND
        entries = [{"id": each, "object": "model"} if isinstance(each, str) else each for each in self._models]
        return Answer({"object": "list", "data": entries})

    def _admits(self, headers: Mapping[str, str]) -> bool:
        given = (headers.get("authorization"), headers.get("api-key"))
        return self._api_key is None or given in ((f"Bearer {self._api_key}", None), (None, self._api_key))

    async def _complete(
        self, writer: asyncio.StreamWriter, path: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> bool:
        """Answers one request; False where the connection must close."""
        behaviour = self._next_behaviour(headers, body)
        said = behaviour if isinstance(behaviour, Answer) else self._provider.complete(body, behaviour)
        with self._lock:
            self._count += 1
            self._billed += said.billed_tokens
            self._open += 1
            self._most_open = max(self._most_open, self._open)
            self._received.append(Received(path, headers, body, behaviour, said.billed_tokens))
            self._lock.notify_all()
        try:
            if self._latency:
                await asyncio.sleep(self._latency)
            if isinstance(said, Answer):
                await _send(writer, said)
                return True
            return await self._answer(writer, said, body)
        finally:
            with self._lock:
                self._open -= 1

    def _next_behaviour(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> Behaviour | Answer:
        if not self._admits(headers):
            return Behaviour.UNAUTHORIZED
        if not body.get("messages") or all(field in body for field in CAP_FIELDS):
            return Behaviour.BAD_REQUEST
        if self._strict_names and body.get("model") not in (self._models or ()):
            return Behaviour.NOT_FOUND
        with self._lock:
            return self._answer_to(body) or next(self._behaviours, Behaviour.OK)

    async def _answer(self, writer: asyncio.StreamWriter, completion: Completion, asked: Mapping[str, Any]) -> bool:
        behaviour = completion.behaviour
        if asked.get("stream") and completion.body.get("choices") and behaviour not in (*ERRORS, *_BROKEN):
            usage = bool((asked.get("stream_options") or {}).get("include_usage"))
            try:
                return await send_stream(writer, completion.body, self._streaming, usage_asked=usage)
            except ConnectionError:
                with self._lock:
                    self._left += 1
                return False
        if behaviour in ERRORS:
            status, kind, code = ERRORS[behaviour]
            headers = {"retry-after": f"{self.retry_after:g}"} if behaviour is Behaviour.RATE_LIMIT else {}
            error = {"message": f"{code}: told to fail", "type": kind, "code": code, "param": None}
            await _send(writer, Answer({"error": error}, status, headers))
            return True
        payload = json.dumps(completion.body).encode()
        match behaviour:
            case Behaviour.TRUNCATED_JSON:
                await _send(writer, Answer(payload[: len(payload) // 2]))
            case Behaviour.HTML:
                await _send(
                    writer, Answer(b"<!doctype html><title>Sign in</title>", headers={"content-type": "text/html"})
                )
            case Behaviour.EVENT_STREAM:
                stream = event_stream(completion.body)
                await _send(writer, Answer(stream, headers={"content-type": "text/event-stream"}))
            case _:
                return await _break_off(writer, behaviour, payload)
        return True


_BROKEN = frozenset(
    {
        Behaviour.HANG,
        Behaviour.DRIP,
        Behaviour.RESET,
        Behaviour.CLOSE,
        Behaviour.GARBAGE,
        Behaviour.CUT_BODY,
        Behaviour.TRUNCATED_JSON,
        Behaviour.HTML,
        Behaviour.EVENT_STREAM,
    }
)
"""What is done to the connection or to the body as a whole, streamed or not."""
_NOT_FOUND = Answer({"detail": "Not Found"}, 404)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    payload = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    writer.write(_head(answer.status, len(payload), answer.headers) + payload)
    await writer.drain()


async def _break_off(writer: asyncio.StreamWriter, behaviour: Behaviour, payload: bytes) -> bool:
    """Sends a body in the ways in which connections fail, or whole; False where the connection must close."""
    match behaviour:
        case Behaviour.HANG:
            await asyncio.Event().wait()
        case Behaviour.DRIP:
            writer.write(_head(200, len(payload)))
            for byte in payload:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        case Behaviour.RESET:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        case Behaviour.CLOSE:
            return False
        case Behaviour.GARBAGE:
            writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            await writer.drain()
            return False
        case Behaviour.CUT_BODY:
            writer.write(_head(200, len(payload)) + payload[: len(payload) // 2])
            await writer.drain()
            return False
        case _:
            await _send(writer, Answer(payload))
    return True


def _head(status: int, length: int, headers: Mapping[str, str] | None = None) -> bytes:
    fields = {"content-type": "application/json", "content-length": str(length), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode()
