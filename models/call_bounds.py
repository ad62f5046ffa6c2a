"""The most that one attempt at a call can use."""

from __future__ import annotations

from dataclasses import dataclass

from ..budgets.bounds import prompt_bound
from ..records.text import longest_bytes
from .base import Model
from .request import Request
from .tools import call_size, tools_size

__all__ = ["CallBounds", "call_bounds"]


@dataclass(frozen=True, slots=True)
class CallBounds:
    """Tokens that one attempt takes at most."""

    input_tokens: int
    output_tokens: int


def call_bounds(model: Model, request: Request) -> CallBounds:
    """The bounds of one attempt at this request."""
    card = model.card
    prompt = prompt_bound(
        [message.content for message in request.conversation],
        template_tokens=card.template_tokens,
        message_tokens=card.message_bound_tokens,
        exact=model.count_tokens(request.conversation) if card.exact_tokenizer else None,
    )
    output = min(request.max_output_tokens, card.max_output_tokens) + card.output_slack_tokens
    extra = longest_bytes(request.effort_fields) + card.extra_bound_tokens
    if card.tokenizer == "pocket":  # The embedded models are held to a schema and to tools, and read neither.
        return CallBounds(prompt + extra, output)
    # A template may write into the prompt what a schema or an effort's field says.
    extra += longest_bytes(request.response_schema)
    extra += longest_bytes(request.further)
    if request.tools:
        extra += tools_size(request.tools) + card.tools_tokens
    extra += sum(call_size(call) for message in request.conversation for call in message.tool_calls)
    return CallBounds(prompt + extra, output)
