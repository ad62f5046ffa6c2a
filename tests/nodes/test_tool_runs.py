from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from apportion.budgets.ledger import Ledger
from apportion.budgets.memory import MemoryLedger
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.pool import Pool
from apportion.models.tools import ToolCall
from apportion.nodes.callables import Given
from apportion.nodes.prompts.acting import quoted
from apportion.nodes.tool_runs import ToolOutcome, ToolRuns, canonical_arguments, opened_tools, shared_out
from apportion.records.text import longest_bytes
from apportion.testing.node_bench import BenchContext, NoReplies
from apportion.testing.scripted import ScriptedModel

LEDGER = Ledger(MemoryLedger(), "me")
CALLER = MeteredCaller(Pool([ScriptedModel(lambda request: "")]), LEDGER, NoReplies())
CONTEXT = BenchContext("act", None, CALLER, Meter(LEDGER.open("a"), "r", "s"))
"""Of a node whose tools cost nothing."""


class Fact(BaseModel):
    text: str


def run(function: Any, *arguments: str, most: int = 1000) -> list[ToolOutcome]:
    async def story() -> list[ToolOutcome]:
        with opened_tools([Given(function, "here")]) as opened:
            toolbox = await opened.toolbox()
            calls = [ToolCall(next(iter(toolbox.tools)), each) for each in arguments]
            return await ToolRuns(toolbox, 5.0, most, CONTEXT).run(calls)

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (3, "3"),
        (None, "null"),
        (True, "true"),
        ([1, "ü"], '[1, "ü"]'),
        ({"a": (1,)}, '{"a": [1]}'),
        (Fact(text="x"), '{"text": "x"}'),
        ({1}, "Error: TypeError: tool 'give' returned set; return a str, or what JSON has"),
        (b"x", "Error: TypeError: tool 'give' returned bytes"),
        ([object()], "Error: TypeError: tool 'give' returned list that is not JSON"),
    ],
)
def test_what_a_tool_returns_is_a_text(value: Any, text: str) -> None:
    def give(number: int) -> Any:
        return value

    async def give_later(number: int) -> Any:
        return value

    give_later.__name__ = "give"

    def give_promise(number: int) -> Any:
        return give_later(number)

    give_promise.__name__ = "give"
    for function in (give, give_later, give_promise):
        (result,) = run(function, '{"number": 1}')
        assert result.text.startswith(text)
        assert result.failed is text.startswith("Error")


def test_equal_calls_of_a_round_are_made_once_and_all_of_them_at_the_same_time() -> None:
    open_at_once: list[int] = []
    running = 0

    async def wait(number: int) -> str:
        nonlocal running
        running += 1
        await asyncio.sleep(0.01)
        open_at_once.append(running)
        return f"{number}"

    results = run(wait, '{"number": 1}', '{"number":1}', '{"number": 2}')
    assert [(result.text, result.remembered) for result in results] == [("1", False), ("1", True), ("2", False)]
    assert open_at_once == [2, 2]


def test_of_a_long_text_no_more_is_kept_than_can_be_used() -> None:
    def much(number: int) -> str:
        return "é" * 3_000_000

    (result,) = run(much, '{"number": 1}', most=512)
    assert (len(result.text), result.characters) == (513, 3_000_000)


@given(st.lists(st.text(max_size=400), min_size=1, max_size=8), st.integers(512, 1500), st.booleans())
def test_shared_texts_keep_their_limit_and_what_is_whole_is_unchanged(
    texts: list[str], limit: int, barred: bool
) -> None:
    shown = quoted if barred else str
    found = shared_out([ToolOutcome(text, len(text)) for text in texts], limit, shown)
    assert sum(longest_bytes(shown(text)) for text in found) <= limit
    for text, kept in zip(texts, found, strict=True):
        assert kept == text or kept.endswith(f"[cut; {len(text):,} characters in all]")
    if sum(longest_bytes(shown(text)) for text in texts) <= limit:
        assert found == texts


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4))
def test_arguments_have_one_spelling(value: dict[str, Any]) -> None:
    spelled = canonical_arguments(json.dumps(value))
    assert spelled is not None
    assert canonical_arguments(spelled) == spelled
    assert canonical_arguments(json.dumps(dict(reversed(value.items())), indent=2)) == spelled


@pytest.mark.parametrize("none", ["[]", "3", "x", '{"a"', "{} {}", '"x"', '{"a": Infinity}', "[" * 9000, '{"a": 1}x'])
def test_what_is_no_object_has_no_spelling(none: str) -> None:
    assert canonical_arguments(none) is None


@pytest.mark.parametrize("none", ["", " ", "null", '""', "{}"])
def test_no_arguments_are_an_empty_object(none: str) -> None:
    assert canonical_arguments(none) == "{}"
