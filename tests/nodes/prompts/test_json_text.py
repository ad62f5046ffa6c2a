from __future__ import annotations

from typing import Any

import pytest

from apportion.nodes.prompts.json_text import lists_in, object_end, object_in, objects_in, with_latex


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{"a": [1, 2,],}', {"a": [1, 2]}),
        ("{'a': 'it is \"so\"'}", {"a": 'it is "so"'}),
        ('{a: 1, "b": None, c: True}', {"a": 1, "b": None, "c": True}),
        ("{“a”: “b”}", {"a": "b"}),
        ('{"a": 1, // one\n /* two */ "b": 2 # three\n}', {"a": 1, "b": 2}),
        ('{"a": 1/2}', {"a": "1/2"}),
        ('{"a": "b\nc"}', {"a": "b\nc"}),
        (r'{"a": "\(x\)"}', {"a": r"\(x\)"}),
        ('{"a": "http://b//c"}', {"a": "http://b//c"}),
        ('Use {x}: ```json\n{"a": {"b": []}}\n```', {"a": {"b": []}}),
    ],
)
def test_objects_as_models_write_them(text: str, value: dict[str, Any]) -> None:
    assert [found for found, _, _ in objects_in(text)] == [value]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2',
        '{"a": "b',
        '{"a": 1',
        "{x}",
        "[1]",
        "{" * 100,
        *('{"a":' * depth + "1" + "}" * depth for depth in (300, 900, 5000)),
        '{"a": 1 2}',
        "",
    ],
)
def test_what_is_cut_off_or_no_object_is_not_completed(text: str) -> None:
    assert list(objects_in(text)) == []


def test_places_are_those_of_the_text() -> None:
    text = "x {'a': 1,} y {\"b\": 2}"
    assert [text[start:end] for _, start, end in objects_in(text)] == ["{'a': 1,}", '{"b": 2}']


def test_an_object_is_found_within_others() -> None:
    wrapped = '{"name": "f", "arguments": {"n": [{"wanted": 1}]}} {"wanted": 2}'
    assert object_in(wrapped, "wanted") == {"wanted": 1}
    assert object_in(wrapped, "missing") is None


def test_numbers_are_as_written() -> None:
    ((found, _, _),) = objects_in('{"a": 1.10}')
    assert str(found["a"]) == "1.10"


def test_latex_that_json_takes_for_escapes() -> None:
    ((found, _, _),) = objects_in(r'{"a": "\frac{1}{2} \text{ab} \boxed{1} \right) \neq", "b": "x\ty\nz"}')
    assert with_latex(found["a"]) == r"\frac{1}{2} \text{ab} \boxed{1} \right) \neq"
    assert with_latex(found["b"]) == "x\ty\nz"


@pytest.mark.parametrize("unit", ["{", '{"a":', '{"a"', "{/*", "{'a", '{"a": "b" ', "{a ", "[", '{"a":['])
def test_no_text_takes_long(unit: str) -> None:
    list(objects_in(unit * 20_000))
    object_in(unit * 20_000, "b")


def test_lists_as_models_write_them() -> None:
    text = "They are [1] and:\n['a', {b: [2]},] and [3"
    assert [value for value, _, _ in lists_in(text)] == [[1], ["a", {"b": [2]}]]
    assert [text[start:end] for _, start, end in lists_in(text)] == ["[1]", "['a', {b: [2]},]"]
    assert [value for value, _, _ in objects_in(text)] == [{"b": [2]}]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('{"a": 1} and {"b": 2}', 8),
        ("{'a': 1,} more", 9),
        ('{"a": "x\ny"}', 12),
        ("{'a': ", None),
        ('[{"a": 1}]', None),
        ("{", None),
        ('{"a":' * 300 + "1" + "}" * 300, None),
    ],
)
def test_where_an_object_ends(text: str, end: int | None) -> None:
    assert object_end(text, 0, len(text)) == end


def test_what_is_not_strict_json_is_looked_for_up_to_a_place() -> None:
    assert object_end("{'a': 1}", 0, 8) == 8
    assert object_end("{'a': 1}", 0, 7) is None
    assert object_end('{"a": 1}', 0, 1) == 8
