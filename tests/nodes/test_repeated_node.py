"""The knobs of repetition, the same on every kind that has them."""

from __future__ import annotations

import pytest

from apportion.errors import GraphError
from apportion.nodes import Agent, Decomposer, Merger, Search, Solver, SymbolicSolver, Verifier, adaptive, choose
from apportion.nodes.repeated_node import REPETITION, RepeatedNode, most_draws, redraws_of, times_of, vote_of


def look(query: str) -> str:
    return query


KINDS: dict[type[RepeatedNode], dict[str, object]] = {
    Solver: {},
    Decomposer: {},
    Merger: {},
    Search: {"retriever": "docs"},
    SymbolicSolver: {},
    Verifier: {"method": "score"},
    Agent: {"tools": (look,)},
}
EACH = pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)


def made(config: type[RepeatedNode], **settings: object) -> RepeatedNode:
    return config.model_validate({"model": "m", **KINDS[config], **settings})


@EACH
@pytest.mark.parametrize(
    ("settings", "idle"),
    [
        ({"temperature": 0.7}, {"vote", "stop", "redraws"}),
        ({"temperature": 0.7, "samples": 3}, {"stop", "redraws"}),
        ({"temperature": 0.7, "samples": adaptive(1, 3)}, {"redraws"}),
        ({"temperature": 0.7, "red_flags": ["hedged"]}, {"stop"}),
        ({"temperature": 0.7, "red_flags": ["hedged"], "redraws": 0}, {"stop", "vote"}),
        ({"temperature": 0.7, "red_flags": ["unread"], "samples": adaptive(2, 4)}, set()),
        ({"temperature": 0.0}, REPETITION),
        ({"temperature": 0.7, "samples": choose(1, 3)}, {"stop", "redraws"}),
        ({"temperature": choose(0.0, 0.7), "samples": adaptive(1, 4)}, {"redraws"}),
    ],
)
def test_knobs_that_make_no_difference_are_idle(
    config: type[RepeatedNode], settings: dict[str, object], idle: set[str]
) -> None:
    assert made(config, **settings).idle_knobs() & REPETITION == idle


@EACH
def test_what_is_left_at_its_default_leaves_the_canonical_form_as_it_was(config: type[RepeatedNode]) -> None:
    added = {"red_flags", "redraws"} | (set() if config is Solver else {"samples", "vote", "stop"})
    assert not added & made(config).canonical().keys()
    vote = "majority" if config is Verifier else "confidence"
    settings = {"samples": 3, "vote": vote, "stop": "agree_2", "red_flags": ["unread"], "redraws": 1}
    said = made(config, temperature=0.7, **settings).canonical()
    assert {name: said[name] for name in settings} == settings


@EACH
def test_settings_that_cannot_go_together_are_refused_and_the_remedy_is_named(config: type[RepeatedNode]) -> None:
    with pytest.raises(GraphError, match=r"samples: at temperature 0 .* set temperature=0\.7 or samples=1"):
        made(config, samples=3, temperature=0.0)
    with pytest.raises(GraphError, match=r"red_flags: at temperature 0 .* set temperature=0\.7"):
        made(config, red_flags=["unread"], temperature=choose(0.0))
    with pytest.raises(GraphError, match="begin at 1"):
        made(config, samples=adaptive(0, 3), temperature=0.7)
    for wrong in ({"samples": 0}, {"redraws": -1}, {"samples": 10_001}, {"redraws": 10_001}, {"vote": "all"}):
        with pytest.raises(GraphError):
            made(config, temperature=0.7, **wrong)


def test_texts_have_no_votes_that_could_end_the_drawing() -> None:
    with pytest.raises(GraphError, match="samples of a search node: adaptive"):
        Search(retriever="docs", samples=adaptive(1, 3), temperature=0.7, output="text")
    assert vote_of(Search(retriever="docs", samples=3, temperature=0.7, output="text")) == "first"


def test_how_often_it_draws() -> None:
    plain = Decomposer(temperature=0.7, samples=adaptive(2, 5))
    assert (times_of(plain), redraws_of(plain), most_draws(plain)) == (adaptive(2, 5), 0, 5)
    strict = Decomposer(temperature=0.7, samples=3, red_flags=("unread",), redraws=4)
    assert (times_of(strict), redraws_of(strict), most_draws(strict)) == (3, 4, 7)
    cold = strict.model_copy(update={"temperature": 0.0})
    assert (times_of(cold), redraws_of(cold), most_draws(cold)) == (1, 0, 1)


def test_only_knobs_of_the_method_are_open() -> None:
    opened = {"samples": choose(1, 3), "stop": choose("beta", "agree_2"), "temperature": 0.7}
    assert set(Decomposer(method="slices", **opened).open_knobs(("m",))) == set()  # type: ignore[arg-type]
    assert set(Decomposer(model="m", **opened).open_knobs(("m",))) == {"samples", "stop"}  # type: ignore[arg-type]
    assert set(Verifier(**opened).open_knobs(("m",))) == set()  # type: ignore[arg-type]
