from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apportion.optimizers.tables.table import Table
from apportion.testing.planted import Kind, plant
from benchmarks.proof import kept
from benchmarks.proof.contest import ContestOutcome, Match, hold
from benchmarks.proof.protocol import CONTESTANTS, PLANNED, Protocol
from benchmarks.proof.prove import Evidence, Proof, hidden_texts, of_families, of_models, prove

_PROTOCOL = Protocol(
    questions=120,
    fit=80,
    validation=40,
    replicated=60,
    portfolio=6,
    search_seeds=1,
    control_seeds=1,
    figure_seeds=1,
    orders=1,
    barriers=2,
    draws=30,
    heads=("clusters",),
)
_POOLS = {"mixed": ("plain", "thinker")}


def _table(kind: Kind, questions: int, seed: int, replicates: int = 1) -> Table:
    return replace(plant(kind, questions, seed=seed, replicates=replicates).table, probes=(), unit="weighted")


def _evidence() -> Evidence:
    pair = [of_models(_table("crossing", count, seed, 2), ["plain"]) for count, seed in ((120, 3), (120, 4))]
    return Evidence(
        _table("crossing", 120, 1), _table("crossing", 120, 2), _table("crossing", 60, 5, 4), pair[0], pair[1]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matches")


@pytest.fixture(scope="module")
def proof(folder: Path) -> Proof:
    return _prove(folder)


def _prove(folder: Path) -> Proof:
    evidence = _evidence()
    raw = Evidence(
        *(
            replace(getattr(evidence, name), unit="tokens")
            for name in ("dev", "test", "replicated", "pair_dev", "pair_test")
        )
    )
    return prove(evidence, raw, _POOLS, ("codes",), _PROTOCOL, folder, processes=1)


def test_everything_that_was_planned_is_there(proof: Proof) -> None:
    assert [result.name for result in proof.planned] == [planned.name for planned in PLANNED]
    assert [(standing.pool, standing.unit) for standing in proof.standings] == [
        ("mixed", "weighted"),
        ("clones", "weighted"),
        ("dominated", "weighted"),
        ("mixed", "tokens"),
    ]
    main = proof.standings[0]
    assert {policy.label for policy in main.policies} == {contestant.label for contestant in CONTESTANTS}
    assert set(main.synergy) == {"tight", "middle", "loose"}
    assert main.inexact is not None
    assert {(dose.pool, dose.questions, dose.against) for dose in proof.doses} == {
        (pool, kind, rival)
        for pool in _POOLS
        for kind in ("text tells", "text hides", "family only")
        for rival in ("R→A", "UpFront")
    }
    assert {(gain.pool, gain.label) for gain in proof.controls} == {
        (pool, label) for pool in ("clones", "dominated") for label in ("R→A", "J", "JointSafe")
    }
    assert [gap.cap for gap in proof.gaps] == ["tight", "middle", "loose"]
    assert {share.model for share in proof.nodes} <= {"plain", "thinker"}


def test_a_proof_that_was_stopped_holds_only_what_it_had_not_held(
    proof: Proof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = sorted(folder.glob("match-*.npz"))[3]
    lost.unlink()
    held: list[str] = []

    def counted(match: Match) -> ContestOutcome:
        held.append(match.name)
        return hold(match)

    monkeypatch.setattr(kept, "hold", counted)
    again = _prove(folder)
    assert len(held) == 1
    assert lost.exists()
    assert again.planned == proof.planned
    assert again.standings == proof.standings
    assert again.doses == proof.doses


def test_every_meeting_with_test_questions_is_counted(proof: Proof) -> None:
    matches = len(CONTESTANTS) + 2 * 5 + 10 + 2 + len(_POOLS) * 3 * 3
    assert proof.evaluations == 3 * matches


def test_budgets_rise_from_tight_to_loose(proof: Proof) -> None:
    for budgets in proof.budgets.values():
        assert list(budgets.values()) == sorted(budgets.values())


def test_a_pool_keeps_arms_that_need_no_other_model() -> None:
    table = _table("crossing", 20, 1)
    assert {model for arm in of_models(table, ["plain"]).arms for _, model in arm.models} == {"plain"}
    assert {question.family for question in of_families(table, ["codes", "maps"]).questions} == {"codes", "maps"}


def test_hidden_texts_leave_the_family() -> None:
    table = _table("crossing", 20, 1)
    hidden = hidden_texts(table)
    assert [question.family for question in hidden.questions] == [question.family for question in table.questions]
    assert len({question.text for question in hidden.questions}) == len({q.family for q in table.questions})
    assert np.array_equal(hidden.scores, table.scores)
