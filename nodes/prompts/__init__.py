"""How nodes speak to models: one dialect for chat models, one for the embedded models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ...errors import UnknownName
from .base import Dialect

__all__ = ["DIALECTS", "dialect_named"]


def _chat() -> Dialect:
    from .chat import ChatDialect

    return ChatDialect()


def _pocket() -> Dialect:
    from .pocket import PocketDialect

    return PocketDialect()


DIALECTS: Mapping[str, Callable[[], Dialect]] = MappingProxyType({"chat": _chat, "pocket": _pocket})
"""By the name that a model's card gives; each is imported when it is first asked for."""


def dialect_named(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    try:
        make = DIALECTS[name]
    except KeyError:
        raise UnknownName("dialect", name, DIALECTS) from None
    return make()
