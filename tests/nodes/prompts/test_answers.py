r"""Answers are read back however models write them.

The ways of writing are in `reply_formats.toml` beside this file. Add yours there: each type of answer is read in it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.nodes.prompts.answers import answer_in
from apportion.nodes.prompts.base import Style
from apportion.nodes.prompts.chat import ChatDialect
from apportion.records.answers import normal_form

FORMATS = tomllib.loads((Path(__file__).parent / "reply_formats.toml").read_text())["format"]
CODE = "def f(x):\n    return x + 1"


@dataclass(frozen=True)
class Answer:
    said: str
    latex: str = ""


ANSWERS: Mapping[str, Answer] = {
    "integer": Answer("42"),
    "negative number": Answer("-7"),
    "decimal": Answer("3.14"),
    "thousands": Answer("1,234,567"),
    "fraction": Answer("3/4", r"\frac{3}{4}"),
    "percentage": Answer("45%", r"45\%"),
    "currency": Answer("$18.50", r"\$18.50"),
    "scientific": Answer("3×10^5", r"3\times10^{5}"),
    "with a unit": Answer("5 km", r"5\text{ km}"),
    "choice": Answer("B", r"\text{B}"),
    "choice in brackets": Answer("(C)", r"\text{(C)}"),
    "yes or no": Answer("no", r"\text{no}"),
    "word": Answer("Paris", r"\text{Paris}"),
    "phrase": Answer("the Eiffel Tower", r"\text{the Eiffel Tower}"),
    "abbreviation": Answer("Washington, D.C.", r"\text{Washington, D.C.}"),
    "initial": Answer("J. Robert Oppenheimer", r"\text{J. Robert Oppenheimer}"),
    "sentence": Answer("It is raining", r"\text{It is raining}"),
    "date": Answer("July 4, 1776", r"\text{July 4, 1776}"),
    "ISO date": Answer("2024-01-05", r"\text{2024-01-05}"),
    "time": Answer("10:30 a.m.", r"\text{10:30 a.m.}"),
    "list": Answer("red, green, blue", r"\text{red, green, blue}"),
    "assignment": Answer("a=1 b=3", r"\text{a=1 b=3}"),
    "LaTeX expression": Answer(r"x^2 + \frac{1}{2}"),
    "LaTeX root": Answer(r"2\sqrt{3}"),
    "LaTeX set": Answer(r"\{1, 2\}"),
    "interval": Answer("(1, 2)"),
    "equation": Answer("x = 6"),
    "code": Answer(CODE),
    "lines": Answer("red\ngreen\nblue"),
}
EXCEPTIONS = {
    ("code", "closing sentence and a reason"): "the line that announces the program does not end where it does",
}
"""Of the grid, what is not read back, and why."""


def reply_of(form: Mapping[str, str], kind: str, answer: Answer) -> str:
    said, language = answer.said, "python" if kind == "code" else ""
    text = form["text"]
    if "\n" in said:
        text = form.get("block", text)
        if kind != "code":
            text = text.replace("```python", "```").replace("````python", "````").replace("```py\n", "```\n")
    for name, value in (
        ("{answer}", said),
        ("{latex}", answer.latex or said),
        ("{json}", json.dumps(said)),
        ("{code}", f"```{language}\n{said}\n```"),
        ("{lines}", said),
    ):
        text = text.replace(name, value)
    return text


def grid() -> Iterator[tuple[str, Mapping[str, str]]]:
    return ((kind, form) for kind in ANSWERS for form in FORMATS)


def read_back(kind: str, form: Mapping[str, str]) -> bool:
    answer = ANSWERS[kind]
    got = ChatDialect().read_answer(reply_of(form, kind, answer), Style(form.get("style", "think")))
    return got == answer.said if kind == "code" else normal_form(got or "") == normal_form(answer.said)


def test_each_type_of_answer_is_read_back_in_each_format() -> None:
    assert len(ANSWERS) >= 12
    assert len({form["name"] for form in FORMATS}) == len(FORMATS) >= 40
    unread = {(kind, form["name"]) for kind, form in grid() if not read_back(kind, form)}
    assert unread == set(EXCEPTIONS)
    assert len(EXCEPTIONS) <= 0.01 * len(ANSWERS) * len(FORMATS)


DIRECT, THINK = Style.DIRECT, Style.THINK


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # headings and placeholders
        ("#### Step 1\n2+3\n#### Step 2\nfoo", None),
        ("### Step 1: Answer the question\nfoo", None),
        ("#### 1. Start\nwork 3\n#### 2. Go\nwork 4", None),
        ("#### 1\nwork 3\n#### 2\nwork 4\n\nSo \\boxed{10}", "10"),
        ("Answer:\n\n### Explanation\nfoo", None),
        ("Answer: <answer only>", None),
        ("Answer: [your answer]", None),
        ("Answer: ...", None),
        ("I will use <answer></answer> tags. <answer>42</answer>", "42"),
        # hashes
        ("#### 42\n\nI hope this helps!", "42"),
        ("work\n### 42", "42"),
        # sentences
        ("The correct option is (C).", "(C)"),
        ("Therefore option D is correct.", "D"),
        ("(B) is the correct answer.", "B"),
        ("I choose B.", "B"),
        ("42 is the answer.", "42"),
        ("Thus, x = 6.", "6"),
        (r"So $x = \frac{1}{2}$.", r"\frac{1}{2}"),
        ("Hence the total cost is $18.", "$18"),
        ("In total, 5 + 3 = 8 apples.", "8 apples"),
        ("So the capital is Paris.", "Paris"),
        ("So we are done.", None),
        ("The answer is J. K. Rowling.", "J. K. Rowling"),
        ("The answer is Washington, D.C. It is the capital.", "Washington, D.C."),
        ("The answer is St. Louis.", "St. Louis"),
        ("The answer is U.S. Steel.", "U.S. Steel"),
        ("The answer is 3.5. I am sure.", "3.5"),
        ("To get the answer: multiply 6 by 7.\nThe answer is 42.", "42"),
        ("Let me check whether the answer is correct.", None),
        ("We need to find what the answer is.", None),
        ("2 + 4\nResult: 6", "6"),
        ("2 + 4\n**Total = 6**", "6"),
        ("A is wrong.\nAnswer C", "C"),
        ("Output: it is too hard to say what comes out", None),
        ("所以答案是42。", "42"),
        ("最终答案：42", "42"),
        ("La respuesta es 42.", "42"),
        ("Die Antwort ist 42.", "42"),
        ("The answer is not 5.", None),
        # taken back, or only checked
        ("Answer: 5\nWait, that is wrong.", None),
        ("Answer: 5\n\nLet me double-check: 2+3=5. Correct.", "5"),
        ("Answer: 5\n\nWait, let me verify: 2+3 = 5. Yes.", "5"),
        (r"\boxed{5}. Hmm, actually no. \boxed{6}", "6"),
        # what explains an answer is no part of it
        ("Answer: 42 because 6*7 = 42", "42"),
        ("Answer: 42. This is because 6*7=42.", "42"),
        ("Answer: 42 (since 6*7 = 42)", "42"),
        ("Answer: B. Because nothing else fits.", "B"),
        ("Answer: Yes, it is.", "Yes"),
        ("Answer:\n42\nExplanation: foo", "42"),
        # what belongs to an answer stays
        ("Answer: J. K. Rowling", "J. K. Rowling"),
        ("Answer: (B) Paris", "(B) Paris"),
        ("Answer: no answer...", "no answer..."),
        ("Answer:\n- red\n- blue\n\nDone", "- red\n- blue"),
        ("Answer:\n1. red\n\n2. blue", "1. red\n2. blue"),
        ("Answer: red\nblue", "red\nblue"),
        ("Answer: 1. red\n2. blue\n\nDone", "1. red\n2. blue"),
        ("Answer: Paris\nThe capital of France", "Paris"),
        ("Answer: red, blue\nand more text", "red, blue"),
        ("Answer: 42\nDone", "42"),
        ("Answer\n------\n\n42", "42"),
        ("[[B]]\nFinal result: [[B]]", "B"),
        ('Answer: {"a": 1,\n "b": 2}', '{"a": 1,\n "b": 2}'),
        ("Answer: __init__", "__init__"),
        ('Answer: "New York" and "Boston"', '"New York" and "Boston"'),
        # boxes
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed 5", "5"),
        (r"\boxed{5} and \boxed{6", "5"),
        (r"\boxed{}", None),
        # JSON
        ('{"answer": 3.10}', "3.10"),
        ('{"answer": true}', "true"),
        ('{"answer": ["red", "blue"]}', "red, blue"),
        ('{"answer": null}', None),
        ('{"output": {"answer": 5}}', "5"),
        ('{"result": 5}', "5"),
        ('{"name": "x", "year": 5, "result": 7}', None),
        (r'{"answer": "\frac{1}{2}"}', r"\frac{1}{2}"),
        # decorations
        ("**Answer**: \n> 42", "42"),
        ("✅ **Answer: 42**", "42"),
        ("Answer: 42 ✅", "42"),
        ("Answer: 42</s>", "42"),
        ("Answer:**42**", "42"),
        ("*Answer:* 42", "42"),
        ("_Answer_: 42", "42"),
        ("> **Answer:** 42", "42"),
        ("Answer:\t42", "42"),
        ("Final Numerical Answer: 42", "42"),
        ("Answer in dollars: 42", "42"),
        ("So, **42** is the final answer.", "42"),
        ("The correct answer is: **C) Paris**", "C) Paris"),
        ("```\nAnswer: 42\n```", "42"),
        ("answer: 42\nreasoning: 6*7", "42"),
        ("<b>Final Answer:</b> 42", "42"),
        ("Answer: $$x$$", "x"),
        # conversations
        ("User: hi\nAssistant: Answer: 42", "42"),
        ("Answer: 42\n\nUser: thanks\nAssistant: Answer: 7", "42"),
        ("Q: 6*7?\nThe answer is 42.\nQ: 7*7?\nThe answer is 49.", "49"),
        # nothing
        ("", None),
        ("Answer:", None),
        ("40+2 = 42", None),
        ("<think>Answer: 5", None),
        ("<think>Answer: 5</think>", None),
    ],
)
def test_where_only_an_answer_was_not_asked_for(text: str, answer: str | None) -> None:
    assert answer_in(text, whole=False) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("```python\nprint('Answer: 5')\n```", "print('Answer: 5')"),
        ("Sure, here's the answer: 42", "42"),
        ("A: 42", "A: 42"),
        ("line one\nline two", "line one\nline two"),
        ("<think>no</think>", None),
    ],
)
def test_where_only_an_answer_was_asked_for(text: str, answer: str | None) -> None:
    assert answer_in(text, whole=True) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2+3 = 5\nAnswer: 12", None),
        ("2+3 = 5\nAnswer: 12\nThis is be", "12"),
        ("So \\boxed{12}. I hope it is corr", "12"),
        ("So \\boxed{12", None),
        ("<answer>red\nblu", None),
        ("<answer>red</answer> and", "red"),
        ("Answer:\nred\nblue\ngre", None),
        ("Answer:\n```python\ndef f():\n    ret", None),
        ("The answer is probably 5. But let me che", None),
        ("Par", None),
    ],
)
def test_of_a_reply_that_was_cut_off_only_a_whole_answer_counts(text: str, answer: str | None) -> None:
    assert answer_in(text, whole=True, cut=True) == answer


@given(st.sampled_from(sorted(ANSWERS)), st.sampled_from(FORMATS), st.integers(1, 12))
def test_a_cut_reply_gives_the_answer_or_none(kind: str, form: Mapping[str, str], missing: int) -> None:
    """Where the last signs are missing, no half of an answer is taken for a whole one."""
    answer = ANSWERS[kind]
    got = answer_in(reply_of(form, kind, answer)[:-missing], whole=form.get("style") == "direct", cut=True)
    decoys = {"7", "4", "2"}  # The drafts and examples of the formats.
    assert got is None or normal_form(got) == normal_form(answer.said) or got in decoys
