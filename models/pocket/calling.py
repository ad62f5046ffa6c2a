"""How an embedded model calls tools: a calculator where it would work out a step, a search where it asks for one.

The models know no tools. They write steps such as `47+83=30`, and queries such as `>kemo stays`. So a model is stopped
behind the `=` of a step, a tool with an argument `expression` works the step out, and the model goes on behind the
result, as with the calculator annotations of Cobbe et al. (2021), "Training verifiers to solve math word problems". A
query goes to a tool with an argument `query`, and what it finds stands where the models look for passages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..request import ChatMessage
from ..tools import ToolCall
from .schemas import WITHOUT_EFFECT, json_text
from .shorthand import PocketRole, on_one_line, searching

__all__ = ["ARGUMENTS", "RESULT_TOKENS", "Offered", "begun_reply", "offered", "prompt_with_results"]

ARGUMENTS = ("expression", "query")
"""Names of the one text that a tool must need for the models to call it by themselves."""
RESULT_TOKENS = 2
"""Of the result of a step, as a model reads it; also of the line ends around what a search brings."""

_STEP = re.compile(r"([0-9]{2}[-+*][0-9]{2})=\Z")
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_INTEGER = re.compile(r"-?[0-9]{1,30}(?:\.0+)?")
_MODULUS = 100
_OF_ARGUMENTS = WITHOUT_EFFECT | {"type", "properties", "required", "additionalProperties"}
_OF_TEXT = WITHOUT_EFFECT | {"type"}
"""What a schema may say; by anything else a call that the models make by themselves could miss it."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The tools of a request, as far as an embedded model is concerned."""

    calculator: tuple[str, str] | None
    """The name of the tool that works out steps, and of its argument."""
    search: tuple[str, str] | None
    """Likewise of the tool that takes queries."""
    others: tuple[tuple[str, Any], ...]
    """Names and schemas of all tools that are neither."""

    @property
    def callable(self) -> bool:
        """Whether there is a tool that the models call by themselves."""
        return self.calculator is not None or self.search is not None

    def step_in(self, trace: str) -> ToolCall | None:
        """The call that a trace comes to, where it has just begun the result of a step."""
        step = None if self.calculator is None else _STEP.search(trace)
        # Without the leading zeros that the models write and no calculator takes.
        return None if self.calculator is None or step is None else _call(self.calculator, _ZEROS.sub("", step[1]))

    def query_in(self, reply: str) -> ToolCall | None:
        """The call that a whole reply is, where it asks for a search."""
        query = reply.removeprefix(">").strip()
        return _call(self.search, query) if self.search and query and reply.startswith(">") else None


def offered(tools: str) -> Offered:
    """The tools of a request.

    Args:
        tools: as `Request.tools`; empty means none.
    """
    found: dict[str, tuple[str, str]] = {}
    others = []
    for tool in json.loads(tools) if tools else ():
        function = tool["function"]
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        argument = _argument(schema)
        if argument in ARGUMENTS and argument not in found:
            found[argument] = (function["name"], argument)
        else:
            others.append((function["name"], schema))
    return Offered(found.get("expression"), found.get("query"), tuple(others))


def prompt_with_results(messages: Sequence[ChatMessage]) -> str:
    """The prompt: the last user message with what of the reply to it is there; empty where there is none."""
    question, turns = _question_and_turns(messages)
    if question.startswith(PocketRole.SEARCH) and any(turn.role == "tool" for turn in turns):
        return _searched(question, turns)
    return question + _worked_out(turns)


def begun_reply(messages: Sequence[ChatMessage]) -> str:
    """What of the reply is there: the steps so far, with their results. Of a search it is nothing."""
    question, turns = _question_and_turns(messages)
    return "" if question.startswith(PocketRole.SEARCH) else _worked_out(turns)


def _question_and_turns(messages: Sequence[ChatMessage]) -> tuple[str, Sequence[ChatMessage]]:
    """The last user message and what comes behind it; nothing where there is none."""
    places = [place for place, message in enumerate(messages) if message.role == "user"]
    return (messages[places[-1]].content, messages[places[-1] + 1 :]) if places else ("", ())


def _argument(schema: Any) -> str:
    """The name of the one text, of whatever form, that a tool needs; empty where it needs anything else."""
    if not isinstance(schema, dict) or schema.keys() - _OF_ARGUMENTS:
        return ""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list) or len(required) != 1:
        return ""
    name = required[0] if isinstance(required[0], str) else ""
    described = properties.get(name)
    free = isinstance(described, dict) and described.get("type") == "string" and not described.keys() - _OF_TEXT
    return name if free else ""


def _call(tool: tuple[str, str], value: str) -> ToolCall:
    name, argument = tool
    return ToolCall(name, json_text({argument: value}))


def _worked_out(turns: Sequence[ChatMessage]) -> str:
    """The steps of the turns, each followed by its result, as the models write numbers.

    A result that is no integer is left out, and the model works the step out by itself.
    """
    text, open_step = "", False
    for turn in turns:
        if turn.role == "assistant":
            text += turn.content
            open_step = _STEP.search(text) is not None
        elif turn.role == "tool" and open_step and _INTEGER.fullmatch(turn.content.strip()):
            text += f"{int(turn.content.strip().partition('.')[0]) % _MODULUS:02d}"
            open_step = False
    return text


def _searched(question: str, turns: Sequence[ChatMessage]) -> str:
    """The question with the finished rounds of its search."""
    rounds: list[tuple[str, str]] = []
    for turn in turns:
        if turn.role == "assistant" and turn.content.startswith(">"):
            rounds.append((on_one_line(turn.content.removeprefix(">")), ""))
        elif turn.role == "tool" and rounds and not rounds[-1][1]:
            rounds[-1] = (rounds[-1][0], on_one_line(turn.content))
    return searching(on_one_line(question.removeprefix(PocketRole.SEARCH)), rounds, last=False)
