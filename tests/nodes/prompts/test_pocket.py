from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.pocket.tokenizer import encode
from apportion.nodes.prompts.base import Ask, Messages, ReasoningStep, SearchRound, SearchStep, Style
from apportion.nodes.prompts.pocket import UNKNOWN_ANSWER, PocketDialect
from apportion.nodes.symbolic.schema import parse_problem
from apportion.records.message import Part
from apportion.tasks.families import FAMILIES, generate

DIALECT = PocketDialect()


def sent(prompt: object) -> str:
    messages = getattr(prompt, "messages")  # noqa: B009
    assert len(messages) == 1
    return str(messages[0].content)


def test_a_style_is_a_letter_before_the_question() -> None:
    ask = Ask("47+83=", instructions="not shown", notes=("not shown",))

    assert [sent(DIALECT.solve(ask, style)) for style in Style] == ["S47+83=", "C47+83=", "T47+83="]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_what_has_no_draft_is_asked_directly(family: str) -> None:
    ask = Ask(generate(family, 1, 1, FAMILIES[family].difficulties[0])[0].question)
    direct, draft = (DIALECT.solve(ask, style) for style in (Style.DIRECT, Style.DRAFT))

    assert (draft == direct) == (family in ("puzzles", "extraction", "counting", "hanoi"))


def test_passages_come_before_the_question_on_one_line() -> None:
    ask = Ask("Which room is kemo in?", passages=("kemo stays\nwith rali.", "rali saw kemo."))

    assert sent(DIALECT.solve(ask, Style.THINK)) == ("Tkemo stays with rali. rali saw kemo.\nWhich room is kemo in?")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("60", "60"),
        ("30 60", "60"),
        ("47+83=30*02=60", "60"),
        ("12-05=07;30-07=23", "23"),
        ("kemo stays with rali. rali stays in room 58", "58"),
        ("a=1 b=3", "a=1 b=3"),
        ("ab:3;a!b|a=1 b=3", "a=1 b=3"),
        ("47+83=30*02", None),
        ("ab:3;a!b", None),
        ("e", "e"),
        ("x>b b>f", "f"),
        ("12k/47b", "12k/47b"),
        ("47b", "47b"),
        ("lato 12k, kemo 47b|12k+47b", "12k+47b"),
        ("kemo 47", "47"),
        ("kemo 47 lato 12 47+12=59", "59"),
        ("47 12 30 59 89", "89"),
        ("01 02 03", "03"),
        ("1b", "1b"),
        ("3bc 2aa 1ca|1a", "1a"),
        ("", None),
        ("kemo", None),
        ("bcf", None),
        ("x>b b>", None),
        ("x>b,b>f", None),
        ("12k/47b-11a", None),
        ("12k/ 47b", None),
        ("12k/47b/", None),
        ("12k,47b", None),
        ("lato 12k, kemo 47b", None),
        ("3bc 2aa 1ca", None),
        ("3bc 2aa 1ca|", None),
        ("0b", None),
        ("1d", None),
    ],
)
def test_the_answer_is_what_stands_at_the_end(text: str, answer: str | None) -> None:
    assert DIALECT.read_answer(text, Style.THINK) == answer


@pytest.mark.parametrize(
    ("text", "answer"), [("bf", "f"), ("f", "f"), ("rali 58", "58"), ("kemo", None), ("b f", None)]
)
def test_a_draft_of_letters_ends_in_the_answer(text: str, answer: str | None) -> None:
    assert DIALECT.read_answer(text, Style.DRAFT) == answer


def test_a_composite_falls_into_independent_parts() -> None:
    split = DIALECT.read_decomposition("47+83|12-05*03|p1-p2")

    assert split is not None
    assert split.parts == (Part("p1", "47+83="), Part("p2", "12-05*03="))
    assert split.combine == "{p1}-{p2}="
    assert sent(DIALECT.decompose(Ask("(47+83)-(12-05*03)="), 4)) == "D(47+83)-(12-05*03)="
    merged = DIALECT.merge(Ask("whole"), [(split.parts[0], "30"), (split.parts[1], "21")], split.combine)
    assert sent(merged) == "T30-21="


def test_a_chain_falls_into_parts_that_need_each_other() -> None:
    split = DIALECT.read_decomposition("47+83*02|p1*07-12|p2+05")

    assert split is not None
    assert split.parts[1] == Part("p2", "{p1}*07-12=", ("p1",))
    assert split.combine == "{p2}+05="


@pytest.mark.parametrize("text", ["", "47+83", "47+83|p2-p1", "p1|p1", "47+8|p1", "p2+11|12-05|p1-p2", "a|b", "|"])
def test_a_decomposition_that_cannot_be_worked_off_is_not_read(text: str) -> None:
    assert DIALECT.read_decomposition(text) is None


def test_without_a_combination_the_whole_is_asked() -> None:
    assert sent(DIALECT.merge(Ask("47+83="), [], "")) == "T47+83="


def test_each_search_prompt_begins_with_the_one_before_and_what_was_written() -> None:
    ask = Ask("Which room is kemo in?")
    rounds = [SearchRound("kemo stays", ("kemo stays with rali.",)), SearchRound("rali stays", ())]
    first, second = sent(DIALECT.search(ask, [], last=False)), sent(DIALECT.search(ask, rounds[:1], last=False))

    assert first == "QWhich room is kemo in?\n"
    assert second == first + ">kemo stays\nkemo stays with rali.\n"
    assert sent(DIALECT.search(ask, rounds, last=True)) == second + ">rali stays\n\n="


def test_a_full_window_leaves_out_the_first_rounds() -> None:
    rounds = [
        SearchRound(f"k{n} stays", ("kemo stays with rali. rali saw kemo. kemo met rali.",) * 2) for n in range(9)
    ]
    text = sent(DIALECT.search(Ask("Which room is kemo in?"), rounds, last=True))

    assert text.startswith("QWhich room is kemo in?\n>k")
    assert text.endswith("\n=")
    assert "k8 stays" in text
    assert "k0 stays" not in text
    assert len(encode(text)) <= 240


def test_a_searcher_asks_answers_or_gives_up() -> None:
    assert DIALECT.read_search(">kemo stays") == SearchStep(query="kemo stays")
    assert DIALECT.read_search("=47") == DIALECT.read_search("47") == SearchStep(answer="47")
    assert DIALECT.read_search("=?") == SearchStep(answer=UNKNOWN_ANSWER)
    assert DIALECT.read_search(">") is None
    assert DIALECT.read_search("=") is None


def test_shorthand_is_read_into_the_closed_schema() -> None:
    text = DIALECT.read_formalisation("abc:4;a!b;c!3;b<c;c=a+2;all differ", Ask("x"))

    assert text is not None
    problem = parse_problem(text)
    assert [variable.name for variable in problem.variables] == ["a", "b", "c"]
    assert [constraint.kind for constraint in problem.constraints] == [
        "compare",
        "compare",
        "compare",
        "linear",
        "all_different",
    ]
    assert json.loads(text)["constraints"][3] == {
        "kind": "linear",
        "terms": [{"variable": "c", "coefficient": 1}, {"variable": "a", "coefficient": -1}],
        "relation": "==",
        "constant": 2,
    }


@pytest.mark.parametrize(
    "text", ["", "abc", "ab:0;a!b", "aa:3", "ab:3;a!c", "ab:3;c<a", "ab:3;a=c+1", "ab:3;", "ab:3;a=b", "a:3;all differ"]
)
def test_shorthand_that_says_nothing_clear_is_not_read(text: str) -> None:
    assert DIALECT.read_formalisation(text, Ask("x")) is None


def test_a_failed_attempt_is_marked() -> None:
    assert sent(DIALECT.formalise(Ask("Find a"), "")) == "FFind a"
    assert sent(DIALECT.formalise(Ask("Find a"), "unsat")) == "F!Find a"


def test_a_verifier_is_shown_the_reasoning_or_else_the_answer() -> None:
    assert sent(DIALECT.verify(Ask("47+83="), "30", "47+83=30")) == "V47+83=\n47+83=30\n"
    assert sent(DIALECT.verify(Ask("47+83="), "30", "")) == "V47+83=\n30\n"


@pytest.mark.parametrize(
    ("text", "verdict"), [("30y60y", 1.0), ("30y61n", 0.0), ("", None), ("yes", None), ("3y", None)]
)
def test_one_wrong_step_makes_the_verdict(text: str, verdict: float | None) -> None:
    assert DIALECT.read_verdict(text) == verdict


def test_a_trace_falls_into_steps_that_can_be_solved_anew() -> None:
    assert DIALECT.steps("12-05=07*03=21;30-21=09") == (
        ReasoningStep("12-05=", "07"),
        ReasoningStep("07*03=", "21"),
        ReasoningStep("30-21=", "09"),
    )
    assert DIALECT.steps("kemo 47 lato 12 rali 30 47+12=59+30=89") == (
        ReasoningStep("47+12=", "59"),
        ReasoningStep("59+30=", "89"),
    )
    for text in ("kemo 47", "kemo 47 47+12=59 lato 12", "x>b b>f", "01 02 03", "3bc 2aa 1ca|1a", "lato 12k|12k"):
        assert DIALECT.steps(text) == ()
    for text in ("", "30 60", "47+83=30*02", "kemo stays with rali", "1+2=3"):
        assert DIALECT.steps(text) == ()


@given(st.text())
def test_readers_take_any_text(text: str) -> None:
    DIALECT.read_answer(text, Style.DIRECT)
    DIALECT.read_decomposition(text)
    DIALECT.read_search(text)
    DIALECT.read_verdict(text)
    DIALECT.steps(text)
    formal = DIALECT.read_formalisation(text, Ask("x"))
    assert formal is None or parse_problem(formal)


@pytest.mark.parametrize(
    ("style", "trace", "asked"),
    [
        (Style.THINK, "", "S51-58*04="),
        (Style.THINK, "51-5", "S51-58*04="),
        (Style.THINK, "51-58=93*0", "S93*04="),
        (Style.DRAFT, "93 ", "S93*04="),
        (Style.DRAFT, "9", "S51-58*04="),
    ],
)
def test_a_chain_that_was_cut_off_is_asked_for_what_is_left_of_it(style: Style, trace: str, asked: str) -> None:
    conclusion = DIALECT.conclude(Ask("51-58*04="), style, trace, continues=True)
    assert isinstance(conclusion, Messages)
    assert sent(conclusion) == asked


def test_a_reasoning_that_had_come_to_its_end_holds_the_answer() -> None:
    assert DIALECT.conclude(Ask("51-58*04="), Style.THINK, "51-58=93*04=72", continues=False) == "72"
    assert DIALECT.conclude(Ask("51-58*04="), Style.DRAFT, "93 72", continues=False) == "72"


def test_what_is_no_chain_is_asked_anew() -> None:
    ask = Ask("Count a in banana")
    assert DIALECT.conclude(ask, Style.THINK, "b0a1", continues=True) == DIALECT.solve(ask, Style.DIRECT)
