"""Where a request is let in: its key, its limits, and the account that it is charged to."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from starlette.requests import Request

from ..errors import ApportionError, StoreError, UsageError
from ..web.hosts import host_name
from ..web.refusal import Refusal
from ..web.server import is_loopback, listening
from .accounts import Accounts
from .keys import ANYBODY, Key, Keys
from .refusals import refusal_of

__all__ = ["MOST_BYTES", "bound_to", "key_of", "let_in"]

MOST_BYTES = 10_000_000
"""Of a request's body."""


def bound_to(host: str, port: int, keys: Keys | None, allow_hosts: Sequence[str]) -> tuple[socket.socket, list[str]]:
    """A socket to listen on, and the names besides loopback ones under which it may be asked.

    Raises:
        UsageError: the host needs keys, or a name is none, or the port is taken.
    """
    if keys is None and not is_loopback(host):
        raise UsageError(f"{host} is not a loopback address: whoever reaches it could spend; give keys")
    names = [host_name(name) for name in allow_hosts]
    bound = listening(host, port)
    return bound, [*names, bound.getsockname()[0]]


def key_of(keys: Keys | None, request: Request) -> Key:
    """Whose key a request brings.

    Raises:
        Refusal: it brings none that is known, and needs one.
    """
    return ANYBODY if keys is None else keys.holder(request.headers.get("authorization"))


async def let_in(accounts: Accounts, key: Key) -> str:
    """Counts a request of a key, and returns the account that it is charged to.

    Raises:
        Refusal: it has made as many as it may in this minute, or the books cannot be written, or have other limits.
    """
    try:
        await accounts.admit(key)
        return accounts.of(key)
    except ApportionError as error:
        if isinstance(error, UsageError) and not isinstance(error, StoreError):  # no fault of the client's
            message = f"The caps of this server are not those on its books: {error}"
            raise Refusal(503, message, code="books_unavailable", kind="server_error", final=True) from error
        raise refusal_of(error) from error
