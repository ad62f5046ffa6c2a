from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from apportion.models.delta import Delta
from apportion.models.reasoning import split_reasoning
from apportion.models.reasoning_stream import ReasoningStream

MARKS = ["<think>", "</think>", "<thinking>", "</thinking>", "[THINK]", "[/THINK]", "◁think▷", "◁/think▷"]
MARKS += ["<unused94>thought", "<unused95>"]
MARKS += ["<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|end|>"]
TEXTS = ["a", "b ", "\n", "\n\n", " ", "<", "hello", "x>", "🙂"]


def streamed(raw: str, size: int) -> tuple[str, str]:
    """What is given as text and as reasoning of a text that comes in pieces."""
    stream = ReasoningStream()
    deltas = [stream.add(Delta(text=raw[place : place + size])) for place in range(0, len(raw), size)]
    deltas.append(stream.end())
    return "".join(delta.text for delta in deltas), "".join(delta.reasoning for delta in deltas)


@settings(max_examples=500, deadline=None)
@given(some.lists(some.sampled_from([*MARKS, *TEXTS]), max_size=14), some.integers(1, 7), some.booleans())
def test_what_is_given_comes_to_the_answer_of_the_whole(parts: list[str], size: int, begins: bool) -> None:
    raw = "".join((["<think>"] if begins else []) + parts)
    text, _ = streamed(raw, size)
    # What is held to the end is given with the whole reply.
    assert not text or split_reasoning(text).answer.strip() == split_reasoning(raw).answer.strip()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("raw", "text", "reasoning"),
    [
        ("four", "four", ""),
        ("", "", ""),
        (" < 4", " < 4", ""),
        ("<b>four</b>", "<b>four</b>", ""),
        ("<think>hm</think>\n\nfour", "four", "hm"),
        ("\n<think>hm</think>four", "four", "hm"),
        ("<think>is 3 < 4 > 2?</think>four", "four", "is 3 < 4 > 2?"),
        ("<think>cut off", "", "cut off"),
        ("<think>hm</think>", "", "hm"),
        ("<think>a<think>b</think>c</think>four", "four", "a<think>b</think>c"),
        ("four <think>really?</think>", "four <think>really?</think>", ""),
        ("hm</think>four", "hm</think>four", ""),
    ],
)
def test_thoughts(raw: str, text: str, reasoning: str, size: int) -> None:
    assert streamed(raw, size) == (text, reasoning)


def test_many_closing_marks_take_no_more_than_linear_time() -> None:
    raw = "<think>" * 2000 + "x</think>" * 2000
    text, _ = streamed(raw, 100)
    assert not text or split_reasoning(text).answer == split_reasoning(raw).answer


def test_other_pieces_pass() -> None:
    stream = ReasoningStream()
    assert stream.add(Delta(reasoning="hm")) == Delta(reasoning="hm")
    assert stream.add(Delta(text="<think>a", reasoning="b")) == Delta(reasoning="ba")
