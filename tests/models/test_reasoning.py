from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.reasoning import Split, reasoning_apart, split_reasoning
from apportion.models.request import Reply

THOUGHT = "Maybe\nAnswer: 5\nno, 6*7 = 42"
MARKS = (
    ("<think>", "</think>"),
    ("<THINK>", "</Think>"),
    ("<thinking>", "</thinking>"),
    ('<thinking mode="deep">', "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("<think>", "</thinking>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<unused94>thought", "<unused95>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>analysis<|message|>", "<|end|>"),
    ("Here is my thought process:", "\nHere is my response:"),
)


@pytest.mark.parametrize(("begin", "end"), MARKS)
def test_what_stands_between_marks_is_reasoning(begin: str, end: str) -> None:
    assert split_reasoning(f"{begin}\n{THOUGHT}\n{end}\n\n42") == Split(THOUGHT, "42")
    assert split_reasoning(f"{begin}{THOUGHT}{end}42") == Split(THOUGHT, "42")


@pytest.mark.parametrize(("begin", "end"), MARKS)
def test_a_thought_that_was_cut_off_leaves_no_answer(begin: str, end: str) -> None:
    assert split_reasoning(f"{begin}\n{THOUGHT}") == Split(THOUGHT, "")


@pytest.mark.parametrize(("begin", "end"), [pair for pair in MARKS if pair[1].startswith(("</", "[/", "◁/"))])
def test_the_template_may_have_written_the_opening_mark(begin: str, end: str) -> None:
    assert split_reasoning(f"{THOUGHT}\n{end}\n\n42") == Split(THOUGHT, "42")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a<think>b</think>c</think>d", "d"),
        ("<think>a <think>b</think> maybe Answer: 5", ""),
        ("<thinking>a<reflection>b</reflection> maybe Answer: 5", ""),
        ("<thinking>a<reflection>b</reflection>c</thinking>d", "d"),
        ("<think>\n<think>a</think>\nd", "d"),
        ("<think>I must use <think> first.\n</think>\n\nd", "d"),
        ("a</think>b</think>d", "d"),
        ("<think></think>d", "d"),
        ("<think>\n\n</think>\n\nd", "d"),
        ("Answer: 5\n<think>Let me check.", "Answer: 5"),
        ("The answer is <think>hm</think>42.", "The answer is\n42."),
        ("<think>a</think>Answer: 5<think>right</think>", "Answer: 5"),
        ("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>", ""),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>42<|return|>", "42"),
        ("<|channel|>final<|message|>42", "42"),
        ("<|channel|>analysis", ""),
        ("analysisWe need 6*7.assistantfinal42", "42"),
        ("analysisWe need 6*7. Answer: 4", ""),
        ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>\n42\n<|end_of_solution|>", "42"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>42<|END_RESPONSE|>", "42"),
        ("42<|im_end|>", "42"),
    ],
)
def test_marks_in_any_state(text: str, answer: str) -> None:
    assert split_reasoning(text).answer == answer


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d, see [1]",
        "The mark `<think>` opens, `</think>` closes.",
        "Answer:\n```python\nre.sub('<think>.*?</think>', '', text)\n```",
        "<b>42</b> <thinker>x</thinker> [thoughtful]",
        "analysis of variance",
        "  42\n",
        "",
    ],
)
def test_a_text_without_marks_is_returned_as_it_is(text: str) -> None:
    assert split_reasoning(text) == Split("", text)


FRAGMENTS = st.sampled_from(
    [
        *(mark for pair in MARKS for mark in pair),
        *("<", ">", "`", "```", "\n", "\n\n", "think", "</", "<think", " ", "x", "Answer: 5", "[", "]", "<|", "|>"),
        *("analysis", "assistantfinal", "W", "<|end|>", "</s>", "<|message|>", "<|channel|>"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=14).map("".join))
def test_splitting_twice_changes_nothing(text: str) -> None:
    answer = split_reasoning(text).answer
    assert split_reasoning(answer) == Split("", answer)


def test_a_reply_without_marks_stays_the_same_object() -> None:
    plain = Reply("42", "stop", None, reasoning="6*7")
    assert reasoning_apart(plain) is plain


def test_reasoning_of_fields_and_of_the_text_are_joined() -> None:
    reply = reasoning_apart(Reply("<think>b</think>42", "stop", None, reasoning="a"))
    assert (reply.reasoning, reply.text) == ("a\nb", "42")
