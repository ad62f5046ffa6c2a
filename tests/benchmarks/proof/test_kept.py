from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apportion.testing.planted import plant
from benchmarks.proof import kept
from benchmarks.proof.contest import ContestOutcome, Match
from benchmarks.proof.kept import hold_once, match_key
from benchmarks.proof.protocol import Protocol

_PROTOCOL = Protocol(questions=80, fit=60, validation=40, draws=20, portfolio=4, heads=("clusters",))


def _match() -> Match:
    dev, test = (replace(plant("crossing", count, seed=count).table, probes=()) for count in (100, 80))
    return Match("planted", dev, test, {"middle": 250.0}, ("U", "UpFront", "J"), 0, _PROTOCOL, ("clusters",), 2)


def _never(match: Match) -> ContestOutcome:
    raise AssertionError(f"{match.name} was held again")


def test_a_match_is_held_once_and_read_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hold_once(tmp_path / "new", _match())
    monkeypatch.setattr(kept, "hold", _never)
    again = hold_once(tmp_path / "new", _match())
    assert (again.name, again.seed, again.head, again.seconds) == (first.name, first.seed, first.head, first.seconds)
    assert np.isnan(again.inexact)
    for one, other in zip(first.showings, again.showings, strict=True):
        for name in ("score", "cost", "matched"):
            kept_one, read = getattr(one, name), getattr(other, name)
            assert kept_one.estimate == read.estimate
            assert np.array_equal(kept_one.draws, read.draws)
            assert np.array_equal(kept_one.left_out, read.left_out)
        assert (one.label, one.cap, one.served_scores, one.asked) == (
            other.label,
            other.cap,
            other.served_scores,
            other.asked,
        )
    assert [path.suffixes for path in (tmp_path / "new").iterdir()] == [[".npz"]]


def test_all_that_decides_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    match = _match()
    scores = match.test.scores.copy()
    scores[0, 0] = 1 - scores[0, 0]
    assert match.test.confidences is not None
    others = [
        replace(match, seed=1),
        replace(match, orders=1),
        replace(match, exact=True),
        replace(match, labels=("U", "J")),
        replace(match, budgets={"middle": 251.0}),
        replace(match, heads=()),
        replace(match, protocol=replace(_PROTOCOL, portfolio=5)),
        replace(match, test=replace(match.test, scores=scores)),
        replace(match, test=replace(match.test, confidences=match.test.confidences / 2)),
        replace(match, test=replace(match.test, confidences=None)),
        replace(match, dev=match.dev.take(np.arange(99))),
    ]
    keys = [match_key(each) for each in (match, *others)]
    assert len(set(keys)) == len(keys)
    assert match_key(_match()) == keys[0]
    monkeypatch.setattr(kept, "_code", lambda: "other sources")
    assert match_key(match) not in keys
