"""How samples are drawn, discarded, drawn anew and chosen among, whatever the kind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.errors import CallFailed
from apportion.models.request import Reply, Request
from apportion.nodes import Inputs, Solver, adaptive
from apportion.nodes.readings import Reading
from apportion.nodes.red_flags import Sample
from apportion.nodes.repetition import Drawn, Repetition, draws_of, repeat
from apportion.records.message import Candidate
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="What is 40+2?")
INPUTS = Inputs(TASK, TASK.question, {})


def bad(sample: Sample) -> str:
    return "bad" if sample.answer == "bad" else ""


def solve(said: str, limit: int | None = None, **knobs: object) -> tuple[NodeRun, ScriptedModel]:
    """One letter for each sample: what it answers; `!` trips a red flag, `.` cannot be read, `?` abstains."""
    words = {"!": "bad", ".": "", "?": "I don't know"}
    model = ScriptedModel(lambda request: words.get(said[request.sample], said[request.sample]))
    node = Solver.model_validate(
        {"model": "scripted", "style": "direct", "red_flags": (bad,), "max_output_tokens": 20, **knobs}
    )
    return NodeBench([model]).run(node, INPUTS, limit=limit), model


def test_what_trips_a_flag_is_drawn_anew_and_has_no_vote() -> None:
    run, model = solve("!!abb", samples=3, redraws=2)
    assert [request.sample for request in model.requests] == [0, 1, 2, 3, 4]
    assert run.message.answer == "b"
    assert [candidate.confidence for candidate in run.message.candidates] == [
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    ]
    (told,) = [fields for event, fields in run.events if event == "vote"]
    assert (told["drawn"], told["votes"]) == (5, [2, 1])
    assert told["flagged"] == [[0, f"{__name__}:bad: bad"], [1, f"{__name__}:bad: bad"]]
    assert run.charged.tokens == sum(model.count_tokens(r.messages) for r in model.requests) + 3 + 3 + 1 + 1 + 1


def test_one_sample_is_drawn_anew_too() -> None:
    run, model = solve("!a", redraws=1)
    assert (run.message.answer, len(model.requests)) == ("a", 2)
    assert run.message.candidates[0].confidence is None


def test_when_the_extra_draws_are_spent_what_there_is_counts() -> None:
    run, model = solve("!!!a", samples=2, redraws=2)
    assert (run.message.answer, len(model.requests)) == ("a", 4)
    run, model = solve("!!!!", samples=2, redraws=2)
    assert (run.message.answer, len(model.requests)) == ("bad", 4)
    run, model = solve("!a!", samples=3, redraws=0)
    assert (run.message.answer, len(model.requests)) == ("a", 3)


def test_what_cannot_be_read_is_drawn_anew_where_that_is_a_flag() -> None:
    run, model = solve("..a", red_flags=("unread",))
    assert (run.message.answer, len(model.requests)) == ("a", 3)
    run, model = solve("...a", red_flags=("unread",))
    assert (run.message.status, len(model.requests)) == (Status.PARSE_ERROR, 3)
    run, model = solve("?.a", red_flags=("unread", "hedged"))
    assert (run.message.answer, len(model.requests)) == ("a", 3)


def test_adaptive_draws_go_on_until_enough_of_them_agree() -> None:
    run, model = solve("a!bbcb", samples=adaptive(2, 5), stop="agree_3", redraws=1)
    assert (run.message.answer, len(model.requests)) == ("b", 6)
    run, model = solve("aaa", samples=adaptive(1, 9), stop="agree_2")
    assert len(model.requests) == 2
    # Without room for more, the flagged ones shorten the vote and do not lengthen it.
    run, model = solve("!!!!!!", samples=adaptive(1, 4), redraws=2)
    assert len(model.requests) == 4 + 2


def test_a_failed_call_is_no_reply_and_trips_nothing() -> None:
    def script(request: Request) -> str:
        if request.sample:
            raise CallFailed(Status.TIMEOUT, "too slow")
        return "a"

    model = ScriptedModel(script)
    node = Solver(model="scripted", style="direct", samples=2, red_flags=("unread",))
    run = NodeBench([model]).run(node, INPUTS)
    assert run.message.answer == "a"
    assert {request.sample for request in model.requests} == {0, 1}


def test_abstentions_decide_only_where_nobody_answers() -> None:
    assert solve("??a", samples=3)[0].message.answer == "a"
    run, model = solve("????", samples=adaptive(2, 4), stop="agree_3")
    assert (run.message.abstained, len(model.requests)) == (True, 3)


def test_a_cap_in_the_middle_ends_the_drawing_and_the_answer_stands() -> None:
    one = solve("a")[0].bounds[0].tokens
    run, _ = solve("!!ab", samples=3, redraws=3, limit=one * 3)
    assert (run.message.answer, run.message.status) == ("a", Status.OK)
    assert run.charged.tokens <= one * 3
    run, _ = solve("!!", redraws=3, limit=one + 5)
    assert (run.message.answer, run.message.status) == ("bad", Status.OK)


def test_a_draw_without_a_flag_at_temperature_zero_is_drawn_once() -> None:
    node = Solver(model="scripted", style="direct", red_flags=(bad,)).model_copy(update={"temperature": 0.0})
    model = ScriptedModel(lambda request: "bad")
    run = NodeBench([model]).run(node, INPUTS)
    assert (run.message.answer, len(model.requests), run.events) == ("bad", 1, ())


def test_a_flag_that_fails_is_the_nodes_status() -> None:
    def broken(sample: Sample) -> str:
        return str(1 // 0)

    run, _ = solve("aa", samples=2, red_flags=(broken,))
    assert run.message.status is Status.TOOL_ERROR
    assert "ZeroDivisionError" in run.message.reason


class Silent:
    allowance = None


def drawn(flags: str, samples: object, redraws: int) -> Repetition[int]:
    """Draw i answers as letter i says; `!` trips a flag."""
    node = Solver.model_validate({"samples": samples, "redraws": redraws, "red_flags": (bad,), "stop": "agree_2"})

    async def draw(numbers: Sequence[int]) -> list[Drawn[int]]:
        made = []
        for number in numbers:
            answer = "bad" if flags[number % len(flags)] == "!" else flags[number % len(flags)]
            reading = Reading(answer, text=answer, reply=Reply(answer, "stop", None))
            made.append(Drawn(number, Candidate(answer), (reading,)))
        return made

    return asyncio.run(repeat(node, "", Silent(), draw))  # type: ignore[arg-type]


@given(st.text("ab!", min_size=1, max_size=12), st.integers(1, 6), st.integers(1, 6), st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_fewer_draws_are_a_part_of_more_whatever_is_discarded(flags: str, some: int, more: int, redraws: int) -> None:
    fewer, further = (drawn(flags, number, redraws) for number in sorted((some, more)))
    assert [draw.value for draw in fewer.drawn] == list(range(len(fewer.drawn)))
    assert len(fewer.drawn) <= len(further.drawn) <= max(some, more) + redraws
    assert fewer.flags.items() <= further.flags.items()
    assert len(fewer.clean) <= min(some, more)
    assert fewer.counted


@given(st.text("ab!", min_size=1, max_size=12), st.integers(1, 3), st.integers(0, 4), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_drawing_always_ends_within_its_bound(flags: str, low: int, more: int, redraws: int) -> None:
    found = drawn(flags, adaptive(low, low + more), redraws)
    assert low <= len(found.drawn) <= low + more + redraws


def test_vote_curves_are_told_only_where_draws_are_answers_that_nothing_discards() -> None:
    assert draws_of(Solver(samples=3)).curves
    assert not draws_of(Solver(samples=3), answers=False).curves
    strict = draws_of(Solver(samples=3, red_flags=("unread",), stop="agree_2"))
    assert (strict.curves, strict.redraws, strict.stops[-1]) == (False, 2, "agree_2")


def test_a_thought_that_was_cut_at_its_limit_is_not_too_long() -> None:
    def script(request: Request) -> str:
        return "7" if request.messages[0].content.startswith("Reply with the answer only") else "thinking " * 9

    model = ScriptedModel(script)
    node = Solver(model="scripted", thinking_tokens=9, max_output_tokens=50, red_flags=("too_long",))
    run = NodeBench([model]).run(node, INPUTS)
    assert (run.message.answer, len(model.requests)) == ("7", 2)


def test_the_tokens_of_a_thought_count_where_its_answer_came_in_another_reply() -> None:
    def script(request: Request) -> str:
        return "7" if request.messages[0].content.startswith("Reply with the answer only") else "thinking " * 9

    def flagged(number: int) -> int:
        flags = (f"too_long_{number}",)
        node = Solver(model="scripted", thinking_tokens=9, max_output_tokens=50, red_flags=flags, redraws=1)
        model = ScriptedModel(script)
        assert NodeBench([model]).run(node, INPUTS).message.answer == "7"
        return len(model.requests) - 2

    assert (flagged(8), flagged(9)) == (2, 0)


def test_who_abstains_has_no_vote_in_vote_curves() -> None:
    run, _ = solve("a??", samples=3, red_flags=())
    told: Any
    (told,) = [fields["draws"] for event, fields in run.events if event == "vote"]
    assert [answer for answer, _ in told] == ["a", None, None]
    assert run.message.answer == "a"


def test_under_a_cap_the_first_thought_comes_to_its_answer_before_the_others_begin() -> None:
    def script(request: Request) -> str:
        return "7" if request.messages[0].content.startswith("Reply with the answer only") else "thinking " * 9

    node = Solver(model="scripted", thinking_tokens=9, max_output_tokens=50)
    alone = NodeBench([ScriptedModel(script)]).run(node, INPUTS)
    room = sum(bound.tokens for bound in alone.bounds)
    run = NodeBench([ScriptedModel(script)]).run(node.model_copy(update={"samples": 5}), INPUTS, limit=room)
    assert (run.message.answer, run.message.status) == ("7", Status.OK)
    assert run.charged.tokens <= room


def test_abstentions_settle_nothing_for_the_draws_that_are_left() -> None:
    run, model = solve("???aa", samples=adaptive(3, 5), stop="ahead_by_9")
    assert (run.message.answer, len(model.requests)) == ("a", 5)


def test_how_discarded_samples_vote_where_all_are_is_a_knob_that_counts() -> None:
    said = {"samples": 1, "redraws": 2, "red_flags": ("unread", "hedged")}
    words = ["perhaps a", "perhaps b", "perhaps b"]
    answers = []
    for vote in ("first", "majority"):
        model = ScriptedModel(lambda request: words[request.sample])
        node = Solver.model_validate({"model": "scripted", "style": "direct", "vote": vote, **said})
        assert "vote" not in node.idle_knobs()
        answers.append(NodeBench([model]).run(node, INPUTS).message.answer)
    assert answers == ["perhaps a", "perhaps b"]


def test_where_the_first_answer_counts_nothing_is_drawn_after_it() -> None:
    run, model = solve(".ab", samples=adaptive(1, 3), vote="first", stop="agree_2")
    assert (run.message.answer, len(model.requests)) == ("a", 2)


def test_what_the_cap_refuses_is_refused_once() -> None:
    one = solve("a")[0].bounds[0].tokens
    run, _ = solve("abcdefg", samples=adaptive(1, 7), stop="agree_2", limit=one * 2)
    (told,) = [fields for event, fields in run.events if event == "vote"]
    assert told["failed"] == ["budget"]
    assert told["drawn"] in range(3, 7)
