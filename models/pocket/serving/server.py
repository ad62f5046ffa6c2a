"""The server of the embedded models."""

from __future__ import annotations

from collections.abc import Sequence

from ....errors import UsageError
from ....web.hosts import host_name
from ....web.server import Server, is_loopback, listening
from ..model import PocketModel, load_pocket_models
from .app import build_app

__all__ = ["QUEUE", "PocketServer"]

QUEUE = 1024
"""The most samples that run or wait at once, where nothing else is said."""


class PocketServer(Server):
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
        served = tuple(load_pocket_models() if models is None else models)
        _check_loopback(host)
        bound = listening(host, port)
        super().__init__(
            build_app(served, queue, [*names, bound.getsockname()[0]]), bound, request_seconds=request_seconds
        )
        self.models = tuple(model.card.name for model in served)
        """The names of the models that it serves."""


def _check_loopback(host: str) -> None:
    try:
        if is_loopback(host):
            return
        reason = f"{host} is not a loopback address, and this server has no keys and no encryption"
    except UsageError as error:
        reason = str(error)
    raise UsageError(f"{reason}; it serves this machine only: leave the host out, or use 127.0.0.1, localhost or ::1")
