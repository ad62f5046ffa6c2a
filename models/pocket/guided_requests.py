"""From a request to what leads the reply to it: a schema, tools, a search that must end."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from itertools import count

from ...errors import CallFailed
from ...records.status import Status
from ...records.usage import Usage
from ..request import Request
from ..tools import ToolCall
from .automaton import Automaton
from .calling import Offered, begun_reply, offered
from .grammar import Forced, Term, choices
from .guide import Guide, Part
from .schemas import terms_of
from .shorthand import PocketRole
from .tokenizer import encode

__all__ = ["BEHIND_NAME", "call_id", "guide_for", "refused", "said"]

_NOW = "="
"""With which an answer begins where a query could stand."""
BEHIND_NAME = "\n"
"""Between the name of a tool that must be called and the arguments."""


def guide_for(request: Request, prompt: str, tokens: Sequence[int], cap: int) -> Guide | None:
    """What leads the reply to a request; None where nothing does.

    A request with a schema is answered by JSON. One with tools is answered by a call where the model comes to one that
    it makes by itself, see `Offered`. Where a call is required, what the model comes to otherwise is the arguments of
    one of the other tools, as JSON of its schema.

    Args:
        request: with a schema, or with tools.
        prompt: the text that the model reads.
        tokens: the same in tokens.
        cap: the most tokens of the reply.

    Raises:
        UnsupportedSchema: a model cannot be held to the schema.
        CallFailed: no JSON of the schema fits the cap, or the request has stop texts.
    """
    turns = any(message.role == "tool" for message in request.messages)
    if not (request.response_schema or request.tools or turns):
        return None
    if request.stop:
        raise refused("stop texts could cut JSON or a call in two; leave out `stop`")
    tools = offered(request.tools)
    automaton = _automaton(request)
    if automaton is not None and automaton.least > cap:
        raise refused(
            f"the shortest JSON of the schema takes {automaton.least} tokens, and the reply may have {cap}; raise the "
            "output cap, or shorten the schema or the question"
        )
    # Of a reply of one token nothing would be left for the answer.
    begin = encode(_NOW) if cap > 1 and _must_answer(request, prompt, automaton) else []
    guide = Guide(
        tokens,
        cap,
        automaton,
        thinks=prompt[:1] in (PocketRole.THINK, PocketRole.DRAFT) or _may_call(request, prompt, tools),
        draft=prompt.startswith(PocketRole.DRAFT),
        begun=begun_reply(request.conversation),
        tools=tools if tools.callable and request.tool_choice != "none" else None,
        reading=deque(begin),
    )
    if begin and automaton is None:
        guide.parts.append(Part(begin[0], _NOW, chosen=False))
    return guide


def said(request: Request, guide: Guide) -> tuple[str, tuple[ToolCall, ...]]:
    """The text and the calls of a reply."""
    if guide.call is not None:
        return guide.text, (ToolCall(guide.call.name, guide.call.arguments, call_id(request)),)
    if request.tools and request.tool_choice == "required":
        name, _, arguments = guide.text.partition(BEHIND_NAME)
        return "", (ToolCall(name, arguments, call_id(request)),)
    return guide.text, ()


def call_id(request: Request) -> str:
    """The id of the call in a reply; no other of the conversation has it."""
    ids = [call.call_id for message in request.messages for call in message.tool_calls]
    return next(new for number in count(len(ids)) if (new := f"call_{number}") not in ids)


def _automaton(request: Request) -> Automaton | None:
    if request.tools and request.tool_choice == "required":
        return _of_calls(request.tools)
    return _of_schema(request.response_schema) if request.response_schema else None


@lru_cache(maxsize=64)
def _of_schema(schema: str) -> Automaton:
    """One for all who are held to the same, since what may come in its states is kept."""
    return Automaton(terms_of(schema))


@lru_cache(maxsize=64)
def _of_calls(tools: str) -> Automaton:
    """A call of one of the tools that models do not call by themselves, or of any where there are no others."""
    functions = [tool["function"] for tool in json.loads(tools)]
    everything = [(function["name"], function.get("parameters") or {"type": "object"}) for function in functions]
    named: list[tuple[str, tuple[Term, ...]]] = [
        (name, (Forced(BEHIND_NAME, anew=True), *terms_of(json.dumps(schema))))
        for name, schema in offered(tools).others or everything
    ]
    return Automaton((choices(named),))


def _must_answer(request: Request, prompt: str, automaton: Automaton | None) -> bool:
    """Whether a search must end now."""
    if not prompt.startswith(PocketRole.SEARCH) or prompt.endswith(_NOW):
        return False
    return (request.tool_choice == "none" and bool(request.tools)) or (
        automaton is not None and not _may_call(request, prompt, offered(request.tools))
    )


def _may_call(request: Request, prompt: str, tools: Offered) -> bool:
    """Whether a model that searches may call for a search before it answers."""
    return prompt.startswith(PocketRole.SEARCH) and tools.search is not None and request.tool_choice != "none"


def refused(reason: str) -> CallFailed:
    """The failure of a request that is not begun; nothing is billed."""
    return CallFailed(Status.REFUSED, reason, usage=Usage(0, 0), billed=False)
