"""Reading a chat completion strictly: either a reply, or a typed failure with what is known of its cost.

Servers answer 200 with an HTML page, half a JSON text, an error object, null choices or counts as strings. None of
it may pass for an answer, and none of it may be charged as if it were exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import CallFailed
from ..records.status import Status
from ..records.text import encodable
from ..records.usage import MOST_TOKENS, Usage
from .request import FinishReason, Reply

__all__ = ["read_reply", "read_usage"]

_FINISH_REASONS: Mapping[str | None, FinishReason] = {
    None: "stop",
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
}
"""What endpoints say, and what it means here. An unknown word is a failure, since the text may be cut."""


class _Strict(BaseModel):
    """Strict in what makes the answer; what merely goes with it may be of any type, and counts only as text."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Message(_Strict):
    content: str | None = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(_Strict):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None


class _Completion(_Strict):
    choices: list[_Choice]
    id: Any = None
    model: Any = None


def read_reply(body: bytes) -> Reply:
    """Reads the body of a chat completion.

    Args:
        body: as it came, with a status of 2xx.

    Raises:
        CallFailed: it is no completion, or the model refused. Its usage is what was reported, where credible.
    """
    content = _object(body)
    usage = read_usage(content.get("usage"))
    if content.get("error"):
        raise _violation(f"status 200 with an error: {_short(content['error'])}", usage)
    try:
        completion = _Completion.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise _violation(f"field {where!r} of the completion: {fault['msg']}", usage) from None
    if not completion.choices:
        raise _violation("field 'choices' of the completion is empty", usage)
    choice = completion.choices[0]
    if choice.finish_reason not in _FINISH_REASONS:
        raise _violation(f"unknown finish_reason {_short(choice.finish_reason)}", usage)
    message = choice.message
    refusal = _text(message.refusal)
    declined = bool(refusal) and not message.content
    mean_logprob, first_token_entropy = _read_logprobs(choice.logprobs)
    return Reply(
        text=refusal if declined else _text(message.content),
        finish_reason="refusal" if declined else _FINISH_REASONS[choice.finish_reason],
        usage=usage,
        mean_logprob=mean_logprob,
        first_token_entropy=first_token_entropy,
        reasoning=_text(message.reasoning_content) or _text(message.reasoning),
        response_model=_text(completion.model),
        response_id=_text(completion.id),
    )


def read_usage(content: object) -> Usage | None:
    """Reads a usage record; None where there is none, or one that is not credible.

    Output is at least what `total_tokens` leaves beside the prompt, since some endpoints count hidden reasoning there
    alone. Reasoning and cached tokens are parts of output and input, and never more than those.
    """
    if not isinstance(content, dict):
        return None
    prompt, output = _count(content.get("prompt_tokens")), _count(content.get("completion_tokens"))
    if prompt is None or output is None:
        return None
    total = _count(content.get("total_tokens")) or 0
    output = max(output, total - prompt)
    reasoning = _detail(content, "completion_tokens_details", "reasoning_tokens")
    cached = _detail(content, "prompt_tokens_details", "cached_tokens")
    return Usage(prompt, output, min(reasoning, output), min(cached, prompt))


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        start = body[:60].decode(errors="replace")
        page = body.lstrip()[:1] == b"<"
        hint = "; perhaps 'base_url' is wrong (it mostly ends in /v1)" if page else ""
        raise CallFailed(
            Status.PROVIDER_ERROR, f"status 200 with a body that is not JSON: {_short(start)}{hint}", retryable=not page
        ) from None
    if not isinstance(content, dict):
        raise _violation(f"status 200 with JSON that is no object: {_short(content)}", None)
    return content


def _violation(reason: str, usage: Usage | None) -> CallFailed:
    return CallFailed(Status.PROVIDER_ERROR, reason, usage=usage, retryable=True)


def _count(value: object) -> int | None:
    """A number of tokens, or None where it is no whole number from 0, or larger than any model can mean."""
    return value if type(value) is int and 0 <= value < MOST_TOKENS else None


def _detail(content: Mapping[str, Any], record: str, field: str) -> int:
    details = content.get(record)
    return (_count(details.get(field)) or 0) if isinstance(details, dict) else 0


def _read_logprobs(content: object) -> tuple[float | None, float | None]:
    """Mean log-probability of the tokens, and entropy of the first token's distribution.

    Endpoints return only the likeliest few tokens; what is left of the probability counts as one more token, so the
    entropy is a lower bound.
    """
    tokens = content.get("content") if isinstance(content, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None, None
    logprobs = [_logprob(token) for token in tokens]
    known = [logprob for logprob in logprobs if logprob is not None]
    if len(known) < len(logprobs):
        return None, None
    top = tokens[0].get("top_logprobs")
    first = [_logprob(token) for token in top] if isinstance(top, list) else []
    shares = [math.exp(logprob) for logprob in first if logprob is not None]
    if not shares or len(shares) < len(first):
        return math.fsum(known) / len(known), None
    shares.append(max(0.0, 1.0 - math.fsum(shares)))
    entropy = -math.fsum(share * math.log(share) for share in shares if share > 0.0)
    return math.fsum(known) / len(known), max(0.0, entropy)


def _logprob(token: object) -> float | None:
    """A log-probability; None where it is not a finite number, and never above 0."""
    value = token.get("logprob") if isinstance(token, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(0.0, float(value))


def _text(value: object) -> str:
    return encodable(value) if isinstance(value, str) else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
