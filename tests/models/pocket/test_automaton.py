from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apportion.models.pocket.automaton import Automaton
from apportion.models.pocket.schemas import terms_of
from apportion.models.pocket.tokenizer import END, PIECES, encode

from .schema_cases import schemas


def automaton(schema: Any) -> Automaton:
    return Automaton(terms_of(json.dumps(schema)))


def written(held: Automaton, cap: int, choose: Any) -> tuple[str, int, list[int]]:
    """What comes of choices: the text, how many tokens it takes, and what was read on the way."""
    move = held.start
    units, read = list(move.units), list(move.read)
    while move.state.leaf is not None:
        moves = held.moves(move.state)
        allowed = np.flatnonzero(held.allowed(move.state, moves, cap - len(units)))
        move = moves[choose(allowed.tolist())]
        units += move.units
        read += move.read
    return "".join(text for _, text in units), len(units), read


def follow(schema: Any, *pieces: str, cap: int = 200) -> str:
    """The text where these are chosen, and the first that is allowed once they have all been."""
    waiting = [END if piece == "END" else PIECES.index(piece) for piece in pieces]

    def choose(allowed: list[int]) -> int:
        if not waiting:
            return END if END in allowed else allowed[0]
        assert waiting[0] in allowed, (PIECES[waiting[0]], [PIECES[token] for token in allowed])
        return waiting.pop(0)

    return written(automaton(schema), cap, choose)[0]


@settings(max_examples=300)
@given(schemas(), st.integers(0, 60), st.integers(0, 2**32))
def test_whatever_is_chosen_it_is_json_of_the_schema_within_the_cap(schema: Any, more: int, seed: int) -> None:
    held = automaton(schema)
    text, tokens, _ = written(held, held.least + more, random.Random(seed).choice)

    assert tokens <= held.least + more
    Draft202012Validator(schema).validate(json.loads(text))


@settings(max_examples=100)
@given(schemas(), st.integers(0, 2**32))
def test_what_the_model_reads_takes_no_more_tokens_than_what_is_written(schema: Any, seed: int) -> None:
    held = automaton(schema)
    _, tokens, read = written(held, 400, random.Random(seed).choice)
    assert len(read) <= tokens


def test_a_zero_before_a_digit_is_chosen_and_not_written() -> None:
    number = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}}}
    assert follow(number, "0", "7", "END") == '{"n":7}'
    assert follow(number, "0", "0", "END") == '{"n":0}'
    assert follow(number, "4", "0") == '{"n":40}'
    assert follow({"type": "object", "properties": {"n": {"type": "number"}}}, "0", ".", "5", "END") == '{"n":0.5}'


def test_pieces_of_several_characters_are_tokens_too() -> None:
    names = {"type": "object", "properties": {"who": {"enum": ["kemo", "kela", "lato"]}}}
    assert follow(names, "ke", "mo") == '{"who":"kemo"}'
    assert follow(names, "k", "la") == '{"who":"kela"}'
    assert follow(names, "l") == '{"who":"lato"}'


def test_options_are_chosen_by_the_characters_that_models_know() -> None:
    currency = {"type": "object", "properties": {"c": {"enum": ["EUR", "USD", "eur", None, 1, "1"]}}}
    assert follow(currency, "u") == '{"c":"USD"}'
    assert follow(currency, "e") == '{"c":"eur"}'
    assert follow(currency, "\ufffd") == '{"c":"EUR"}'
    assert follow(currency, "n") == '{"c":null}'
    assert follow(currency, "1") == '{"c":1}'


def test_of_options_that_cannot_be_told_apart_the_first_is_there() -> None:
    assert follow({"enum": ["\u00e9", "\u00e8"]}) == '"\u00e9"'


def test_a_list_goes_on_behind_a_separator_and_ends_with_the_reply() -> None:
    codes = {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 3}
    assert follow(codes, "1", "2", "k", "/", "4", "7", "b", "END") == '["12k","47b"]'
    assert follow(codes, "a", "/", "/", "b", "END", "END") == '["a","b"]'
    assert follow(codes, "END", "END") == '[""]'


def test_a_value_of_several_sorts_is_of_the_first_that_begins_so() -> None:
    value = {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}
    assert follow(value, "4", "END") == "4"
    assert follow(value, "n", "END") == '"n"'
    assert follow({"anyOf": [{"type": "null"}, {"type": "string"}]}, "n") == "null"


def test_letters_of_a_puzzle_are_read_as_the_models_write_them() -> None:
    held = automaton({"type": "object", "properties": {"a": {"enum": [1, 2]}, "b": {"enum": [1, 2]}}})
    text, _, read = written(held, 99, max)
    assert text == '{"a":2,"b":2}'
    assert read == encode("a=2 b=")


def test_an_answer_behind_other_values_is_given_anew() -> None:
    held = automaton({"type": "object", "properties": {"steps": {"type": "string"}, "answer": {"type": "integer"}}})
    move = held.moves(held.start.state)[END]
    assert (move.anew, move.read, "".join(text for _, text in move.units)) == (True, (), '","answer":')


def test_what_is_kept_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apportion.models.pocket.automaton._MOST_STATES", 5)
    held = automaton({"type": "object", "properties": {"s": {"type": "string", "maxLength": 30}}})
    for seed in range(5):
        text, _, _ = written(held, 99, random.Random(seed).choice)
        assert len(json.loads(text)["s"]) <= 30
    assert len(held._states) <= 5
