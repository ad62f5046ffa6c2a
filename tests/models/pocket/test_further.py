from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from apportion.errors import CallFailed
from apportion.models.delta import Delta
from apportion.models.pocket import load_pocket_model
from apportion.models.pocket.further import taken_up
from apportion.models.pocket.schemas import ANSWER_OBJECT
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records.status import Status

SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("one", "other")]
ASKED = Request("pocket-30k", (ChatMessage("user", "T47+83*02="),), 60, tools=json.dumps(TOOLS))
CHOSEN = {"type": "function", "function": {"name": "other"}}


def asked(**further: Any) -> Request:
    return replace(ASKED, further=json.dumps(further))


def test_what_the_models_can_do_is_done() -> None:
    request, top_p = taken_up(asked(top_p=0.5, tool_choice=CHOSEN, parallel_tool_calls=False, presence_penalty=0))
    assert (json.loads(request.tools), request.tool_choice, request.further, top_p) == (TOOLS[1:], "required", "", 0.5)
    assert taken_up(asked(tool_choice="required"))[0].tool_choice == "required"
    assert taken_up(asked(response_format={"type": "json_object"}))[0].response_schema == ANSWER_OBJECT
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    held = replace(asked(response_format=form), response_schema=json.dumps(SCHEMA))
    assert taken_up(held)[0].response_schema == json.dumps(SCHEMA)
    assert taken_up(ASKED) == (ASKED, 1.0)


@pytest.mark.parametrize(
    "further",
    [
        {"top_k": 5},
        {"logit_bias": {"5": -100}},
        {"presence_penalty": 0.5},
        {"verbosity": "low"},
        {"tool_choice": {"type": "function", "function": {"name": "third"}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
    ],
    ids=str,
)
def test_what_they_cannot_do_is_refused_by_name_and_costs_nothing(further: dict[str, Any]) -> None:
    async def complete() -> Reply:
        return await load_pocket_model("pocket-30k").complete(asked(**further))

    with pytest.raises(CallFailed, match=next(iter(further))) as failed:
        asyncio.run(complete())
    assert (failed.value.status, failed.value.billed) == (Status.REFUSED, False)


def test_a_tool_that_must_be_called_is_called_whole_and_in_a_stream() -> None:
    async def story() -> tuple[Reply, list[Delta | Reply]]:
        model = load_pocket_model("pocket-30k")
        try:
            request = asked(tool_choice=CHOSEN)
            return await model.complete(request), [item async for item in model.stream(request)]
        finally:
            await model.aclose()

    whole, streamed = asyncio.run(story())
    assert [call.name for call in whole.tool_calls] == ["other"]
    assert isinstance(json.loads(whole.tool_calls[0].arguments)["answer"], int)
    assert streamed[-1] == whole
    pieces = [piece for item in streamed if isinstance(item, Delta) for piece in item.calls]
    assert "".join(piece.arguments for piece in pieces) == whole.tool_calls[0].arguments
