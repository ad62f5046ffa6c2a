"""A server as a process or a thread: its socket, its signals, its graceful end."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from ..errors import UsageError
from .deadlines import with_deadline
from .stopping import Stopping

__all__ = ["Server", "is_loopback", "listening"]

_IDLE_SECONDS = 75
"""How long a connection without a request stays open; longer than clients keep theirs."""


class Server:
    """Serves an application on a socket.

    Either `run` it, or use it as a context manager, which runs it in a thread.

    Args:
        app: what is served.
        bound: a socket, see `listening`; it is closed at the end.
        request_seconds: how long a request may take to arrive, from its first byte to its last.
        grace_seconds: how long requests in flight may take after a stop; then they are cancelled.
    """

    def __init__(
        self, app: ASGIApp, bound: socket.socket, *, request_seconds: float = 30.0, grace_seconds: int = 60
    ) -> None:
        self._socket = bound
        self._server = _Uvicorn(
            uvicorn.Config(
                Stopping(app),
                loop="asyncio",
                http=with_deadline(request_seconds),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=grace_seconds,
            )
        )
        self._thread: threading.Thread | None = None
        address, port = bound.getsockname()[:2]
        self._base_url = f"http://{f'[{address}]' if ':' in address else address}:{port}/v1"

    @property
    def base_url(self) -> str:
        """Where clients find it."""
        return self._base_url

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serves until `stop`, SIGINT or SIGTERM; requests in flight are finished, new ones are refused.

        Signals are heeded in the main thread only; a second SIGINT stops at once.

        Args:
            ready: called as soon as it listens.
        """
        self._server.ready = ready
        if threading.current_thread() is not threading.main_thread():
            self._serve()
            return
        # When uvicorn has ended, it raises a signal that stopped it once more, for the handlers that were there before.
        before = {number: signal.signal(number, _heeded) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._serve()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Begins the end; may be called from any thread."""
        self._server.should_exit = True

    def __enter__(self) -> Self:
        listens = threading.Event()
        self._thread = threading.Thread(target=self.run, args=(listens.set,), name="server", daemon=True)
        self._thread.start()
        while not listens.wait(0.1):
            if not self._thread.is_alive():
                raise RuntimeError("the server ended before it listened; its log says why")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        try:
            asyncio.run(self._server.serve([self._socket]))
        finally:
            self._socket.close()


class _Uvicorn(uvicorn.Server):
    """Tells when it listens."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()


def is_loopback(host: str) -> bool:
    """Whether an address is of the loopback interface.

    Raises:
        UsageError: it is no address.
    """
    return _address(host).is_loopback


def listening(host: str, port: int) -> socket.socket:
    """A socket on an address.

    Args:
        host: an address, or "localhost".
        port: 0 takes a free one.

    Raises:
        UsageError: it is no address, or nothing can listen there.
    """
    address = _address(host)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # The protocol is named because asyncio sends small packets at once (TCP_NODELAY) only where it is.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere the option would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((str(address), port))
    except OSError as error:
        bound.close()
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another port, 0 takes a free one"
        ) from None
    return bound


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UsageError(f"{host!r} is not an address, such as 127.0.0.1") from None


def _heeded(number: int, frame: FrameType | None) -> None:
    """A signal that has had its effect."""
