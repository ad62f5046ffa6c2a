"""What a caller asks for beside the fields of `Request`, as far as the embedded models know it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..request import Request
from .guided_requests import refused
from .schemas import ANSWER_OBJECT

__all__ = ["SILENT", "taken_up"]

SILENT: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "verbosity": ("medium",),
}
"""Fields that ask for what the models do not do, with the values that ask for nothing."""


def taken_up(request: Request) -> tuple[Request, float]:
    """The request with what its further fields ask for, and the share of the likeliest tokens (`top_p`).

    Raises:
        CallFailed: they ask for what the models do not do.
    """
    further = json.loads(request.further) if request.further else {}
    top_p, choice, form = (further.pop(name, None) for name in ("top_p", "tool_choice", "response_format"))
    further.pop("parallel_tool_calls", None)  # calls come one at a time
    for name, value in further.items():
        if value not in SILENT.get(name, ()):
            raise refused(f"{name!r} with this value is nothing that the embedded models do; leave it out")
    if choice is not None:
        request = _choosing(request, choice)
    if form is not None and form["type"] != "text" and not request.response_schema:
        if form["type"] != "json_object":
            raise refused("'response_format' names no schema; write one, or ask for a 'json_object'")
        request = replace(request, response_schema=ANSWER_OBJECT)
    return replace(request, further=""), 1.0 if top_p is None else top_p


def _choosing(request: Request, choice: Any) -> Request:
    """Of a tool that must be called, the request has that alone."""
    if choice in ("auto", "none", "required"):
        return replace(request, tool_choice=choice)
    name = choice["function"]["name"]
    tools = [tool for tool in json.loads(request.tools or "[]") if tool["function"]["name"] == name]
    if not tools:
        raise refused(f"'tool_choice' names {name!r}, and there is no such tool; choose one of 'tools'")
    return replace(request, tools=json.dumps(tools), tool_choice="required")
