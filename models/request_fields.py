"""The fields of a request that belong to the ledger and to the calls, so that no setting may send them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["OF_A_CALLER", "canonical", "check_request_fields", "reserved_for"]

_CAP = "the output cap is the ledger's; lower it with `max_output_tokens`"
_TIMES = "it multiplies what is written, and the ledger reserves one reply"
_STREAM = "replies are read whole"
_CALL = "every call sets it itself"
_MORE = "what it adds to the bill has no bound"
_PRICE = "it changes what a token costs, and the ledger counts by the card's prices"
_TEXT = "replies are read as text"
_SECRET = "a key does not belong in a file; name its environment variable in `api_key_env`"
_NOT_ITS = (
    dict.fromkeys(("max_tokens", "max_completion_tokens", "max_new_tokens", "max_length", "max_gen_len"), _CAP)
    | dict.fromkeys(("n_predict", "num_predict"), _CAP)
    | dict.fromkeys(("n", "best_of", "use_beam_search", "num_beams", "num_return_sequences"), _TIMES)
    | dict.fromkeys(("stream", "stream_options"), _STREAM)
    | dict.fromkeys(("model", "messages", "temperature", "seed", "stop", "logprobs", "top_logprobs"), _CALL)
    | dict.fromkeys(("response_format", "continue_final_message", "add_generation_prompt"), _CALL)
    | dict.fromkeys(("tools", "functions", "web_search_options", "plugins", "prediction", "echo"), _MORE)
    | dict.fromkeys(("api_key", "authorization"), _SECRET)
    | dict.fromkeys(("chat_template", "documents", "models", "search_parameters", "enable_search"), _MORE)
    | dict.fromkeys(("service_tier",), _PRICE)
    | dict.fromkeys(("tool_choice", "function_call", "modalities", "audio"), _TEXT)
)
OF_A_CALLER = frozenset(
    (
        *("top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias"),
        *("tool_choice", "parallel_tool_calls", "response_format", "verbosity"),
    )
)
"""The fields that a single request may add (`Request.further`): none changes what bounds it."""
_NESTED = "extra_body"
"""What some endpoints take further request fields in."""


def reserved_for(name: str) -> str | None:
    """Why no setting may send a field; None where one may."""
    return _NOT_ITS.get(name)


def check_request_fields(fields: Mapping[str, Any], by: str) -> None:
    """Makes sure that fields can be sent beside those of every call.

    Args:
        fields: by name.
        by: what sets them, for people, such as "an effort".

    Raises:
        ValueError: one of them is not theirs to set, or no JSON.
    """
    for name, value in _each(fields):
        if name in _NOT_ITS:
            raise ValueError(f"{name!r} cannot be set by {by}: {_NOT_ITS[name]}; take it out")
        try:
            canonical(value)
        except (TypeError, ValueError, RecursionError):
            raise ValueError(f"{name!r} is sent as JSON, so it must be a JSON value") from None


def canonical(value: Any) -> str:
    """A value as JSON, always in the same form.

    Raises:
        TypeError, ValueError, RecursionError: it has none.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _each(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from fields.items()
    nested = fields.get(_NESTED)
    if isinstance(nested, Mapping):
        yield from nested.items()
