"""How instructions reach a model whose endpoint knows no system role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .request import ChatMessage

__all__ = ["JOINT", "SystemRole", "as_sent"]

SystemRole = Literal["system", "developer", "user", "none"]

JOINT = "\n\n"
"""What stands between texts that are merged into one message."""


def as_sent(messages: Sequence[ChatMessage], role: SystemRole) -> list[tuple[str, str]]:
    """The role and the text of each message as the endpoint gets it.

    Args:
        messages: as nodes write them; instructions have the role "system".
        role: of the card. "system" and "developer" are sent under that name. "user": an instruction becomes a message
            of the user where it stands, and neighbours of one role are merged, since templates without a system role
            mostly want roles to alternate. "none": the model knows no instructions in mid-conversation, so all of
            them are put in front of the user's first words.
    """
    if role in ("system", "developer"):
        return [(role if message.role == "system" else message.role, message.content) for message in messages]
    sent: list[tuple[str, str]] = []
    if role == "none":
        told = [message for message in messages if message.role == "system"]
        rest = [message for message in messages if message.role != "system"]
        first = next((place for place, message in enumerate(rest) if message.role == "user"), len(rest))
        messages = [*rest[:first], *told, *rest[first:]]
    for message in messages:
        name = "user" if message.role == "system" else message.role
        if sent and sent[-1][0] == name:
            sent[-1] = (name, sent[-1][1] + JOINT + message.content)
        else:
            sent.append((name, message.content))
    return sent
