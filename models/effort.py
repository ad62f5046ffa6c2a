"""How hard a model is asked to think: what a card makes of the word for it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Effort", "in_order", "place_of"]

_USUAL = {"none": 0, "off": 0, "minimal": 1, "low": 2, "medium": 3, "high": 4, "xhigh": 5, "max": 6}
"""The words that endpoints have for efforts, with their places."""
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
"""Request fields that no effort may set, and why."""
_NESTED = "extra_body"
"""What some endpoints take further request fields in."""


class Effort(BaseModel):
    """One effort of a model. Every key beside the two fields is a field of the request, sent as it is written."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    prompt: str = ""
    """Words that are added to the instructions, such as "/no_think"."""
    max_output_tokens: int | None = Field(default=None, gt=0)
    """The most that a reply at this effort may have, hidden reasoning included. Of it and of what the node allows, the
    smaller holds: an effort never raises a cap."""

    @model_validator(mode="after")
    def _leaves_the_rest_of_the_request_alone(self) -> Effort:
        for name, value in self._sent():
            if name in _NOT_ITS:
                raise ValueError(f"{name!r} cannot be set by an effort: {_NOT_ITS[name]}; take it out")
            try:
                _canonical(value)
            except (TypeError, ValueError, RecursionError):
                raise ValueError(f"{name!r} is sent as JSON, so it must be a JSON value") from None
        return self

    def _sent(self) -> Iterator[tuple[str, Any]]:
        extra = self.model_extra or {}
        yield from extra.items()
        nested = extra.get(_NESTED)
        if isinstance(nested, Mapping):
            yield from nested.items()

    @cached_property
    def fields(self) -> str:
        """The request fields as canonical JSON; empty where there are none."""
        return _canonical(self.model_extra) if self.model_extra else ""


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Efforts from the least to the most: in the usual order where all are usual words, else as they were written."""
    return tuple(sorted(names, key=_USUAL.__getitem__)) if set(names) <= _USUAL.keys() else tuple(names)


def place_of(name: str, names: Collection[str]) -> int:
    """The place of one of a card's efforts on the axis of reasoning depth, from 0."""
    return _USUAL[name] if set(names) <= _USUAL.keys() else 1 + in_order(names).index(name)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
