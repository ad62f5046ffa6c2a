"""The server as a process or a thread: its socket, its signals, its graceful end."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType

import uvicorn

from ....errors import UsageError
from ..model import PocketModel, load_pocket_models
from .app import build_app
from .deadlines import with_deadline
from .hosts import host_name

__all__ = ["QUEUE", "PocketServer", "bind"]

QUEUE = 1024
"""The most samples that run or wait at once, where nothing else is said."""
_GRACE_SECONDS = 60
"""How long requests in flight may take after a stop."""
_IDLE_SECONDS = 75
"""How long a connection without a request stays open; longer than clients keep theirs."""


class PocketServer:
    """Serves embedded models to OpenAI's clients, on the loopback interface only.

    Either `run` it, or use it as a context manager, which runs it in a thread::

        with PocketServer() as server:
            client = OpenAI(base_url=server.base_url, api_key="none")

    Args:
        models: what to serve; None means all shipped models. They are closed at the end.
        host: a loopback address.
        port: 0 takes a free one.
        queue: the most samples that run or wait at once; beyond that, requests are answered with 429.
        allow_hosts: names besides those of the loopback interface that a request may be addressed to.
        request_seconds: how long a request may take to arrive, from its first byte to its last.

    Raises:
        UsageError: the host is not a loopback address, the port is taken, the queue is empty, or a name is none.
    """

    def __init__(
        self,
        models: Sequence[PocketModel] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        queue: int = QUEUE,
        allow_hosts: Sequence[str] = (),
        request_seconds: float = 30.0,
    ) -> None:
        if queue < 1:
            raise UsageError(f"a queue of {queue} serves nobody; it must hold at least 1 sample")
        names = [host_name(name) for name in allow_hosts]
        self._models = tuple(load_pocket_models() if models is None else models)
        self._socket = bind(host, port)
        self._server = _Server(
            uvicorn.Config(
                build_app(self._models, queue, [*names, self._socket.getsockname()[0]]),
                loop="asyncio",
                http=with_deadline(request_seconds),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._thread: threading.Thread | None = None
        address, bound = self._socket.getsockname()[:2]
        self._base_url = f"http://{f'[{address}]' if ':' in address else address}:{bound}/v1"

    @property
    def base_url(self) -> str:
        """Where clients find it."""
        return self._base_url

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that it serves."""
        return tuple(model.card.name for model in self._models)

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

    def __enter__(self) -> PocketServer:
        listens = threading.Event()
        self._thread = threading.Thread(target=self.run, args=(listens.set,), name="pocket-server", daemon=True)
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


class _Server(uvicorn.Server):
    """Tells when it listens."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()


def _heeded(number: int, frame: FrameType | None) -> None:
    """A signal that has had its effect."""


def bind(host: str, port: int) -> socket.socket:
    """A socket on a loopback address."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UsageError(f"{host!r} is not an address; {_LOOPBACK}") from None
    if not address.is_loopback:
        raise UsageError(
            f"{host} is not a loopback address, and this server has no keys and no encryption; {_LOOPBACK}"
        )
    bound = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
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


_LOOPBACK = "it serves this machine only: leave the host out, or use 127.0.0.1, localhost or ::1"
