from __future__ import annotations

import pytest

from apportion.nodes.prompts.written import boxes, fences, finished, tidy


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("**42**", "42"),
        ("`42`.", "42"),
        ("$42$", "42"),
        (r"\(42\)", "42"),
        (r"\[\boxed{42}\]", "42"),
        (r"$\text{B}$", "B"),
        ("<42>", "42"),
        ("<b>42</b>", "42"),
        ("“42”", "42"),
        ("'42'", "42"),
        ("__42__", "42"),
        ("42。", "42"),
        ("__init__", "__init__"),
        ("$18", "$18"),
        ("U.S.", "U.S."),
        ("a.m.", "a.m."),
        ("and so on...", "and so on..."),
        ("**a** and **b**", "**a** and **b**"),
        ('"a" or "b"', '"a" or "b"'),
        ("$a$ and $b$", "$a$ and $b$"),
        ("42**", "42"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        ("", ""),
    ],
)
def test_marks_around_an_answer(written: str, answer: str) -> None:
    assert tidy(written) == answer


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        (r"\boxed{1} \boxed{\frac{1}{2}}", ["1", r"\frac{1}{2}"]),
        (r"\boxed{\boxed{1}}", [r"\boxed{1}"]),
        (r"\boxed{\{1, 2\}}", [r"\{1, 2\}"]),
        (r"\fbox{1}", ["1"]),
        (r"\boxed 5", ["5"]),
        (r"\boxed{1} \boxed{2", ["1"]),
        (r"\boxed{} \boxed{ }", []),
    ],
)
def test_boxes(text: str, contents: list[str]) -> None:
    assert [box.content for box in boxes(text)] == contents


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```\n1\n```", [("1", False)]),
        ("```python\n1\n```", [("1", True)]),
        ("~~~json\n1\n~~~", [("1", False)]),
        ("````\n```\n1\n```\n````", [("```\n1\n```", False)]),
        ("```\n1\n~~~\n2\n```", [("1\n~~~\n2", False)]),
        ("  ```py\n  if x:\n    y\n  ```", [("if x:\n  y", True)]),
        ("```python\n1", [("1", True)]),
        ("a ```b``` c", []),
    ],
)
def test_fences(text: str, blocks: list[tuple[str, bool]]) -> None:
    assert [(fence.content, fence.code) for fence in fences(text)] == blocks


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("a\nb", "a\n"),
        ("So it is 5. But", "So it is 5."),
        ("So it is 3.1", ""),
        (r"\boxed{5} an", r"\boxed{5}"),
        ("", ""),
    ],
)
def test_a_cut_text_up_to_where_something_ended(text: str, closed: str) -> None:
    assert finished(text) == closed


@pytest.mark.parametrize("unit", ["\\boxed{", "{", "}", "```\n", "`", "*", "a.", "$"])
def test_no_text_takes_long(unit: str) -> None:
    text = unit * 20_000
    boxes(text)
    list(fences(text))
    tidy(text)
    finished(text)
