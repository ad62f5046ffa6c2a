"""What agents must know of models that follow no instructions, and call tools by themselves or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from ..models.card import ModelCard
from ..models.pocket.calling import ARGUMENTS, RESULT_TOKENS, offered
from .prompts import dialect_named
from .tools import Tool, tools_json

__all__ = ["result_size", "why_uncallable"]


def why_uncallable(card: ModelCard, tools: Sequence[Tool]) -> str:
    """Why a model can call none of these tools; empty where it can, as every model can that follows instructions.

    Args:
        card: of the model.
        tools: functions of the user's own; what a server offers is not known before it is started.
    """
    if dialect_named(card.dialect).words:
        return ""
    follows = f"model {card.name!r} follows no instructions (dialect {card.dialect!r})"
    if not card.tools:
        return (
            f"{follows} and takes no tools (tools = false in its card), so it cannot call any; choose a model whose "
            "dialect is 'chat'"
        )
    if not offered(tools_json(tools)).callable:
        return (
            f"{follows}, and calls only a function that needs one text, called {' or '.join(ARGUMENTS)}, of any "
            "length and form; name the argument of a function so, or choose a model whose dialect is 'chat'"
        )
    return ""


def result_size(tools: Sequence[Tool], result_bytes: int, *, servers: bool) -> int:
    """The most tokens that such a model reads of the results of a round: a number, or what a search brings.

    Args:
        tools: functions of the user's own.
        result_bytes: the most bytes of all results of a round.
        servers: whether there are tools of servers, among which may be a search.
    """
    searches = servers or offered(tools_json(tools)).search is not None
    return RESULT_TOKENS + (result_bytes if searches else 0)
