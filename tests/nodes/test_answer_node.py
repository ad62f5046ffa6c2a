from __future__ import annotations

import json
from typing import Any

import pytest

from apportion import Graph, JsonOutput, Merger, OneOf, Pool, Prompt, Search, Solver, choose
from apportion.budgets.cap import Cap
from apportion.errors import GraphError
from apportion.graphs.graph import Graph as AnyGraph
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.nodes.answer_node import MOST_REPAIRS, output_of
from apportion.nodes.base import Inputs, Node
from apportion.nodes.kinds import node_from_json
from apportion.nodes.verifier import Verifier
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench
from apportion.testing.scripted import ScriptedModel

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
JSON = JsonOutput(SCHEMA)
TASK = Task(question="How many?")
INPUTS = Inputs(TASK, TASK.question, {})


def scripted(*replies: str | Reply, **card: Any) -> ScriptedModel:
    """Replies by how often it was asked in one conversation, the last from then on."""

    def script(request: Request) -> str | Reply:
        turn = sum(message.role == "assistant" for message in request.messages)
        sent = getattr(script, "sent", 0)
        script.sent = sent + 1  # type: ignore[attr-defined]
        return replies[min(sent if turn else 0, len(replies) - 1)]

    return ScriptedModel(script, card=ModelCard(name="scripted", attempts=1, **card))


def solver(**settings: Any) -> Solver:
    return Solver.model_validate({"model": "scripted", "style": "direct", "max_output_tokens": 60, **settings})


@pytest.mark.parametrize("kind", [Solver, Merger])
def test_an_output_is_part_of_the_hash_only_where_it_is_set(kind: type[Solver | Merger]) -> None:
    assert not {"output", "repairs"} & set(kind().canonical())
    node = kind(output=JsonOutput(SCHEMA, vote="fields"), repairs=2)
    data = json.loads(json.dumps(node.canonical()))
    assert data["output"] == {"json": SCHEMA, "vote": "fields"}
    assert node_from_json(data) == node
    graph = Graph("kept").add("a", Solver(output=OneOf("A", "B")))
    again = AnyGraph.from_json(graph.to_json())
    assert again.hash == graph.hash
    assert output_of(again.nodes["a"]) == OneOf("A", "B")
    assert output_of(Verifier()) == "line"


@pytest.mark.parametrize("output", ["line", "text"])
@pytest.mark.parametrize("repairs", [1, choose(0, 2)])
def test_repairs_need_an_output_that_can_be_checked(output: str, repairs: Any) -> None:
    with pytest.raises(GraphError, match=f"nothing can be wrong with output='{output}'"):
        solver(output=output, repairs=repairs)


def test_an_output_is_no_knob_and_a_schema_must_be_one() -> None:
    with pytest.raises(GraphError, match="output must be one of"):
        solver(output=choose("line", "code"))
    with pytest.raises(GraphError, match="wrap a schema"):
        solver(output=SCHEMA)
    with pytest.raises(Exception, match="less than or equal"):
        solver(output="code", repairs=MOST_REPAIRS + 1)
    assert solver(output="code", repairs=choose(0, 1)).open_knobs(("scripted",)) == {"repairs": (0, 1)}


def test_a_template_without_format_needs_an_output_and_gets_nothing_added() -> None:
    prompt = Prompt("Say how many: {question}")
    with pytest.raises(GraphError, match="is a template without"):
        solver(prompt=prompt)
    model = scripted('{"n": 3}', json_schema=True)
    run = NodeBench([model]).run(solver(prompt=prompt, output=JSON), INPUTS)
    (request,) = model.requests
    assert [message.content for message in request.messages] == ["Say how many: How many?"]
    assert request.response_schema == JSON.schema
    assert run.message.data == {"n": 3}
    told = Prompt("{question}\n{format}")
    NodeBench([model]).run(solver(prompt=told, output=JSON), INPUTS)
    assert model.requests[-1].messages[-1].content.endswith(JSON.schema)


@pytest.mark.parametrize("can", [True, False])
def test_json_is_asked_for_by_schema_where_the_card_can_and_by_prompt(can: bool) -> None:
    model = scripted('{"n": 3}', json_schema=can)
    for style in ("direct", "think"):
        message = NodeBench([model]).run(solver(output=JSON, style=style), INPUTS).message
        assert (message.answer, message.data) == ('{"n":3}', {"n": 3})
        assert bool(model.requests[-1].response_schema) is can
        assert JSON.schema in model.requests[-1].messages[0].content
    if can:
        steps = json.loads(model.requests[-1].response_schema)
        assert steps["required"] == ["steps", "answer"]


def test_a_reply_that_misses_the_output_is_sent_back_with_what_is_wrong() -> None:
    model = scripted('{"n": "three"}', '{"n": "3"}', '{"n": 3}')
    outcome = NodeBench([model]).run(solver(output=JSON, repairs=3), INPUTS)
    assert outcome.message.data == {"n": 3}
    first, second, third = model.requests
    assert second.messages[:-2] == third.messages[:-2] == first.messages
    assert [message.role for message in second.messages[-2:]] == ["assistant", "user"]
    assert second.messages[-2].content == '{"n": "three"}'
    assert "$.n: 'three' is not of type 'integer'" in second.messages[-1].content
    assert "$.n: '3' is not of type 'integer'" in third.messages[-1].content
    assert [fields["number"] for name, fields in outcome.events if name == "repair"] == [1, 2]
    assert len(outcome.bounds) == 3


def test_repairs_end_and_the_status_says_what_is_wrong() -> None:
    model = scripted('{"n": "three"}')
    message = NodeBench([model]).run(solver(output=JSON, repairs=2), INPUTS).message
    assert (message.status, message.answer, message.data) == (Status.PARSE_ERROR, "", None)
    assert "$.n: 'three' is not of type 'integer'" in message.reason
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply('{"n": ', "length", None), Status.STARVED),
        (Reply("No.", "refusal", None), Status.REFUSED),
        (Reply("", "stop", None), Status.PARSE_ERROR),
    ],
)
def test_what_was_cut_off_refused_or_empty_is_not_sent_back(reply: Reply, status: Status) -> None:
    model = scripted(reply)
    message = NodeBench([model]).run(solver(output=JSON, repairs=2), INPUTS).message
    assert message.status is status
    assert len(model.requests) == 1


def test_only_the_samples_that_miss_are_mended_each_in_its_own_draw() -> None:
    def script(request: Request) -> str:
        mended = request.messages[-2].role == "assistant" if len(request.messages) > 2 else False
        return '{"n": 1}' if mended or request.sample != 1 else "{}"

    model = ScriptedModel(script)
    outcome = NodeBench([model]).run(solver(output=JSON, repairs=1, samples=3), INPUTS)
    assert [request.sample for request in model.requests] == [0, 1, 2, 1]
    assert outcome.message.candidates[0].confidence == 1.0


def test_a_search_and_a_merger_mend_too(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("There are three.")
    model = scripted("Answer: {}", '{"n": 3}')
    node = Search(model="scripted", retriever=str(tmp_path), rounds=1, output=JSON, repairs=1)
    graph = Graph("g").add("find", node)
    result = graph.run(TASK, pool=Pool([model]), cap=Cap(per_task=100_000))
    assert (result.data, len(model.requests)) == ({"n": 3}, 2)


LONG = "\n".join(f"    if x == {n}:\n        return {'y' * (n % 7)!r}  # {n}" for n in range(45))
CODE = f"def f(x):\n{LONG}"
NESTED = {"a": [{"b": {"c": [1, 2.5, None, {"d": 'Zwei  Leerzeichen, "é"\n'}]}}] * 12, "ok": True}


@pytest.mark.parametrize("judge", ["vote", "score"])
def test_long_code_and_nested_json_pass_edge_vote_and_judge_whole(judge: str) -> None:
    assert len(CODE) >= 1500
    anything = JsonOutput({"type": "object", "required": ["a", "ok"]})
    canonical = json.dumps(NESTED, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for output, reply, answer in (
        ("code", f"```python\n{CODE}\n```", CODE),
        (anything, json.dumps(NESTED, indent=1), canonical),
    ):
        shown: list[Request] = []

        def script(request: Request, reply: str = reply, shown: list[Request] = shown) -> str:
            shown.append(request)
            content = request.messages[-1].content
            if "Proposed answer" in content:
                return "Probability: 90"
            return "seen" if "Answers so far" in content else reply

        graph = Graph("whole")
        graph.add("solve", Solver(style="direct", samples=3, output=output, max_output_tokens=2500))
        graph.add("judge", Verifier.model_validate({"method": judge, "model": "scripted"})).connect("solve", "judge")
        pool = Pool([ScriptedModel(script)])
        result = graph.run(TASK, pool=pool, cap=Cap(per_task=300_000))
        assert result.answer == answer
        assert result.data == (NESTED if output is anything else None)
        assert result.confidence == (0.9 if judge == "score" else 1.0)
        if judge == "score":
            assert any(answer in request.messages[-1].content for request in shown)
        reader = Graph("read").add("solve", graph.nodes["solve"]).add("last", Solver(style="direct"))
        reader.connect("solve", "last")
        assert reader.run(TASK, pool=pool, cap=Cap(per_task=300_000)).answer == "seen"
        assert answer in shown[-1].messages[-1].content


def nodes_of_each_output() -> list[Node]:
    return [solver(output=output) for output in ("text", "code", "number", OneOf("A", "B"), JSON)]


@pytest.mark.parametrize("node", nodes_of_each_output())
def test_the_model_is_told_how_to_reply(node: Solver) -> None:
    model = scripted("?")
    NodeBench([model]).run(node, INPUTS)
    said = model.requests[0].messages[0].content
    assert said.startswith("Reply with")
    assert "no sentence around it" not in said or node.output == "number"
