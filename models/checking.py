"""Whether an endpoint has the model that a card names, keeps its output cap, and reports what was used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ..errors import BudgetBreach, CallFailed, PoolError
from ..records.protocols import FactBook
from ..records.usage import ZERO, Amount
from .breaches import lift
from .endpoint import Endpoint
from .metered import call_bound
from .model_names import is_named, plain_name
from .openai_compatible import OpenAIModel
from .pool import Pool
from .replicas import another_model, most_named
from .replies.failures import one_line
from .request import ChatMessage, Reply, Request
from .side_calls import SideCalls

__all__ = ["ModelCheck", "check_models"]

_CAP = 16
_TASK = "Count from one to one hundred in words, one number a line."
"""Longer than the cap for any model, so that the cap shows."""
_NO_MODEL = "apportion-no-such-model"


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What one short call told of a model."""

    said: tuple[str, ...]
    """What was found, a line each."""
    faults: tuple[str, ...]
    """What of it has to be mended; each begins with the field of the card."""
    charged: Amount = ZERO


async def check_models(pool: Pool, facts: FactBook | None = None) -> dict[str, ModelCheck]:
    """Looks up each model that is served elsewhere, and asks it for one short task under an output cap of 16 tokens.

    Args:
        pool: the models; embedded ones need no check.
        facts: where an earlier breach is lifted if the cap is kept now.

    Returns:
        What was found, by the model's name.
    """
    served = [model for model in pool if isinstance(model, OpenAIModel)]
    endpoints = {id(endpoint): endpoint for model in served for endpoint in model.endpoints}
    try:
        listed = await asyncio.gather(*(_listed(endpoint) for endpoint in endpoints.values()))
        names = dict(zip(endpoints, listed, strict=True))
        found = await asyncio.gather(*(_check(model, names, facts) for model in served))
    finally:
        await pool.aclose()
    return {model.card.name: each for model, each in zip(served, found, strict=True)}


_Listed = tuple[str, ...] | PoolError | None


async def _listed(endpoint: Endpoint) -> _Listed:
    try:
        return await endpoint.check()
    except PoolError as fault:
        return fault


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one call told of a model at one endpoint."""

    said: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    charged: Amount = ZERO
    answers_as: str = ""
    counted: bool = False
    """Whether the endpoint reported all that was used."""


async def _check(model: OpenAIModel, listed: Mapping[int, _Listed], facts: FactBook | None) -> ModelCheck:
    ends = model.endpoints
    seen = await asyncio.gather(*(_look(model, endpoint, listed[id(endpoint)]) for endpoint in ends))
    said = [line for each, end in zip(seen, ends, strict=True) for line in _of_replica(end, each.said, len(ends))]
    faults = [line for each in seen for line in each.faults] + _strangers(model, seen)
    if len(ends) > 1:
        faults = [line.replace("field 'base_url'", "field 'base_urls'", 1) for line in faults]
    charged = sum((each.charged for each in seen), ZERO)
    if not faults and all(each.counted for each in seen) and facts is not None and lift(facts, model.card):
        said.append("it was barred after a breach; that is lifted")
    return ModelCheck(tuple(said), tuple(faults), charged)


def _of_replica(endpoint: Endpoint, said: Sequence[str], replicas: int) -> Sequence[str]:
    return said if replicas == 1 else [f"at {endpoint.base_url}: {line}" for line in said]


def _strangers(model: OpenAIModel, seen: Sequence[_Seen]) -> list[str]:
    """A fault for each replica that answers as another model than the others."""
    names = [plain_name(each.answers_as) for each in seen]
    if len(set(filter(None, names))) < 2:
        return []
    expected = most_named(list(filter(None, names)), model.card.served_as or model.card.name)
    return [
        f"field 'base_urls': {another_model(endpoint.base_url, each.answers_as, expected)}"
        for endpoint, each, name in zip(model.endpoints, seen, names, strict=True)
        if name and name != expected
    ]


async def _look(model: OpenAIModel, endpoint: Endpoint, listed: _Listed) -> _Seen:
    if isinstance(listed, PoolError):
        return _Seen(faults=(str(listed),))
    asked = OpenAIModel.on(model.card.model_copy(update={"attempts": 1}), endpoint)
    name = model.card.served_as or model.card.name
    request = Request(model.card.name, (ChatMessage("user", _TASK),), max_output_tokens=_CAP)
    calls = SideCalls(2 * call_bound(asked, request).tokens)
    missing = listed is not None and not any(is_named(name, each) for each in listed)
    hint = f"field 'served_as': {endpoint.base_url} lists no model {name!r}{_nearest(name, listed or ())}"
    try:
        reply = await calls.ask(asked, request)
    except BudgetBreach as breach:
        fault = f"field 'output_cap': {breach.reported} tokens were reported for a call that reserved {breach.reserved}"
        return _Seen(faults=(fault,), charged=calls.charged)
    except CallFailed as failure:
        fault = f"{hint} ({failure.reason})" if missing else failure.reason
        return _Seen(faults=(fault,), charged=calls.charged)
    said, faults = [f"answers as {one_line(reply.response_model or name)}"], []
    if missing:
        any_name, why = await _answers_any_name(asked, request, calls)
        if any_name:
            faults.append(f"{hint}; it answers under any name, so another model may have answered")
        else:
            said.append(f"{name!r} is not among the models that it lists, but it answers under that name{why}")
    usage = reply.usage
    if usage is not None and usage.output_tokens > _CAP + model.card.output_slack_tokens:
        written = f"{usage.output_tokens} tokens were written for a cap of {_CAP} in {model.card.output_cap!r}"
        faults.append(f"field 'output_cap': {written}; name the field that the endpoint knows")
    else:
        said.append(_of_usage(reply))
    counted = usage is not None and not usage.estimated
    return _Seen(tuple(said), tuple(faults), calls.charged, reply.response_model, counted)


def _of_usage(reply: Reply) -> str:
    if reply.usage is None:
        return "no usage is reported: every call is charged at its bound, and a cap that is broken goes unseen"
    if reply.usage.estimated:
        return f"usage is incomplete, so what is missing is charged at its bound: {reply.note}"
    return f"the output cap is kept ({reply.usage.output_tokens} of {_CAP} tokens), and usage is complete"


async def _answers_any_name(model: OpenAIModel, request: Request, calls: SideCalls) -> tuple[bool, str]:
    """Whether a model that does not exist answers too, and why that is not known, where it is not.

    Some endpoints have models that they do not list.
    """
    nameless = OpenAIModel.on(model.card.model_copy(update={"served_as": _NO_MODEL}), model.endpoints)
    try:
        await calls.ask(nameless, replace(request, sample=1))
    except BudgetBreach:  # it answered, and with more than it may
        return True, ""
    except CallFailed as failure:
        told = failure.billed or failure.retryable
        return False, f"; whether it does under any other is not known ({failure.reason})" if told else ""
    return True, ""


def _nearest(name: str, listed: Sequence[str]) -> str:
    plain = name.casefold()
    near = [each for each in listed if plain in each.casefold() or each.casefold() in plain]
    near = list(dict.fromkeys([*near, *get_close_matches(name, listed, n=3, cutoff=0.4)]))[:3]
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    some = ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
    return f"; it lists {some or 'none'}"
