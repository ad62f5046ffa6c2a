from __future__ import annotations

from dataclasses import replace

import pytest

from apportion import JsonOutput, OneOf
from apportion.errors import CallFailed, GraphError
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes import Inputs, Solver, adaptive, choose
from apportion.nodes.base import Node
from apportion.nodes.solver import KIND
from apportion.records.message import Candidate, Message
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="What is 40+2?")
INPUTS = Inputs(TASK, TASK.question, {})


class TestConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Solver(model="scripted", samples=3, max_output_tokens=200)

    def reply(self, request: Request) -> str:
        return f"{request.sample} is my draw.\nAnswer: 42"


class TestAdaptiveConformance(TestConformance):
    def node(self) -> Node:
        return Solver(model="scripted", samples=adaptive(2, 9), max_output_tokens=50, style="direct")

    def reply(self, request: Request) -> str:
        return str(request.sample)


class TestThinkingConformance(TestConformance):
    def node(self) -> Node:
        return Solver(model="scripted", samples=3, max_output_tokens=60, thinking_tokens=20)

    def reply(self, request: Request) -> str:
        return "Answer: 42" if request.sample else "Let me see, that takes a while.\nAnswer: 42"


class TestMendingConformance(TestConformance):
    gold = '{"n": 42}'

    def node(self) -> Node:
        output = JsonOutput({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}, "fields")
        return Solver(model="scripted", samples=3, max_output_tokens=100, output=output, repairs=2)

    def reply(self, request: Request) -> str:
        mended = any("cannot be used" in message.content for message in request.messages)
        return f'Let me see.\n```json\n{{"n": {42 if mended else "[]"}}}\n```'


class TestMendingThinkingConformance(TestConformance):
    def node(self) -> Node:
        return Solver(
            model="scripted", samples=2, max_output_tokens=60, thinking_tokens=20, output=OneOf("42", "24"), repairs=1
        )

    def reply(self, request: Request) -> str:
        return "Answer: 42" if request.sample else "Let me see, that takes a while.\nAnswer: neither"


class TestCodeConformance(TestConformance):
    def node(self) -> Node:
        return Solver(model="scripted", samples=2, max_output_tokens=100, output="code")

    def reply(self, request: Request) -> str:
        return "```python\nprint(42)\n```"


class TestTextConformance(TestConformance):
    def node(self) -> Node:
        return Solver(model="scripted", samples=2, max_output_tokens=100, output="text", style="direct")

    def reply(self, request: Request) -> str:
        return "It is 42.\n\nIt was always 42."


def test_texts_have_no_votes_and_all_go_to_the_judge() -> None:
    outcome, _ = solve(direct(3, output="text"), "b", "a", "a")
    assert [candidate.answer for candidate in outcome.message.candidates] == ["b", "a"]
    with pytest.raises(GraphError, match="texts have no votes"):
        direct(adaptive(1, 3), output="text")


def test_programs_are_one_where_they_differ_in_white_space_at_the_ends_of_lines() -> None:
    outcome, _ = solve(direct(3, output="code"), "```\nA = 1\n```", "```\na = 1  \nb\n```", "```\na = 1\nb\n```")
    assert outcome.message.candidates[0].confidence == pytest.approx(2 / 3)
    assert outcome.message.answer == "a = 1  \nb"


def test_json_is_one_where_it_is_the_same_value_and_may_be_voted_on_by_field() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
    replies = ('{"a": 1, "b": 1}', '{"b": 1.0, "a": 1}', '{"a": 2, "b": 2}', '{"a": 2, "b": 3}', '{"a": 2, "b": 4}')
    whole, _ = solve(direct(5, output=JsonOutput(schema)), *replies)
    fields, _ = solve(direct(5, output=JsonOutput(schema, vote="fields")), *replies)
    first, _ = solve(direct(5, output=JsonOutput(schema, vote="fields"), vote="first"), *replies)
    assert whole.message.data == first.message.data == {"a": 1, "b": 1}
    assert fields.message.data == {"a": 2, "b": 1}
    assert fields.message.candidates[0].confidence == pytest.approx((3 / 5 + 2 / 5) / 2)
    assert len(fields.message.candidates) == 5
    by_fields = KIND.draws(direct(5, output=JsonOutput(schema, vote="fields")))
    assert by_fields is not None
    assert (by_fields.number, by_fields.curves) == (5, False)
    draws = KIND.draws(direct(5, output=JsonOutput(schema)))
    assert draws is not None
    assert draws.form('{"a":1}') == '{"a":1}'


def solve(node: Solver, *answers: str | Exception, inputs: Inputs = INPUTS) -> tuple[NodeRun, ScriptedModel]:
    """Sample i answers as the i-th script says."""

    def script(request: Request) -> str:
        answer = answers[request.sample]
        if isinstance(answer, Exception):
            raise answer
        return answer

    model = ScriptedModel(script)
    return NodeBench([model]).run(node, inputs), model


def direct(samples: object = 1, **settings: object) -> Solver:
    return Solver.model_validate({"model": "scripted", "style": "direct", "samples": samples, **settings})


def test_majority_wins_and_confidence_is_its_share() -> None:
    outcome, _ = solve(direct(5), "1", "42", "42.0", "7", "42")
    assert outcome.message.answer == "42"
    assert [(c.answer, c.confidence, c.source) for c in outcome.message.candidates] == [
        ("42", 0.6, "node"),
        ("1", 0.2, "node"),
        ("7", 0.2, "node"),
    ]


def test_one_sample_claims_no_confidence() -> None:
    outcome, _ = solve(direct(), "42")
    assert outcome.message.candidates[0].confidence is None


def test_log_probabilities_become_confidence_and_can_outvote() -> None:
    card = ModelCard(name="scripted", logprobs=True, attempts=1)
    logprobs = {"1": -0.01, "2": -2.0}

    def script(request: Request) -> Reply:
        text = "1" if request.sample == 0 else "2"
        return Reply(text, "stop", None, mean_logprob=logprobs[text])

    bench = NodeBench([ScriptedModel(script, card=card)])
    by_count = bench.run(direct(3), INPUTS).message
    by_confidence = bench.run(direct(3, vote="confidence"), INPUTS).message
    assert (by_count.answer, by_confidence.answer) == ("2", "1")
    assert by_confidence.candidates[0].confidence == pytest.approx(0.990 / 3, abs=0.001)


def test_a_failed_sample_spoils_no_other() -> None:
    failed = CallFailed(Status.TIMEOUT, "too slow")
    outcome, _ = solve(direct(4), failed, "42", "", "42")
    assert outcome.message.status is Status.OK
    assert outcome.message.candidates[0].confidence == 0.5
    assert outcome.events[0][1]["failed"] == ["timeout", "parse_error"]


def test_the_cap_in_the_middle_votes_on_what_is_there() -> None:
    node = direct(3, max_output_tokens=10)
    one = NodeBench([ScriptedModel(lambda request: "42")]).run(direct(max_output_tokens=10), INPUTS).bounds[0].tokens
    model = ScriptedModel(lambda request: "42")
    outcome = NodeBench([model]).run(node, INPUTS, limit=2 * one)
    assert (outcome.message.status, outcome.message.answer) == (Status.OK, "42")
    assert len(model.requests) == 2
    assert outcome.message.candidates[0].confidence == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "status"),
    [("", Status.PARSE_ERROR), ("hm, hard to tell", Status.PARSE_ERROR), ("Let us see: " * 40, Status.STARVED)],
)
def test_no_answer_is_a_typed_failure(text: str, status: Status) -> None:
    node = Solver(model="scripted", max_output_tokens=100)
    message = NodeBench([ScriptedModel(lambda request: text)]).run(node, INPUTS).message
    assert (message.status, message.answer, message.candidates) == (status, "", ())
    assert message.reason


def test_empty_text_at_the_output_cap_is_starved() -> None:
    model = ScriptedModel(lambda request: Reply("", "length", None))
    assert NodeBench([model]).run(direct(), INPUTS).message.status is Status.STARVED


def test_a_refusal_is_no_answer() -> None:
    model = ScriptedModel(lambda request: Reply("Answer: 42", "refusal", None))
    assert NodeBench([model]).run(direct(), INPUTS).message.status is Status.REFUSED


def test_a_content_filter_is_no_answer() -> None:
    model = ScriptedModel(lambda request: Reply("42", "content_filter", None))
    assert NodeBench([model]).run(direct(), INPUTS).message.status is Status.FILTERED


def test_adaptive_stops_when_the_votes_agree() -> None:
    outcome, model = solve(direct(adaptive(2, 16)), *["42"] * 16)
    assert len(model.requests) == 4  # P(majority) after four equal votes is 31/32, after three 15/16
    assert outcome.charged.tokens == sum(model.count_tokens(r.messages) + 2 for r in model.requests)


def test_adaptive_goes_on_while_they_differ() -> None:
    _, model = solve(direct(adaptive(1, 6)), "1", "2", "1", "2", "1", "2")
    assert len(model.requests) == 6


def test_adaptive_ahead_by_two() -> None:
    _, model = solve(direct(adaptive(1, 9), stop="ahead_by_2"), "1", "2", "2", "2", "2")
    assert [request.sample for request in model.requests] == [0, 1, 2, 3]


def test_adaptive_stops_when_the_rest_cannot_change_the_leader() -> None:
    _, model = solve(direct(adaptive(1, 3)), "1", "1", "2")
    assert len(model.requests) == 2


def test_samples_are_numbered_so_that_a_smaller_vote_is_a_part_of_a_larger_one() -> None:
    _, three = solve(direct(3), "1", "2", "3")
    _, two = solve(direct(2), "1", "2")
    assert three.requests[:2] == two.requests


def test_temperature_zero_draws_once() -> None:
    node = direct(choose(1, 5), temperature=choose(0.0, 0.7)).pinned({"samples": 5, "temperature": 0.0}, ())
    _, model = solve(node, "42")
    assert len(model.requests) == 1


@pytest.mark.parametrize("settings", [{"samples": 0}, {"samples": choose(1, -1)}, {"temperature": 3.0}, {"style": "x"}])
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(GraphError):
        Solver.model_validate(settings)


def test_it_reads_passages_notes_and_the_checkers_objection() -> None:
    task = Task(question="Who?", instructions="One name.", context=("Passage one.",))
    upstream = Message(answer="Ann", text="because of x", candidates=(Candidate("Ann"), Candidate("Bob")))
    found = Message(evidence=("Passage two.", "Passage one."))
    previous = Message(answer="Cid", accepted=False, reason="Cid was not there")
    inputs = Inputs(task, task.question, {"a": upstream, "search": found}, round=1, previous=previous)
    model = ScriptedModel(lambda request: "Ann")
    NodeBench([model]).run(direct(2), inputs)
    body = model.requests[0].messages[1].content
    assert body.index("Passage one.") < body.index("Passage two.")
    assert body.count("Passage one.") == 1
    assert "- Cid (not accepted: Cid was not there)\n- Ann (reasoning: because of x)\n- Bob" in body
    assert [request.sample for request in model.requests] == [2, 3]


def test_an_accepted_answer_is_no_objection() -> None:
    inputs = Inputs(TASK, TASK.question, {}, round=1, previous=Message(answer="Cid"))
    _, model = solve(direct(), "", "42", inputs=inputs)
    assert "Cid" not in model.requests[0].messages[1].content


def asks_for_the_answer_only(request: Request) -> bool:
    return request.messages[0].content.startswith("Reply with the answer only")


def thinker(request: Request) -> str:
    """Thinks for as long as the sample's index says, and answers at once where it is asked to."""
    if asks_for_the_answer_only(request):
        return f"{request.sample}"
    return "thinking " * request.sample + "\nAnswer: 42"


def test_what_is_cut_off_while_thinking_is_answered_directly_and_both_calls_are_charged() -> None:
    model = ScriptedModel(thinker)
    node = Solver(model="scripted", samples=4, thinking_tokens=25, max_output_tokens=100)
    outcome = NodeBench([model]).run(node, INPUTS)
    # "\nAnswer: 42" has 11 tokens and each thought 9: samples 2 and 3 are cut off.
    assert [(c.answer, c.confidence) for c in outcome.message.candidates] == [("42", 0.5), ("2", 0.25), ("3", 0.25)]
    assert [(r.max_output_tokens, r.sample) for r in model.requests] == [
        *((25, sample) for sample in range(4)),
        *((100, sample) for sample in (2, 3)),
    ]
    written = 11 + 20 + 25 + 25 + 1 + 1
    assert outcome.charged.tokens == written + sum(model.count_tokens(request.messages) for request in model.requests)
    assert ("cut", {"samples": [2, 3]}) in outcome.events
    assert outcome.failed_readings == ()


def test_what_was_thought_is_kept_and_shown_to_a_model_that_continues_nothing() -> None:
    model = ScriptedModel(thinker)
    outcome = NodeBench([model]).run(Solver(model="scripted", thinking_tokens=9, max_output_tokens=100), INPUTS)
    thought, asked = model.requests
    assert asks_for_the_answer_only(asked)
    trace = thinker(thought)[:9].strip()
    assert trace in asked.messages[-1].content
    assert outcome.message.text.strip().startswith(trace)
    assert asked.prefix == ""


def test_a_model_that_continues_a_reply_answers_from_its_own_thought() -> None:
    def script(request: Request) -> str:
        return " 41" if request.prefix.endswith("Answer:") else "six sevens are 41, so it is " * 9

    model = ScriptedModel(script, card=ModelCard(name="m", prefix="assistant"))
    outcome = NodeBench([model]).run(Solver(model="scripted", thinking_tokens=20, max_output_tokens=50), INPUTS)
    thought, asked = model.requests
    assert outcome.message.answer == "41"
    assert asked.messages == thought.messages
    assert asked.prefix == "six sevens are 41, s\nAnswer:"
    assert outcome.charged.tokens == sum(bound.tokens for bound in outcome.bounds) - (50 - len(" 41"))


def test_a_number_in_a_reply_that_was_cut_off_is_no_answer() -> None:
    model = ScriptedModel(lambda request: "7" if asks_for_the_answer_only(request) else "Answer: 41, no wait")
    outcome = NodeBench([model]).run(Solver(model="scripted", thinking_tokens=10), INPUTS)
    assert outcome.message.answer == "7"


def test_without_room_for_the_second_call_the_status_is_budget() -> None:
    model = ScriptedModel(thinker)
    node = Solver(model="scripted", thinking_tokens=5, max_output_tokens=200)
    inputs = replace(INPUTS, round=1)
    free = NodeBench([model]).run(node, inputs)
    needed = model.count_tokens(model.requests[0].messages) + 5 + free.bounds[1].tokens
    model = ScriptedModel(thinker)
    assert NodeBench([model]).run(node, inputs, limit=max(needed, free.bounds[0].tokens)).message.answer == "1"
    assert NodeBench([model]).run(node, inputs, limit=needed - 1).message.status is Status.BUDGET
    assert [request.max_output_tokens for request in model.requests] == [5, 200, 5]


def test_adaptive_sampling_counts_direct_answers_as_votes() -> None:
    model = ScriptedModel(lambda request: "7" if asks_for_the_answer_only(request) else "hm " * 20)
    node = Solver(model="scripted", thinking_tokens=5, max_output_tokens=50, samples=adaptive(1, 8), stop="ahead_by_2")
    outcome = NodeBench([model]).run(node, INPUTS)
    assert (outcome.message.answer, len(model.requests)) == ("7", 4)


def test_a_limit_on_thinking_makes_no_difference_to_direct_answers() -> None:
    solver = Solver(model="m", style=choose("direct", "think"), thinking_tokens=choose(None, 16, 64), samples=1)
    graph = Graph("one").add("solve", solver)
    space = graph.space(Pool([ScriptedModel(thinker, name="m")]))
    assert space.size == 4
    assert {plan.values["solve.thinking_tokens"] for plan in space} == {None, 16, 64}


def test_a_graph_without_a_limit_on_thinking_keeps_its_hash() -> None:
    def hashed(solver: Solver) -> str:
        return Graph("one").add("solve", solver).hash

    assert "thinking_tokens" not in Solver().canonical()
    assert hashed(Solver()) == hashed(Solver(thinking_tokens=None))
    assert (
        len({hashed(Solver()), hashed(Solver(thinking_tokens=8)), hashed(Solver(thinking_tokens=choose(None, 8)))}) == 3
    )
    again = Graph.from_json(Graph("one").add("solve", Solver(thinking_tokens=choose(None, 8))).to_json())
    assert again.nodes["solve"] == Solver(thinking_tokens=choose(None, 8))


def test_a_vote_counts_ways_of_writing_one_answer_as_one() -> None:
    said = ("(B)", "<think>C? C!</think>B.", r"\boxed{\text{B}}", "C", "C)")
    model = ScriptedModel(lambda request: said[request.sample])
    outcome = NodeBench([model]).run(direct(5), INPUTS)
    assert outcome.events[0][1]["votes"] == [3, 2]
    assert outcome.message.answer == "(B)"


def test_half_an_answer_is_starved() -> None:
    model = ScriptedModel(lambda request: Reply("The capital is Par", "length", None))
    assert NodeBench([model]).run(direct(), INPUTS).message.status is Status.STARVED


def test_a_sample_that_does_not_know_has_no_vote_beside_one_that_answers() -> None:
    run, _ = solve(direct(3), "Answer: I don't know", "Answer: I do not know.", "Answer: 7")
    assert (run.message.answer, run.message.abstained, run.message.status) == ("7", False, Status.OK)
    run, _ = solve(direct(1), "Answer: I don't know")
    assert (run.message.answer, run.message.abstained, run.message.status) == ("I don't know", True, Status.OK)
    run, model = solve(direct(adaptive(2, 5), stop="ahead_by_2"), *["Answer: I don't know", "Answer: 7"] * 2)
    assert (run.message.answer, len(model.requests)) == ("7", 4)


def test_one_sentence_invites_to_abstain() -> None:
    told = [solve(direct(1, abstain=invited), "Answer: 7")[1].requests[0].messages for invited in (False, True)]
    assert ["I don't know" in str(messages) for messages in told] == [False, True]
    assert Solver(abstain=choose(False, True)).abstain == choose(False, True)
