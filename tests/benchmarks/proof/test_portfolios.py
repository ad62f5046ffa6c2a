from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.tables.table import Arm, Question, Table
from apportion.testing.planted import plant
from benchmarks.proof.controls import clones
from benchmarks.proof.portfolios import Entry, Kind, portfolio_of, shown, with_whole_vectors

_NODES = ("search", "solve")


def _specialised(questions: int = 400) -> Table:
    """Two nodes and two models: `words` searches well, `sums` solves well; each question needs one of the two."""
    generator = np.random.default_rng(0)
    kinds = generator.integers(2, size=questions)
    arms, chances, costs = [], [], []
    for node in _NODES:
        for model in ("sums", "words"):
            for effort in (1, 2, 4):
                fits = (node == "solve") == (model == "sums")
                right = kinds == (0 if node == "solve" else 1)
                arms.append(Arm(f"{node}-{model}-{effort}", ((node, model),), f"{node}/{effort}"))
                chances.append(np.where(right, (0.5 if fits else 0.2) + 0.1 * effort, 0.05))
                costs.append(np.full(questions, 10.0 * effort))
    scores = (generator.random((questions, len(arms))) < np.column_stack(chances)).astype(float)
    asked = tuple(Question(str(i), "xy"[kind], "ab"[kind]) for i, kind in enumerate(kinds))
    return Table(asked, tuple(arms), scores[:, :, None], np.column_stack(costs)[:, :, None])


@pytest.mark.parametrize("kind", ["free", "static", "route", "allocate"])
@pytest.mark.parametrize("size", [3, 8])
def test_no_portfolio_is_larger_than_allowed(kind: Kind, size: int) -> None:
    entries = portfolio_of(kind, _specialised(), size)
    assert 1 <= len({entry.arm for entry in entries}) <= size
    assert len({entry.shown.name for entry in entries}) == len(entries)


def test_route_gets_whole_settings() -> None:
    table = plant("crossing", 400, seed=1).table
    entries = portfolio_of("route", table, 8)
    settings = [entry.shown.setting for entry in entries]
    assert all(settings.count(setting) == 2 for setting in set(settings)), "both models of every setting"


def test_allocate_may_have_another_model_in_each_node() -> None:
    entries = portfolio_of("allocate", _specialised(), 12)
    best = entries[0].shown.models
    assert best == (("search", "words"), ("solve", "sums"))
    own = [entry for entry in entries if entry.shown.models == best]
    assert {entry.shown.name.split("-")[0] for entry in own} == {"search", "solve"}


def test_an_arm_can_stand_for_several_choices_of_models_and_counts_once() -> None:
    table = _specialised()
    entries = portfolio_of("allocate", table, 12)
    arms = [entry.arm for entry in entries]
    assert len(arms) > len(set(arms))
    seen = shown(table, entries)
    assert seen.scores.shape[1] == len(entries)
    assert np.array_equal(seen.scores[:, 0], table.scores[:, entries[0].arm])


def test_static_gets_the_frontier() -> None:
    table = plant("dominating", 600, seed=1).table
    entries = portfolio_of("static", table, 16)
    scores = table.mean_scores.mean(axis=0)[[entry.arm for entry in entries]]
    costs = table.mean_costs.mean(axis=0)[[entry.arm for entry in entries]]
    assert (np.diff(scores) > 0).all()
    assert (np.diff(costs) > 0).all()
    assert len(portfolio_of("static", table, 2)) == 2
    assert portfolio_of("static", table, 2)[-1].arm == entries[-1].arm, "the best stays"


def test_whole_vectors_name_every_node() -> None:
    entries = with_whole_vectors(portfolio_of("free", _specialised(), 6), _NODES)
    assert {entry.shown.models for entry in entries} <= {
        (("search", model), ("solve", model)) for model in ("sums", "words")
    }


def test_clones_are_arms_of_their_own() -> None:
    table = plant("crossing", 100, replicates=2, seed=1).table
    plain = table.with_arms(range(4))
    twins = clones(plain)
    assert len(twins.arms) == 8
    assert {model for arm in twins.arms for _, model in arm.models} == {"plain", "plain-twin"}
    assert twins.scores.shape[2] == 1
    assert not np.array_equal(twins.scores[:, :4], twins.scores[:, 4:])
    with pytest.raises(UsageError, match="two replicates"):
        clones(replace(plain, scores=plain.scores[:, :, :1], costs=plain.costs[:, :, :1], confidences=None))


def test_what_shows_of_answers_goes_with_the_arms() -> None:
    table = plant("crossing", 20, seed=1).table
    answers = np.arange(20 * 8).reshape(20, 8, 1)
    table = replace(table, answers=answers, abstained=np.zeros(table.scores.shape))
    entries = (Entry(5, table.arms[5]), Entry(2, table.arms[2]), Entry(5, replace(table.arms[5], name="again")))
    seen = shown(table, entries)
    assert seen.answers is not None
    assert seen.confidences is not None
    assert table.confidences is not None
    assert np.array_equal(seen.answers, answers[:, [5, 2, 5]])
    assert np.array_equal(seen.confidences, table.confidences[:, [5, 2, 5]])
    assert [arm.name for arm in seen.arms] == [table.arms[5].name, table.arms[2].name, "again"]
