"""A real HTTP server on the loopback interface that speaks chat completions, and fails in every known way.

It keeps a provider's books: what it would bill for each request, whether or not the caller ever learns of it. So a
test can compare both sides: what was charged or lost must never be below what was billed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .behaviours import ERRORS, UNBILLED, Behaviour

__all__ = ["Behaviour", "FaultServer", "Received"]

KEPT_REQUESTS = 10_000
OVERRUN_TOKENS = 2826
"""What a gateway wrote for a cap of 30."""

CAP_FIELDS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Received:
    """One request as the server saw it."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]
    behaviour: Behaviour
    billed_tokens: int


class FaultServer:
    """Chat completions over HTTP/1.1 on 127.0.0.1, in a thread of its own; a context manager.

    Args:
        behaviours: what to do with the first, second, ... request; `Behaviour.OK` when they run out. May be endless.
        reply: makes the text of the reply from the request's body.
        bytes_per_token: of its tokenizer, for prompt and reply; 1 is the worst that a byte-level tokenizer can do.
        cap_fields: the request fields that cap its output; others are ignored, as some servers do.
        api_key: when given, any other key is answered with 401.
        latency: seconds before each answer.
        retry_after: seconds in the Retry-After header of a 429.
    """

    def __init__(
        self,
        behaviours: Iterable[Behaviour] = (),
        *,
        reply: Callable[[Mapping[str, Any]], str] = lambda body: "ok",
        bytes_per_token: int = 4,
        cap_fields: tuple[str, ...] = CAP_FIELDS,
        api_key: str | None = None,
        latency: float = 0.0,
        retry_after: float = 1.0,
    ) -> None:
        self.retry_after = retry_after
        self._behaviours: Iterator[Behaviour] = iter(behaviours)
        self._reply = reply
        self._bytes_per_token = bytes_per_token
        self._cap_fields = cap_fields
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
        return f"http://127.0.0.1:{self._port}/v1"

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

        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
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
        if method == "POST" and path == "/v1/chat/completions":
            return await self._complete(writer, path, headers, json.loads(body))
        if method == "GET" and path == "/v1/models":
            await self._send(writer, *self._models(headers))
        else:
            await self._send(writer, 404, {"detail": "Not Found"})
        return True

    def _models(self, headers: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        if not self._admits(headers):
            return 401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
        return 200, {"object": "list", "data": [{"id": "test", "object": "model"}]}

    def _admits(self, headers: Mapping[str, str]) -> bool:
        return self._api_key is None or headers.get("authorization") == f"Bearer {self._api_key}"

    async def _complete(
        self, writer: asyncio.StreamWriter, path: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> bool:
        """Answers one request; False where the connection must close."""
        behaviour = self._next_behaviour(headers, body)
        completion = self._completion(body, behaviour)
        billed = 0 if behaviour in UNBILLED else completion.billed_tokens
        with self._lock:
            self._count += 1
            self._billed += billed
            self._open += 1
            self._most_open = max(self._most_open, self._open)
            self._received.append(Received(path, headers, body, behaviour, billed))
            self._lock.notify_all()
        try:
            if self._latency:
                await asyncio.sleep(self._latency)
            return await self._answer(writer, behaviour, completion)
        finally:
            with self._lock:
                self._open -= 1

    def _next_behaviour(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> Behaviour:
        if not self._admits(headers):
            return Behaviour.UNAUTHORIZED
        if not body.get("messages") or all(field in body for field in CAP_FIELDS):
            return Behaviour.BAD_REQUEST
        with self._lock:
            return next(self._behaviours, Behaviour.OK)

    async def _answer(self, writer: asyncio.StreamWriter, behaviour: Behaviour, completion: _Completion) -> bool:
        if behaviour in ERRORS:
            status, kind, code = ERRORS[behaviour]
            extra = f"retry-after: {self.retry_after:g}\r\n" if behaviour is Behaviour.RATE_LIMIT else ""
            error = {"message": f"{code}: told to fail", "type": kind, "code": code, "param": None}
            await self._send(writer, status, {"error": error}, extra)
            return True
        payload = json.dumps(completion.body).encode()
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
            case Behaviour.TRUNCATED_JSON:
                await self._send_bytes(writer, payload[: len(payload) // 2])
            case Behaviour.HTML:
                await self._send_bytes(writer, b"<!doctype html><title>Sign in</title>", kind="text/html")
            case _:
                await self._send_bytes(writer, payload)
        return True

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: Mapping[str, Any], extra: str = "") -> None:
        payload = json.dumps(body).encode()
        writer.write(_head(status, len(payload), extra=extra) + payload)
        await writer.drain()

    async def _send_bytes(self, writer: asyncio.StreamWriter, payload: bytes, kind: str = "application/json") -> None:
        writer.write(_head(200, len(payload), kind) + payload)
        await writer.drain()

    # The model.

    def _tokens(self, text: str) -> int:
        return -(-len(text.encode(errors="surrogatepass")) // self._bytes_per_token)

    def _completion(self, body: Mapping[str, Any], behaviour: Behaviour) -> _Completion:
        messages = body.get("messages") or []
        prompt = 3 + sum(3 + self._tokens(str(message.get("content"))) for message in messages)
        cap = next((body[field] for field in self._cap_fields if field in body), None)
        full = self._reply(body) if messages else ""
        text = full
        if cap is not None and behaviour is not Behaviour.OVERRUN:
            text = full.encode()[: cap * self._bytes_per_token].decode(errors="ignore")
        output = self._tokens(text)
        if behaviour is Behaviour.OVERRUN:
            output = max(output, OVERRUN_TOKENS)
        if behaviour in (Behaviour.STARVED, Behaviour.SHORT_COUNT):
            output = cap or output
        if behaviour is Behaviour.STARVED:
            text = ""
        finish = "length" if text != full or behaviour in (Behaviour.STARVED, Behaviour.SHORT_COUNT) else "stop"
        return _Completion(_render(body, behaviour, text, finish, prompt, output), prompt + output)


@dataclass(frozen=True, slots=True)
class _Completion:
    body: Mapping[str, Any]
    billed_tokens: int


def _head(status: int, length: int, kind: str = "application/json", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status} Told\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{extra}\r\n".encode()


def _render(
    body: Mapping[str, Any], behaviour: Behaviour, text: str, finish: str, prompt: int, output: int
) -> Mapping[str, Any]:
    if behaviour is Behaviour.ERROR_BODY:
        return {"error": {"message": "upstream is away", "code": 502}}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if behaviour is Behaviour.REFUSAL:
        message = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    if behaviour is Behaviour.NUMBER_CONTENT:
        message["content"] = 42
    if behaviour is Behaviour.STARVED:
        message["reasoning_content"] = "Let me think"
    if behaviour is Behaviour.CONTENT_FILTER:
        finish = "content_filter"
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
    if behaviour is Behaviour.NULL_MESSAGE:
        choice["message"] = None
    if body.get("logprobs"):
        choice["logprobs"] = {"content": [_logprob(word) for word in text.split()]}
    rendered: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": f"{body.get('model')}-2026-01-01",
        "choices": {Behaviour.NULL_CHOICES: None, Behaviour.EMPTY_CHOICES: []}.get(behaviour, [choice]),
    }
    usage = _usage(behaviour, prompt, output)
    if usage is not None:
        rendered["usage"] = usage
    return rendered


def _logprob(word: str) -> Mapping[str, Any]:
    """A token written with probability 1/2, beside one other as likely."""
    half = -0.6931471805599453
    other = {"token": "other", "logprob": half, "bytes": None}
    return {"token": word, "logprob": half, "bytes": None, "top_logprobs": [{"token": word, "logprob": half}, other]}


def _usage(behaviour: Behaviour, prompt: int, output: int) -> Mapping[str, Any] | None:
    match behaviour:
        case Behaviour.NO_USAGE:
            return None
        case Behaviour.STRING_USAGE:
            return {"prompt_tokens": str(prompt), "completion_tokens": str(output), "total_tokens": "?"}
        case Behaviour.NULL_COUNTS:
            return {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}
        case Behaviour.NEGATIVE_USAGE:
            return {"prompt_tokens": prompt, "completion_tokens": -1, "total_tokens": prompt - 1}
        case Behaviour.FRACTION_USAGE:
            return {"prompt_tokens": prompt + 0.5, "completion_tokens": output, "total_tokens": prompt + output}
        case Behaviour.SHORT_COUNT:
            output -= 1
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
    }
    if behaviour is Behaviour.STARVED:
        usage["completion_tokens_details"] = {"reasoning_tokens": output}
    return usage
