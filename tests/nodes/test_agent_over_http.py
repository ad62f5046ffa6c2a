"""An agent against endpoints that write calls in their own shapes, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from apportion import Agent, Cap, Graph, OpenAIModel, Pool
from apportion.models.card import ModelCard
from apportion.testing.behaviours import Answer
from apportion.testing.fault_completions import Provider
from apportion.testing.fault_server import CAP_FIELDS, FaultServer

Body = Mapping[str, Any]
QUESTION = "How many more people live in Rome than in Oslo?"
PEOPLE = {"Rome": 2_800_000, "Oslo": 700_000}


def people(town: str) -> int:
    """How many people live in a town."""
    return PEOPLE[town]


def subtract(left: int, right: int) -> str:
    """left - right"""
    return f"{left - right:,}"


def openai(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call_{number}_Xy", "type": "function", "function": function}


def vllm(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return openai(number, name, arguments) | {"id": f"chatcmpl-tool-{number:032x}"}


def ollama(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"call_{number}", "function": {"index": number, "name": name, "arguments": arguments}}


def gemini(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    extra = {"google": {"thought_signature": f"sig-{number}"}}
    return openai(number, name, arguments) | {"id": "", "extra_content": extra}


def llama_cpp(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    call = openai(number, name, arguments)
    del call["id"]
    return call


SHAPES: dict[str, Callable[[int, str, dict[str, Any]], dict[str, Any]]] = {
    "openai": openai,
    "vllm": vllm,
    "ollama": ollama,
    "gemini": gemini,
    "llama.cpp": llama_cpp,
}
FINISHES = {"ollama": "stop", "gemini": "stop", "llama.cpp": "tool_calls"}
SILENT: dict[str, dict[str, Any]] = {"vllm": {"content": ""}, "ollama": {"content": ""}, "gemini": {}}
"""What a message has for its text where it only calls; else null."""
CALLING_NOTHING: dict[str, dict[str, Any]] = {"vllm": {"tool_calls": []}, "llama.cpp": {"tool_calls": None}}
"""What a message has for its calls where it only says something; else nothing."""


class Served:
    """Looks two towns up at once, subtracts, and answers; keeps what it was sent."""

    def __init__(self, shape: str) -> None:
        self.shape, self.call = shape, SHAPES[shape]
        self.finish = FINISHES.get(shape, "tool_calls")
        self.books = Provider(lambda body: "", 1, CAP_FIELDS)
        self.problems: list[str] = []

    def answer(self, body: Body) -> Answer:
        messages = body["messages"]
        self.problems += complaints(messages)
        results = [message["content"] for message in messages if message["role"] == "tool"]
        content: str | None = None
        calls: list[dict[str, Any]] = []
        if not results:
            calls = [self.call(number, "people", {"town": town}) for number, town in enumerate(PEOPLE)]
        elif len(results) == 2:
            content = "Now the difference."
            calls = [self.call(2, "subtract", {"left": int(results[0]), "right": int(results[1])})]
        else:
            content = f"Answer: {results[2].splitlines()[0]}"
        text = SILENT.get(self.shape, {"content": None}) if content is None else {"content": content}
        said = {"tool_calls": calls} if calls else CALLING_NOTHING.get(self.shape, {})
        message = {"role": "assistant", **text, **said}
        prompt = self.books.prompt_tokens(body)
        output = len(content or "") + sum(len(str(call["function"]["arguments"])) for call in calls)
        usage = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
        finish = self.finish if calls else "stop"
        return Answer(
            {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage},
            billed_tokens=prompt + output,
        )


def complaints(messages: list[Body]) -> list[str]:
    """What strict endpoints refuse in a history."""
    found, open_calls = [], list[str]()
    for message in messages:
        if open_calls and (message["role"] != "tool" or message["tool_call_id"] != open_calls.pop(0)):
            found.append("a call has no result right behind it")
        for call in message.get("tool_calls") or ():
            open_calls.append(call["id"])
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                found.append("arguments are no object")
            if len(call["id"]) != 9 or not call["id"].isalnum():
                found.append("an id is not of nine letters")  # as Mistral wants them
    return found + (["a call has no result"] if open_calls else [])


@pytest.mark.parametrize("role", ["system", "user", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_agent_calls_tools_behind_every_kind_of_endpoint(shape: str, role: Any) -> None:
    served = Served(shape)
    with FaultServer(answer=served.answer) as server:
        card = ModelCard(name="m", tools=True, output_cap="max_tokens", system_role=role)
        graph = Graph("towns").add("act", Agent(tools=(people, subtract), rounds=4, max_output_tokens=200))
        result = graph.run(QUESTION, pool=Pool([OpenAIModel(card, server.base_url)]), cap=Cap(total=60_000))
        received = [each.body for each in server.received]
        billed = server.billed_tokens
    assert (result.answer, served.problems) == ("2,100,000", [])
    assert len(received) == 3
    assert [tool["function"]["name"] for tool in received[0]["tools"]] == ["people", "subtract"]
    assert {body["tool_choice"] for body in received} == {"auto"}
    assert billed == result.charged.tokens
    if shape == "gemini":  # it refuses a call that comes back without its signature
        said = received[2]["messages"][-2]
        assert said["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "sig-2"}}


def test_a_model_without_tools_is_sent_none() -> None:
    def reply(body: Body) -> str:
        turns = len(body["messages"])
        return 'Call: people {"town": "Rome"}' if turns == 2 else "Answer: 2.8 million"

    with FaultServer(reply=reply) as server:
        graph = Graph("towns").add("act", Agent(tools=(people,), rounds=3, max_output_tokens=200))
        pool = Pool([OpenAIModel(ModelCard(name="m"), server.base_url)])
        assert graph.run("How many live in Rome?", pool=pool).answer == "2.8 million"
        for each in server.received:
            assert not {"tools", "tool_choice"} & set(each.body)
        assert "| 2800000" in server.received[1].body["messages"][3]["content"]
