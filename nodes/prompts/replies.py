"""How a model is told to reply, by output, and how it is told what was wrong with its reply."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ...models.request import ChatMessage
from ...records.output import JsonOutput, OneOf, Output
from .base import Messages

__all__ = ["STEPS", "how_to_reply", "mending", "schema_of"]

STEPS = "steps"
"""The field for thinking step by step where a response schema leaves room for nothing else."""

_DIRECT = {
    "line": "Reply with the answer only: no explanation, no sentence around it.",
    "number": "Reply with the number only, in digits: no explanation, no sentence around it.",
    "text": "Reply with the text of the answer only: nothing before it, nothing after it.",
    "code": "Reply with one code block (```) that holds all of the code, and nothing else.",
}
_LAST = {
    "line": "End with one line: Answer: <answer only>",
    "number": "End with one line: Answer: <number only, in digits>",
    "text": "Then write a line that says only `Answer:`, and below it the whole text of the answer.",
    "code": "End with one code block (```) that holds all of the code.",
}
_SCHEMA = "JSON that keeps to this schema:"
_DEFINITIONS = ("$defs", "definitions")


def how_to_reply(output: Output, *, direct: bool) -> str:
    """The line that says how to reply.

    Args:
        output: what the answer is.
        direct: whether only the answer is asked for; else it stands at the end of a longer reply.
    """
    if isinstance(output, JsonOutput):
        schema = f"{_SCHEMA}\n{output.schema}"
        return f"Reply with nothing but {schema}" if direct else f"End with one code block (```json) of {schema}"
    if isinstance(output, OneOf):
        options = " or ".join(json.dumps(option, ensure_ascii=False) for option in output.options)
        return (
            f"Reply with nothing but one of these: {options}"
            if direct
            else f"End with one line: Answer: <answer only>\nThe answer is one of these: {options}"
        )
    return (_DIRECT if direct else _LAST)[output]


def schema_of(output: Output, *, direct: bool) -> str:
    """The canonical schema of the whole reply, for models that can hold to one; empty where there is none.

    Where steps come before the answer, they have a field of their own in front of it.
    """
    if not isinstance(output, JsonOutput):
        return ""
    if direct:
        return output.schema
    inner = json.loads(output.schema)
    kept = {name: inner.pop(name) for name in _DEFINITIONS if name in inner}
    fields = {STEPS: {"type": "string"}, "answer": _moved(inner)}
    # Not sorted: models write fields in the order of the schema, and the steps must come before the answer.
    whole = {"type": "object", "properties": fields, "required": [STEPS, "answer"], "additionalProperties": False}
    return json.dumps({**whole, **_moved(kept)}, separators=(",", ":"), ensure_ascii=False)


def mending(prompt: Messages, reply: str, problem: str) -> Messages:
    """The conversation so far, with a reply that was not what had been asked and what is wrong with it."""
    asked = f"Your reply cannot be used: {problem}\nWrite the whole reply again, mended."
    more = (ChatMessage("assistant", reply), ChatMessage("user", asked))
    return replace(prompt, messages=(*prompt.messages, *more))


def _moved(schema: Any) -> Any:
    """A schema that stands under the field of the answer, with its references to itself."""
    if isinstance(schema, list):
        return [_moved(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(part) for name, part in schema.items()}
    target = moved.get("$ref")
    if isinstance(target, str) and not target.startswith(tuple(f"#/{name}/" for name in _DEFINITIONS)):
        moved["$ref"] = f"#/properties/answer{target[1:]}"
    return moved
