"""What an endpoint says of the models that it lists: contexts, prices, and what its requests may hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import PoolError
from .endpoint import Endpoint
from .model_names import is_named

__all__ = ["ListedModel", "find_model"]

_MOST = 10**12
_DIGITS = re.compile("[0-9]{1,12}")
_CONTEXTS = (
    "max_model_len",  # vLLM, SGLang
    "loaded_context_length",  # LM Studio
    "meta.n_ctx",  # llama.cpp
    "top_provider.context_length",  # OpenRouter: of the provider that is asked first
    "context_length",  # OpenRouter, Together
    "context_window",  # Groq
    "max_context_length",  # Mistral
    "max_input_tokens",
)
_TRAINED = "meta.n_ctx_train"
_OUTPUTS = ("top_provider.max_completion_tokens", "max_completion_tokens", "max_output_tokens")
_SWITCHES = {"temperature": "temperature", "seed": "seed", "logprobs": "logprobs", "json_schema": "structured_outputs"}
"""Fields of a card, and what OpenRouter calls them among `supported_parameters`."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """What is said of one model."""

    name: str
    """The endpoint's own."""
    fields: Mapping[str, Any]
    """Of its card, as far as the endpoint says so."""
    missing: tuple[str, ...]
    """What it does not say and somebody must know, a line each that begins with the field."""


async def find_model(endpoint: Endpoint, name: str = "") -> ListedModel:
    """Looks a model up.

    Args:
        endpoint: where it is served.
        name: the endpoint's own for it; empty for the only one that it lists.

    Raises:
        PoolError: the endpoint is not there, takes no key, or lists no such model, or several and none was named.
    """
    entries = await _entries(endpoint)
    names = [each["id"] for each in entries]
    if not name and len(names) > 1:
        some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise PoolError(f"{endpoint.base_url} lists {len(names)} models; name one with --name: {some}")
    found = [each for each in entries if each["id"] == name] or [each for each in entries if is_named(name, each["id"])]
    if name and not found:
        near = get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"it lists {', '.join(names[:5])}"
        raise PoolError(f"{endpoint.base_url} lists no model {name!r}; {hint}")
    entry = (found or entries)[0]
    fields, notes = _fields(entry), []
    if "context_tokens" not in fields:
        context, note = await _context_beside(endpoint, entry)
        fields |= {"context_tokens": context} if context else {}
        notes = [note] if note else []
    if fields.get("max_output_tokens", 0) > fields.get("context_tokens", _MOST):
        fields["max_output_tokens"] = fields["context_tokens"]
    return ListedModel(entry["id"], fields, (*notes, *_missing(fields, entry)))


async def _entries(endpoint: Endpoint) -> Sequence[Mapping[str, Any]]:
    """The list, each with its name as `id`."""
    await endpoint.check()
    status, body = await endpoint.look("/models")
    if status >= 300:
        raise PoolError(
            f"{endpoint.base_url} lists no models (status {status}); write its table by hand, as in "
            "examples/endpoint.toml"
        )
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        reason = "is not JSON; perhaps the URL is wrong (it mostly ends in /v1)"
        raise PoolError(f"{endpoint.base_url}/models {reason}") from None
    if isinstance(content, dict):
        content = content.get("data", content.get("models"))
    listed = content if isinstance(content, list) else []
    entries = [each if isinstance(each, dict) else {"id": each} for each in listed]
    named = [{**each, "id": each.get("id", each.get("name"))} for each in entries]
    kept = [each for each in named if isinstance(each["id"], str) and each["id"].strip()]
    if not kept:
        raise PoolError(f"{endpoint.base_url} lists no model; load one there first")
    return kept


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for field, places in (("context_tokens", _CONTEXTS), ("max_output_tokens", _OUTPUTS)):
        counts = (_count(_at(entry, place)) for place in places)
        if (count := next(filter(None, counts), None)) is not None:
            fields[field] = count
    supported = entry.get("supported_parameters")
    if isinstance(supported, list) and supported:
        fields |= {field: name in supported for field, name in _SWITCHES.items()}
        if "max_completion_tokens" not in supported and "max_tokens" in supported:
            fields["output_cap"] = "max_tokens"
    if entry.get("owned_by") == "library":  # Ollama
        fields["output_cap"] = "max_tokens"
    return fields | _prices(entry.get("pricing"))


def _prices(pricing: object) -> dict[str, float]:
    """USD per million tokens: from OpenRouter's texts in USD per token, or Together's numbers per million."""
    if not isinstance(pricing, Mapping):
        return {}
    per_token = "prompt" in pricing
    words = ("prompt", "completion", "input_cache_read") if per_token else ("input", "output", "cached_input")
    scale = 1e6 if per_token else 1.0
    read, written, cached = (_price(pricing.get(word), scale) for word in words)
    if read is None or written is None:
        return {}
    reasoned = _price(pricing.get("internal_reasoning"), scale) or 0.0
    found = {"input_usd_per_million": read, "output_usd_per_million": max(written, reasoned)}
    if cached is not None and cached <= read and cached:
        found["cached_input_usd_per_million"] = cached
    return found


async def _context_beside(endpoint: Endpoint, entry: Mapping[str, Any]) -> tuple[int | None, str]:
    """The context from where llama.cpp and Ollama say it, beside the list; and what to say about it."""
    root = endpoint.base_url.removesuffix("/v1")
    props = _object(await endpoint.look(f"{root}/props"))
    context = _count(_at(props, "default_generation_settings.n_ctx")) or _count(props.get("n_ctx"))
    if context:
        return context, ""
    shown = _object(await endpoint.look(f"{root}/api/show", json.dumps({"model": entry["id"]}).encode()))
    parameters = shown.get("parameters")
    for line in parameters.splitlines() if isinstance(parameters, str) else ():
        word, _, value = line.strip().partition(" ")
        if word == "num_ctx" and _DIGITS.fullmatch(value.strip()):
            return _count(int(value)), ""
    info = shown.get("model_info")
    trained = next((_count(value) for name, value in _items(info) if name.endswith(".context_length")), None)
    trained = trained or _count(_at(entry, _TRAINED))
    said = f"context_tokens: the model was trained for {trained}, but the server may have been started with fewer"
    return trained, said if trained else ""


def _missing(fields: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[str]:
    if "context_tokens" not in fields:
        yield "context_tokens: prompt and completion together; 8192 is assumed"
    if "max_output_tokens" not in fields:
        yield "max_output_tokens: the most that one reply may have; 4096 is assumed"
    if "output_cap" not in fields:
        yield 'output_cap: "max_completion_tokens" is assumed; Ollama and LM Studio know only "max_tokens"'
    if "input_usd_per_million" not in fields:
        yield "input_usd_per_million and output_usd_per_million: 0 is assumed, so caps in usd do not count this model"
    fee = _price(_at(entry, "pricing.request"), 1.0)
    if fee:
        yield f"each request costs {fee:g} USD beside its tokens, which the ledger does not count"


def _at(value: object, path: str) -> object:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _items(value: object) -> Sequence[tuple[str, object]]:
    return [(str(name), each) for name, each in value.items()] if isinstance(value, Mapping) else ()


def _object(looked: tuple[int, bytes]) -> Mapping[str, Any]:
    status, body = looked
    try:
        content = json.loads(body) if status < 300 else {}
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 < value < _MOST else None


def _price(value: object, scale: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        price = float(value) * scale
    except (ValueError, OverflowError):
        return None
    return float(f"{price:.10g}") if math.isfinite(price) and 0 <= price < 1e9 else None
