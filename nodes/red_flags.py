"""Red flags: signs that a sample is not to be trusted, whatever it says (red-flagging, Meyerson et al. 2025, MAKER).

A sample that trips one has no vote and is drawn anew. A flag reads what was written and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from ..errors import CallFailed
from ..records.answers import folded
from ..records.status import Status
from ..records.text import clip, encodable, single_spaced
from ..registry import Registry
from .callables import CallableSort, Given, Imported, callable_json
from .daemon_threads import DaemonThreads
from .numbered import numbered
from .user_calls import called

__all__ = ["RED_FLAG", "RED_FLAGS", "RedFlag", "Sample", "flagged", "hedged", "too_long", "unread"]

_SECONDS = 10.0
"""How long a flag of the user's own is waited for."""
_SHOWN = 200
"""The most bytes of what a flag says."""
_HEDGES = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|presumably|likely|unlikely|roughly|approximately|might be|may be|could be"
    r"|or so|i (?:think|guess|believe|suppose|would say|assume)|my (?:best )?guess|(?:not|un) ?(?:sure|certain)"
    r"|uncertain|unclear|hard to (?:say|tell)|it depends)\b"
)
"""By which an answer takes back what it says; the words of an answer, folded."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One draw of a node, as red flags see it."""

    question: str
    """What the node was asked."""
    text: str
    """The reply; of a draw with several calls, the last one."""
    answer: str | None
    """What was read from it; None where it could not be used."""
    abstained: bool = False
    """Whether the answer says that there is none to give."""
    capped: bool = False
    """Whether a reply of the draw ended at its output cap."""
    tokens: int | None = None
    """Of the longest reply of the draw, hidden reasoning included; None where the endpoint did not tell."""


def too_long(sample: Sample, number: int | None = None) -> str:
    """The reply ended at its output cap, or has more than so many tokens: models that lose the thread ramble."""
    if number is not None and sample.tokens is not None and sample.tokens > number:
        return f"a reply of {sample.tokens:,} tokens"
    return "a reply that ended at its output cap" if sample.capped else ""


def unread(sample: Sample) -> str:
    """No answer could be read, or none that can be used."""
    return "no answer could be read" if sample.answer is None else ""


def hedged(sample: Sample) -> str:
    """The answer takes itself back: "probably 7", "I think so", "I don't know"."""
    if sample.answer is None:
        return ""
    if sample.abstained:
        return "the answer abstains"
    found = _HEDGES.search(folded(sample.answer))
    return f"the answer says {found[0]!r}" if found else ""


def _checked(name: str, flag: object) -> Callable[..., Any]:
    return RED_FLAG.function(name, flag)


RED_FLAGS: Registry[Callable[..., Any]] = Registry(
    "red flag",
    "apportion.red_flags",
    _checked,
    {
        "too_long": "nodes.red_flags:too_long",
        "unread": "nodes.red_flags:unread",
        "hedged": "nodes.red_flags:hedged",
    },
)
"""Functions from a `Sample` to what is wrong with it, by name; see `numbered` for those with a number. The package's
own, and those that installed packages register."""
RED_FLAG = CallableSort(
    "red flag", "name a function (sample) -> str that says what is wrong", known=lambda: RED_FLAGS.references
)


@lru_cache(maxsize=256)
def _named(flag: str) -> Callable[..., Any]:
    return numbered(RED_FLAGS, flag)


def _source(value: Any, info: ValidationInfo) -> str | Imported | Given:
    named = RED_FLAG.named(value, info)
    if named is not None:
        return named
    if isinstance(value, str):
        _named(value)
        return value
    found = RED_FLAG.given(value)
    if found is None:
        raise ValueError('name a red flag, such as "unread", or give a function (sample) -> str, or "my_app:function"')
    return found


RedFlag = Annotated[
    str | Callable[..., Any] | Imported | Given,
    PlainValidator(_source),
    PlainSerializer(callable_json, return_type=Any),
]
"""A name in `RED_FLAGS`, with `_K` behind it where it takes a number; or a function of the user's own."""


async def flagged(flags: Sequence[Any], sample: Sample) -> str:
    """The first flag that a sample trips, with what it says; empty where it trips none.

    Raises:
        CallFailed: a flag of the user's own failed, or returned what says nothing.
    """
    for flag in flags:
        name = flag if isinstance(flag, str) else flag.name
        said = await _said(_named(flag) if isinstance(flag, str) else flag.function(), name, sample)
        if said:
            return clip(single_spaced(encodable(f"{name}: {said}")), _SHOWN)
    return ""


async def _said(function: Callable[..., Any], name: str, sample: Sample) -> str:
    own = getattr(function, "func", function) in (too_long, unread, hedged)
    if own:
        return str(function(sample))
    threads = DaemonThreads(1)
    try:
        came = await called(function, (sample,), threads, _SECONDS)
    finally:
        threads.close()
    if came.status is Status.TIMEOUT:
        raise CallFailed(Status.TIMEOUT, f"red flag {name!r} was not done within {_SECONDS:g} seconds")
    if came.status is not Status.OK:
        raise CallFailed(came.status, f"red flag {name!r} failed: {came.reason}")
    if came.value is None or isinstance(came.value, bool):
        return "the sample trips it" if came.value else ""
    if not isinstance(came.value, str):
        kind = type(came.value).__name__
        raise CallFailed(
            Status.TOOL_ERROR,
            f"red flag {name!r} returned {kind}; return a str that says what is wrong, or an empty one",
        )
    return str(came.value).strip()
