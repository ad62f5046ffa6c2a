"""Whether an endpoint has the model that a card names, keeps its output cap, and reports what was used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ..errors import BudgetBreach, CallFailed, PoolError
from ..records.protocols import FactBook
from ..records.usage import ZERO, Amount
from .breaches import lift
from .endpoint import Endpoint
from .metered import call_bound
from .openai_compatible import OpenAIModel
from .pool import Pool
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
    endpoints = {id(model.endpoint): model.endpoint for model in served}
    try:
        listed = await asyncio.gather(*(_listed(endpoint) for endpoint in endpoints.values()))
        names = dict(zip(endpoints, listed, strict=True))
        found = await asyncio.gather(*(_check(model, names[id(model.endpoint)], facts) for model in served))
    finally:
        await pool.aclose()
    return {model.card.name: each for model, each in zip(served, found, strict=True)}


async def _listed(endpoint: Endpoint) -> tuple[str, ...] | PoolError | None:
    try:
        return await endpoint.check()
    except PoolError as fault:
        return fault


async def _check(model: OpenAIModel, listed: tuple[str, ...] | PoolError | None, facts: FactBook | None) -> ModelCheck:
    if isinstance(listed, PoolError):
        return ModelCheck((), (str(listed),))
    asked = OpenAIModel.on(model.card.model_copy(update={"attempts": 1}), model.endpoint)
    name = model.card.served_as or model.card.name
    request = Request(model.card.name, (ChatMessage("user", _TASK),), max_output_tokens=_CAP)
    calls = SideCalls(2 * call_bound(asked, request).tokens)
    missing = listed is not None and not any(_is_named(name, each) for each in listed)
    hint = f"field 'served_as': {model.endpoint.base_url} lists no model {name!r}{_nearest(name, listed or ())}"
    try:
        reply = await calls.ask(asked, request)
    except BudgetBreach as breach:
        fault = f"field 'output_cap': {breach.reported} tokens were reported for a call that reserved {breach.reserved}"
        return ModelCheck((), (fault,), calls.charged)
    except CallFailed as failure:
        return ModelCheck((), (f"{hint} ({failure.reason})" if missing else failure.reason,), calls.charged)
    said, faults = [f"answers as {one_line(reply.response_model or name)}"], []
    if missing and await _answers_any_name(asked, request, calls):
        faults.append(f"{hint}; it answers under any name, so another model may have answered")
    elif missing:
        said.append(f"{name!r} is not among the models that it lists, but it answers under that name")
    usage = reply.usage
    if usage is not None and usage.output_tokens > _CAP + model.card.output_slack_tokens:
        written = f"{usage.output_tokens} tokens were written for a cap of {_CAP} in {model.card.output_cap!r}"
        faults.append(f"field 'output_cap': {written}; name the field that the endpoint knows")
    else:
        said.append(_of_usage(reply))
    if usage is not None and not usage.estimated and not faults and facts is not None and lift(facts, model.card):
        said.append("it was barred after a breach; that is lifted")
    return ModelCheck(tuple(said), tuple(faults), calls.charged)


def _of_usage(reply: Reply) -> str:
    if reply.usage is None:
        return "no usage is reported: every call is charged at its bound, and a cap that is broken goes unseen"
    if reply.usage.estimated:
        return f"usage is incomplete, so what is missing is charged at its bound: {reply.note}"
    return f"the output cap is kept ({reply.usage.output_tokens} of {_CAP} tokens), and usage is complete"


async def _answers_any_name(model: OpenAIModel, request: Request, calls: SideCalls) -> bool:
    """Whether a model that does not exist answers too; some endpoints have models that they do not list."""
    nameless = OpenAIModel.on(model.card.model_copy(update={"served_as": _NO_MODEL}), model.endpoint)
    try:
        await calls.ask(nameless, replace(request, sample=1))
    except (CallFailed, BudgetBreach):
        return False
    return True


def _is_named(name: str, listed: str) -> bool:
    """Whether a name stands for a listed one: case, Gemini's prefix, Ollama's tag, OpenRouter's variants, wildcards."""
    asked, known = (each.casefold().removeprefix("models/").removesuffix(":latest") for each in (name, listed))
    return asked == known or asked.partition(":")[0] == known or ("*" in known and fnmatchcase(asked, known))


def _nearest(name: str, listed: Sequence[str]) -> str:
    plain = name.casefold()
    near = [each for each in listed if plain in each.casefold() or each.casefold() in plain]
    near = list(dict.fromkeys([*near, *get_close_matches(name, listed, n=3, cutoff=0.4)]))[:3]
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    some = ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
    return f"; it lists {some or 'none'}"
