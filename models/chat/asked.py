"""What a client asks of a model, as a request that can be bounded."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import UnknownName
from ...web.fields import checked, invalid_value, json_object, unsupported
from ..card import ModelCard
from ..effort import Effort
from ..request import ChatMessage, Request
from ..request_fields import OF_A_CALLER
from ..tools import ToolCall
from .fields import NOT_SERVED, WITHOUT_EFFECT, Body, Chosen, MessageFields, SchemaFormat

__all__ = ["SAMPLES_OF_A_SEED", "Asked", "fresh", "read_asked", "spoken"]

SAMPLES_OF_A_SEED = 65_537
"""A seed over HTTP is a request's seed times this plus the index of a sample, as `OpenAIModel` writes it."""
_DRAWS = 2**31
_TEMPERATURE = 1.0
"""Where none is asked for, as OpenAI has it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a chat completion."""

    model: str
    """The name that the client asks for."""
    messages: tuple[ChatMessage, ...]
    stream: bool
    include_usage: bool
    """Whether a stream is to end with what was used."""
    seed: int | None
    metadata: Mapping[str, Any]
    """What the client says of the request for itself."""
    body: Body

    def request(self, card: ModelCard, *, max_output_tokens: int | None = None) -> Request:
        """The request to a model.

        Args:
            card: of the model that is to answer.
            max_output_tokens: where the client names no cap; None takes the card's.

        Raises:
            Refusal: the model does not take what is asked for.
        """
        body = self.body
        effort = _effort(body, card)
        asked = body.output_cap or max_output_tokens or card.max_output_tokens
        caps = (asked, card.max_output_tokens, *filter(None, [None if effort is None else effort.max_output_tokens]))
        seed, sample = divmod((self.seed or 0) % _DRAWS, SAMPLES_OF_A_SEED)
        schema = body.response_format.json_schema if isinstance(body.response_format, SchemaFormat) else None
        return Request(
            model=card.name,
            messages=_told(self.messages, "" if effort is None else effort.prompt),
            max_output_tokens=min(caps),
            temperature=_TEMPERATURE if body.temperature is None else body.temperature,
            seed=seed,
            sample=sample,
            stop=tuple(body.stop or ()),
            effort_fields="" if effort is None else effort.fields,
            response_schema=_as_given(schema.json_schema) if schema is not None and schema.json_schema else "",
            tools=_tools(body, card),
            tool_choice=body.tool_choice if isinstance(body.tool_choice, str) else "auto",
            further=_further(body, card),
        )

    @property
    def draws(self) -> bool:
        """Whether each time it is asked is a draw of its own: it names no seed, and is not asked at temperature 0."""
        return self.seed is None and self.body.temperature != 0


def fresh(request: Request) -> Request:
    """The request as a draw that nobody has made before."""
    seed, sample = divmod(secrets.randbelow(_DRAWS), SAMPLES_OF_A_SEED)
    return replace(request, seed=seed, sample=sample)


def read_asked(content: bytes) -> Asked:
    """Reads the body of a request.

    Raises:
        Refusal: it is not JSON, or a field is missing, unknown, of a wrong type, out of range or not served; the field
            is named.
    """
    given = json_object(content)
    body = checked(Body, given, ignored=WITHOUT_EFFECT, not_served=NOT_SERVED)
    body.check_together()
    if body.tool_choice not in (None, "none", "auto") and not body.tools:
        raise invalid_value("tool_choice", "it needs 'tools'")
    metadata = given.get("metadata")
    return Asked(
        model=body.model,
        messages=tuple(spoken(place, said) for place, said in enumerate(body.messages)),
        stream=bool(body.stream),
        include_usage=body.include_usage,
        seed=body.seed,
        metadata=metadata if isinstance(metadata, dict) else {},
        body=body,
    )


def spoken(place: int, said: MessageFields) -> ChatMessage:
    """A message of the conversation.

    Args:
        place: of the message, from 0.
        said: its fields.

    Raises:
        Refusal: a field does not go with its role.
    """
    if said.tool_calls and said.role != "assistant":
        raise invalid_value(f"messages[{place}].tool_calls", "only the assistant calls tools")
    if (said.role == "tool") != (said.tool_call_id is not None):
        reason = "a message of the role 'tool' says which call it answers, and no other does"
        raise invalid_value(f"messages[{place}].tool_call_id", reason)
    if said.content is None and said.role != "assistant":
        raise invalid_value(f"messages[{place}].content", "a text is needed")
    calls = tuple(
        ToolCall(
            call.function.name,
            call.function.arguments,
            call.id,
            json.dumps(call.extra_content, ensure_ascii=False) if call.extra_content else "",
        )
        for call in said.tool_calls or ()
    )
    role = "system" if said.role == "developer" else said.role
    return ChatMessage(role, said.text, calls, said.tool_call_id or "")


def _effort(body: Body, card: ModelCard) -> Effort | None:
    name = body.reasoning_effort
    if name is None:
        return None
    try:
        effort = card.effort(name)
    except UnknownName as error:
        raise invalid_value("reasoning_effort", str(error)) from None
    if effort is None:
        raise unsupported("reasoning_effort", f"is not taken by model '{card.name}' (its card names no efforts).")
    return effort


def _told(messages: tuple[ChatMessage, ...], words: str) -> tuple[ChatMessage, ...]:
    """The messages with further instructions, behind those that are there."""
    if not words:
        return messages
    place = sum(1 for message in messages if message.role == "system" and message is messages[0])
    return (*messages[:place], ChatMessage("system", words), *messages[place:])


def _tools(body: Body, card: ModelCard) -> str:
    if not body.tools:
        return ""
    if not card.tools:
        raise unsupported("tools", f"is not taken by model '{card.name}' (tools = false in its card).")
    return _as_given([tool.model_dump(exclude_unset=True, exclude_none=True) for tool in body.tools])


def _further(body: Body, card: ModelCard) -> str:
    """Fields that are passed on as they are, none of which changes what the call can cost."""
    given = body.model_dump(exclude_none=True, exclude_unset=True, by_alias=True, include=set(OF_A_CALLER))
    if not isinstance(body.tool_choice, Chosen):
        given.pop("tool_choice", None)
    if not body.tools:
        given.pop("parallel_tool_calls", None)
    if given.get("response_format") == {"type": "text"}:
        del given["response_format"]
    if "response_format" in given and not card.json_schema:
        raise unsupported("response_format", f"is not taken by model '{card.name}' (json_schema = false in its card).")
    return _as_given(given) if given else ""


def _as_given(value: object) -> str:
    """JSON with all names in the order of the client's: models write the properties of a schema in its order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
