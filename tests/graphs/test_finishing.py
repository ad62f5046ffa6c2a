from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from apportion import Cap, Function, Graph, JsonOutput, OneOf, Result, Solver, Status, Verifier
from apportion.budgets.books import MemoryStore
from apportion.graphs.finishing import InPlace, best_so_far, direct_answer, direct_call, fitting, output_of_graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pocket import load_pocket_model
from apportion.models.pool import Pool
from apportion.models.request import FinishReason, Reply
from apportion.nodes.prompts import dialect_named
from apportion.records.message import Candidate, Message
from apportion.records.output import Output
from apportion.records.task import Task
from apportion.records.usage import Usage
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="why?")


def model(name: str, **card: object) -> ScriptedModel:
    return ScriptedModel(lambda request: "x", name=name, card=ModelCard.model_validate({"name": name, **card}))


def test_the_direct_call_takes_the_model_that_is_cheapest_in_the_unit_of_the_cap() -> None:
    pool = Pool(
        [
            model("uncapped", output_cap="ignored"),
            model("heavy", weight=5, input_usd_per_million=0.1),
            model("light", weight=1, template_tokens=17, input_usd_per_million=2),
        ]
    )
    assert direct_call(TASK, pool, dialect_named, "tokens")[0].model == "heavy"
    assert direct_call(TASK, pool, dialect_named, "weighted")[0].model == "light"
    assert direct_call(TASK, pool, dialect_named, "usd")[0].model == "heavy"


def test_the_card_says_how_long_a_direct_answer_is() -> None:
    deep = model("deep", kind="reasoning")
    request, bound = direct_call(TASK, Pool([deep]), dialect_named, "tokens")
    assert request.max_output_tokens == deep.card.direct_output_cap
    assert bound.tokens > request.max_output_tokens


def test_the_best_is_what_most_nodes_say() -> None:
    best = best_so_far([Message(answer="1"), Message(answer="2"), Message(answer="2.0"), Message(evidence=("seen",))])
    assert best is not None
    assert best.answer == "2"


def test_what_was_checked_counts_more_than_votes() -> None:
    checked = Message(answer="1", candidates=(Candidate("1", checked=True),))
    best = best_so_far([checked, Message(answer="2"), Message(answer="2")])
    assert best is not None
    assert best.answer == "1"


def test_what_a_checker_refused_speaks_only_alone() -> None:
    refused = Message(answer="1", accepted=False)
    with_other = best_so_far([refused, refused, Message(answer="2")])
    alone = best_so_far([refused])
    assert with_other is not None
    assert alone is not None
    assert (with_other.answer, alone.answer) == ("2", "1")


def test_nothing_was_said() -> None:
    assert best_so_far([Message(), Message(answer=" ")]) is None


JSON = JsonOutput({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


def test_the_direct_call_asks_for_the_output_of_the_run_a_model_that_can_be_asked() -> None:
    pocket, chat = model("pocket", dialect="pocket"), model("chat", json_schema=True)
    pool = Pool([pocket, chat])
    assert direct_call(TASK, pool, dialect_named, "tokens")[0].model == "pocket"
    request, bound = direct_call(TASK, pool, dialect_named, "tokens", output=JSON)
    assert (request.model, request.response_schema) == ("chat", JSON.schema)
    assert bound.tokens > len(JSON.schema)


def test_the_direct_call_leaves_an_embedded_model_room_for_the_names_of_its_json() -> None:
    names = {f"a long name, number {number}": {"type": "integer"} for number in range(4)}
    output = JsonOutput({"type": "object", "properties": names})
    pocket = load_pocket_model("pocket-30k")
    request, _ = direct_call(Task(question="47+83="), Pool([pocket]), dialect_named, "tokens", output=output)
    assert request.max_output_tokens > pocket.card.direct_output_cap
    assert set(json.loads(asyncio.run(pocket.complete(request)).text)) == set(names)
    line, _ = direct_call(Task(question="47+83="), Pool([pocket]), dialect_named, "tokens")
    assert line.max_output_tokens == pocket.card.direct_output_cap


@pytest.mark.parametrize(
    ("output", "message", "answer"),
    [
        ("line", InPlace(answer="a"), "a"),
        ("number", InPlace(answer="42", text="so 42"), "42"),
        ("number", InPlace(answer="many", text="many"), None),
        (OneOf("A", "B"), InPlace(answer="b"), "B"),
        (OneOf("A", "B"), InPlace(answer="c", text="c"), None),
        (JSON, InPlace(answer="3", text='{"n": 3}'), '{"n":3}'),
        (JSON, InPlace(answer="3", text="3"), None),
        ("code", InPlace(answer="x = 1 y = 2", text="```\nx = 1\ny = 2\n```"), "x = 1\ny = 2"),
        ("code", InPlace(answer="x = 1", text="```\nx = 1\ny ="), None),
        ("text", InPlace(answer="It", text="It is so."), "It is so."),
        ("text", InPlace(answer="It", text="It is so and"), None),
        (
            "text",
            InPlace(answer="Dear", text="Dear Sir,\nall is well.\nAnn", whole=True),
            "Dear Sir,\nall is well.\nAnn",
        ),
        ("code", InPlace(answer="x = 1", text="x = 1\n\ny = 2", whole=True), "x = 1\n\ny = 2"),
    ],
)
def test_what_is_not_the_output_of_the_run_is_no_answer(output: Output, message: InPlace, answer: str | None) -> None:
    found = fitting(output, message)
    assert found.answer == (answer or "")
    assert found.status is (Status.BUDGET if answer is None else Status.OK)
    assert found.data == ({"n": 3} if output is JSON and answer else None)
    failed = InPlace(status=Status.TIMEOUT)
    assert fitting(output, failed) is failed


def euros(question: str, inputs: Mapping[str, Message], task: Task) -> str:
    return f"{inputs['a'].data['n']} EUR"


@pytest.mark.parametrize(("reason", "whole"), [("stop", True), ("length", False)])
def test_a_direct_answer_is_whole_unless_it_was_cut_off(reason: FinishReason, whole: bool) -> None:
    reply = Reply(text="It is so. And", usage=Usage(1, 1), finish_reason=reason)
    assert direct_answer(reply, dialect_named("chat")).whole is whole


def test_what_the_final_node_said_is_the_answer_though_a_cap_was_reached() -> None:
    graph = Graph("g").add("a", Solver(output=JSON, style="direct", max_output_tokens=64))
    graph.add("b", Solver(output=JSON, style="direct", max_output_tokens=4000)).add("f", Function(euros))
    graph.connect("a", "f").connect("b", "f", optional=True)
    pool = Pool([ScriptedModel(lambda request: '{"n": 18}', name="m")])
    result = graph.run(TASK, pool=pool, cap=Cap(per_task=1500))
    assert (result.answer, result.status, result.stop_reason) == ("18 EUR", Status.OK, "budget")


def test_the_output_of_a_run_is_that_of_its_end_or_what_all_agree_on() -> None:
    graph = Graph("g").add("a", Solver(output=JSON)).add("b", Solver(output="code")).connect("a", "b")
    assert output_of_graph(graph.blueprint) == "code"
    judged = Graph("g").add("a", Solver(output=JSON)).add("j", Verifier()).connect("a", "j")
    assert output_of_graph(judged.blueprint) == JSON
    counted = Graph("g").add("a", Solver(output=JSON)).add("f", Function(euros)).connect("a", "f")
    assert output_of_graph(counted.blueprint) == "line"
    mixed = judged.add("b", Solver()).connect("b", "j")
    assert output_of_graph(mixed.blueprint) == "line"


@pytest.mark.parametrize(("reply", "status"), [('{"n": 3}', Status.OK), ("three", Status.BUDGET)])
def test_a_run_that_meets_its_cap_ends_with_its_output_or_says_so(reply: str, status: Status) -> None:
    graph = Graph("g").add("a", Solver(output=JSON, max_output_tokens=3000, style="direct"))
    pool = Pool([ScriptedModel(lambda request: reply if request.max_output_tokens < 3000 else "?" * 2000, name="m")])
    graph.add("b", Solver(output=JSON, max_output_tokens=3000, style="direct")).connect("a", "b")
    least = direct_call(TASK, pool, dialect_named, "tokens", output=JSON)[1].tokens
    store = MemoryStore()

    async def capped() -> Result:
        async with Runner(graph, pool, store) as runner:
            return await runner.run(TASK, runner.space.default(), cap=Cap(per_task=least + 100))

    result = asyncio.run(capped())
    assert (result.status, result.stop_reason) == (status, "budget")
    assert result.data == ({"n": 3} if status is Status.OK else None)


def test_what_stands_in_abstains_where_its_words_do() -> None:
    assert fitting("line", InPlace(answer="I don't know")).abstained
    assert not fitting("line", InPlace(answer="42")).abstained
    assert not fitting(OneOf("known", "unknown"), InPlace(answer="unknown", text="unknown")).abstained
