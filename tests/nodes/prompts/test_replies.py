from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from apportion.models.request import ChatMessage
from apportion.nodes.prompts.base import Messages
from apportion.nodes.prompts.replies import how_to_reply, mending, schema_of
from apportion.records.output import JsonOutput, OneOf, Output

TREE = JsonOutput(
    {
        "type": "object",
        "properties": {"name": {"$ref": "#/$defs/Name"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name"],
        "$defs": {"Name": {"type": "string"}},
    }
)
OUTPUTS: list[Output] = ["line", "text", "code", "number", OneOf("very good", "bad"), TREE]


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_says_how_to_reply(output: Output, direct: bool) -> None:
    said = how_to_reply(output, direct=direct)
    assert said.startswith("Reply with" if direct else ("End with", "Then write"))
    if isinstance(output, OneOf):
        assert '"very good" or "bad"' in said
    if isinstance(output, JsonOutput):
        assert said.endswith(output.schema)
    assert bool(schema_of(output, direct=direct)) is isinstance(output, JsonOutput)


def test_a_schema_leaves_room_for_steps_before_the_answer() -> None:
    assert schema_of(TREE, direct=True) == TREE.schema
    schema: Any = json.loads(schema_of(TREE, direct=False))
    assert list(schema["properties"]) == schema["required"] == ["steps", "answer"]
    validator = Draft202012Validator(schema)
    good = {"steps": "...", "answer": {"name": "a", "children": [{"name": "b"}]}}
    bad = {"steps": "...", "answer": {"name": "a", "children": [{"name": 3}]}}
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)
    assert not validator.is_valid(good["answer"])


def test_a_mend_goes_on_with_the_conversation() -> None:
    prompt = Messages((ChatMessage("user", "?"),), response_schema="{}", prefix="p")
    again = mending(prompt, "wrong", "it is wrong")
    assert again.messages[:1] == prompt.messages
    assert again.messages[1] == ChatMessage("assistant", "wrong")
    assert "it is wrong" in again.messages[2].content
    assert (again.response_schema, again.prefix) == ("{}", "p")
