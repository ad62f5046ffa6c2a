"""How instructions reach a model whose endpoint knows no system role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from .request import ChatMessage
from .tools import calls_as_sent

__all__ = ["JOINT", "SystemRole", "as_sent", "fields_as_sent"]

SystemRole = Literal["system", "developer", "user", "none"]

JOINT = "\n\n"
"""What stands between texts that are merged into one message."""
_PLAIN = {"role", "content"}
"""The fields of a message that may be merged with its neighbour."""


def as_sent(messages: Sequence[ChatMessage], role: SystemRole) -> list[tuple[str, str]]:
    """The role and the text of each message as the endpoint gets it, see `fields_as_sent`."""
    return [(sent["role"], sent["content"] or "") for sent in fields_as_sent(messages, role)]


def fields_as_sent(messages: Sequence[ChatMessage], role: SystemRole) -> list[dict[str, Any]]:
    """The messages as the endpoint gets them. Calls of tools and their results are merged with nothing.

    Args:
        messages: as nodes write them; instructions have the role "system".
        role: of the card. "system" and "developer" are sent under that name. "user": an instruction becomes a message
            of the user where it stands, and neighbours of one role are merged, since templates without a system role
            mostly want roles to alternate. "none": the model knows no instructions in mid-conversation, so all of
            them are put in front of the user's first words.
    """
    if role in ("system", "developer"):
        return [_fields(message, role if message.role == "system" else message.role) for message in messages]
    sent: list[dict[str, Any]] = []
    if role == "none":
        told = [message for message in messages if message.role == "system"]
        rest = [message for message in messages if message.role != "system"]
        first = next((place for place, message in enumerate(rest) if message.role == "user"), len(rest))
        messages = [*rest[:first], *told, *rest[first:]]
    for message in messages:
        fields = _fields(message, "user" if message.role == "system" else message.role)
        if sent and sent[-1].keys() == fields.keys() == _PLAIN and sent[-1]["role"] == fields["role"]:
            sent[-1]["content"] += JOINT + message.content
        else:
            sent.append(fields)
    return sent


def _fields(message: ChatMessage, role: str) -> dict[str, Any]:
    if message.tool_calls:  # some endpoints refuse an empty text
        calls = calls_as_sent(message.tool_calls)
        return {"role": role, "content": message.content or None, "tool_calls": calls}
    if message.role == "tool":
        return {"role": role, "tool_call_id": message.tool_call_id, "content": message.content}
    return {"role": role, "content": message.content}
