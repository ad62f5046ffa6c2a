"""Under which names a server answers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import UsageError
from .refusal import Refusal

__all__ = ["HostCheck", "host_name"]

_HEADER = re.compile(r"(\[[^\[\]]*\]|[^\s:/@\[\]]+)(?::[0-9]{1,5})?")
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


class HostCheck:
    """ASGI middleware that refuses requests to any other name than a loopback one or one that was admitted.

    A page in a browser on this machine can have its own name resolve to a loopback address (DNS rebinding), and would
    then read what the server answers; its requests say so in their Host header.
    Under the right name a page can send requests too, and so spend, without reading the answers; the Origin header
    names its site then, and that must be admitted likewise.

    Args:
        app: what is asked under the right names.
        admitted: names besides, as `host_name` returns them.
    """

    def __init__(self, app: ASGIApp, admitted: Iterable[str]) -> None:
        self._app = app
        self._admitted = frozenset(admitted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            given = Headers(scope=scope).getlist("host")
            if len(given) != 1 or not self._admits(given[0]):
                asked = f"the name {given[0]!r}" if len(given) == 1 else "no single name"
                message = (
                    f"The Host header asks for {asked}; this server answers to loopback names only. "
                    "Start it with --allow-host NAME where another is meant."
                )
                await Refusal(403, message[:500], code="host_not_allowed").response()(scope, receive, send)
                return
            pages = Headers(scope=scope).getlist("origin")
            if not all(self._admits(page.partition("://")[2]) for page in pages):
                message = (
                    f"A page of {pages[0]!r} may not ask this server; pages of loopback names may. "
                    "Start it with --allow-host NAME where another is meant."
                )
                await Refusal(403, message[:500], code="origin_not_allowed").response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _admits(self, header: str) -> bool:
        found = _HEADER.fullmatch(header)
        if found is None:
            return False
        name = found[1].lower().strip("[]").removesuffix(".")
        if name in self._admitted or name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def host_name(name: str) -> str:
    """A name as a Host header may give it, without a port.

    Raises:
        UsageError: it is none.
    """
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        folded = name.lower().removesuffix(".")
    if not _NAME.fullmatch(folded):
        raise UsageError(f"{name!r} is no host name; write one such as my-machine.example, without http:// and port")
    return folded
