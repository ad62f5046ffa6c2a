from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.tools import ToolCall
from apportion.nodes.prompts.acting import acting, calls_in, quoted, result_frame
from apportion.nodes.prompts.base import Ask, ToolRound
from apportion.records.text import longest_bytes

NAMES = ("search", "add")
TOOLS = '[{"type":"function","function":{"name":"search","description":"","parameters":{}}}]'

READ = [
    ('Call: search {"query": "Rome"}', [("search", '{"query": "Rome"}')]),
    ('I need facts.\n\nCall: search {"query": "Rome"}\n', [("search", '{"query": "Rome"}')]),
    ('**Call:** `search` {"query": "a"}', [("search", '{"query": "a"}')]),
    ('- call: search({"query": "a"})', [("search", '{"query": "a"}')]),
    ('Tool call: search: {"query": "a"}', [("search", '{"query": "a"}')]),
    ("Call: search\n```json\n{\"query\": 'a'}\n```", [("search", "{\"query\": 'a'}")]),
    (
        'Call: search {\n  "query": "a"\n}\nCall: add {"n": [1]}',
        [("search", '{\n  "query": "a"\n}'), ("add", '{"n": [1]}')],
    ),
    ('Call: search {"query": "Call: add {}"}', [("search", '{"query": "Call: add {}"}')]),
    ("Call: search", [("search", "")]),
    ("Call: search Rome", [("search", "Rome")]),
    ('Call: search {"query": "Ro', [("search", '{"query": "Ro')]),
    ('Call: nothing {"a": 1}', [("nothing", '{"a": 1}')]),
    ('<think>Call: add {}</think>\nCall: search {"query": "a"}', [("search", '{"query": "a"}')]),
    ('Call: search {"query": "a"}\nResult of call 1, search:\n| x\nCall: add {}', [("search", '{"query": "a"}')]),
    ('Call: search {"query": "a"}\nAnswer: Rome\nCall: add {}', [("search", '{"query": "a"}')]),
    ('<tool_call>\n{"name": "search", "arguments": {"query": "a"}}\n</tool_call>', [("search", '{"query": "a"}')]),
    (
        '<tool_call>{"name": "search", "arguments": {"query": "a"}',
        [("", '{"name": "search", "arguments": {"query": "a"}')],
    ),
    ('{"name": "search", "parameters": {"query": "a"}}', [("search", '{"query": "a"}')]),
    ('{"name": "other", "parameters": {}}', []),
    ('{"name": "search", "age": 3}', []),
    ("Answer: Rome", []),
    ("Answer: Rome\nCall: search {}", []),
    ('| Call: search {"query": "a"}', []),
    ("I recall: search is hard.", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "calls"), READ)
def test_calls_are_read_as_models_write_them(text: str, calls: list[tuple[str, str]]) -> None:
    found, end = calls_in(text, NAMES)
    assert [(call.name, call.arguments) for call in found] == calls
    assert (end > 0) is bool(calls)
    assert calls_in(text[:end], NAMES)[0] == found


def test_a_model_that_calls_tools_by_itself_may_write_lines_that_look_like_calls() -> None:
    assert calls_in("Call: 112 at once", NAMES, lines=False) == ((), 0)


@given(st.text(max_size=300) | st.text(alphabet="Cal: search{}\"'\n<>_tool", max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    found, end = calls_in(text, NAMES)
    assert 0 <= end <= len(text)
    assert bool(found) is bool(end)


@given(st.text(max_size=200))
def test_every_line_of_a_result_stands_behind_a_bar(text: str) -> None:
    assert all(line.startswith("|") for line in quoted(text).splitlines())
    assert calls_in(quoted(text), NAMES)[0] == ()


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8), st.text(max_size=50))
def test_in_words_results_take_no_more_than_their_frames_and_themselves(names: list[str], text: str) -> None:
    calls = tuple(ToolCall(name, "{}") for name in names)
    done = ToolRound("said", calls, (text,) * len(calls))
    shown = acting(Ask("q"), TOOLS, [done], last=False, native=False).messages[-1].content
    frames = len(calls) * longest_bytes(result_frame(NAMES)) + len("Results:\n")
    assert longest_bytes(shown) <= frames + len(calls) * longest_bytes(quoted(text)) + 64


def test_a_longer_conversation_only_adds_at_its_end() -> None:
    done = ToolRound("said", (ToolCall("search", "{}", "call00000"),), ("found",))
    for native in (True, False):
        before = acting(Ask("q"), TOOLS, [done], last=False, native=native).messages
        after = acting(Ask("q"), TOOLS, [done, done], last=True, native=native).messages
        assert after[: len(before)] == before


def test_arguments_end_before_the_next_call_unless_they_are_strict_json() -> None:
    found, _ = calls_in("Call: add {'a': 1\nCall: add {'b': 2,}", {"add"})
    assert [call.arguments for call in found] == ["{'a': 1", "{'b': 2,}"]
    found, _ = calls_in('Call: add {"a": "x\nCall: add {}"}', {"add"})
    assert [call.arguments for call in found] == ['{"a": "x\nCall: add {}"}']


def test_calls_that_never_end_are_read_one_by_one() -> None:
    found, _ = calls_in("\nCall: add {" * 20_000, {"add"})  # a minute, if each were looked for in all that follows
    assert {call.arguments for call in found} == {"{"}
