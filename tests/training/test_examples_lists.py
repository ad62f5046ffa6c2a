"""Examples of reading lists, read back as the nodes would read them."""

from __future__ import annotations

import random
import re

import pytest

from apportion.models.pocket.tokenizer import decode
from apportion.nodes.prompts.base import Style
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.tasks.families import share_of
from training.examples import Example
from training.examples_lists import draw_count, draw_solved_records, draw_solved_stock

DIALECT = PocketDialect()
STYLES = list(Style)


def halves(example: Example) -> tuple[str, str]:
    """The prompt, and what the model is to write; the model writes the end only."""
    start = example.written.index(True)
    assert all(example.written[start:])
    return decode(example.tokens[:start]), decode(example.tokens[start:])


@pytest.mark.parametrize("style", [Style.DIRECT, Style.THINK])
def test_codes_are_those_of_the_names_in_the_form_asked_for(style: Style) -> None:
    rng, asked = random.Random(1), set()
    for _ in range(60):
        prompt, text = halves(draw_solved_records(rng, style))
        codes = dict(re.findall(r"([a-z]{4}) ([0-9]{2}[a-z])[,.]", prompt))
        names, joiner = re.search(r"Give (.+) joined by (.)\.$", prompt).groups()  # type: ignore[union-attr]
        looked_up = [codes[name] for name in names.split(", ")]
        assert DIALECT.read_answer(text, style) == joiner.join(looked_up)
        if style is Style.THINK:
            records = [f"{name} {codes[name]}" for name in names.split(", ")]
            assert text.partition("|")[0] == ", ".join(records)
        assert share_of(prompt[1:]) == "training"
        asked.add(len(looked_up))
    assert asked == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("style", STYLES)
def test_stock_adds_up_what_the_passage_says(style: Style) -> None:
    rng, asked = random.Random(1), set()
    for _ in range(60):
        prompt, text = halves(draw_solved_stock(rng, style))
        passage, question = prompt.split("\n")
        stock = dict(re.findall(r"([a-z]{4}) ([0-9]{2})", passage))
        numbers = [int(stock[name]) for name in re.findall(r"\b[a-z]{4}\b", question)]
        assert DIALECT.read_answer(text, style) == f"{sum(numbers) % 100:02d}"
        sums = [sum(numbers[:count]) % 100 for count in range(2, len(numbers) + 1)]
        if style is Style.DRAFT:
            assert [int(word) for word in text.split()] == numbers + sums
        if style is Style.THINK:
            assert [int(step.claimed) for step in DIALECT.steps(text)] == sums
        assert share_of(passage[1:]) == "training"
        asked.add(len(numbers))
    assert asked == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("style", [Style.DIRECT, Style.THINK])
def test_counts_name_every_occurrence(style: Style) -> None:
    rng, lengths = random.Random(1), set()
    for _ in range(200):
        prompt, text = halves(draw_count(rng, style))
        wanted, listed = re.fullmatch(r"[ST]Count ([a-z]) in ([a-z]+)", prompt).groups()  # type: ignore[union-attr]
        count = listed.count(wanted)
        assert DIALECT.read_answer(text, style) == f"{count:02d}"
        if style is Style.THINK:
            assert [int(word) for word in text.split()] == (list(range(1, count + 1)) or [0])
        lengths.add(len(listed))
    assert {10, 20, 40, 80, 160} < lengths
    assert max(lengths) == 160
