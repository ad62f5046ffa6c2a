"""The proof from models to findings, with a count of how often its test part was read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from apportion import Pool
from apportion.records.protocols import StudyStore
from apportion.records.rows import StudyRow

from .evidence import DEV_SEED, TEST_SEED, Gathered, gather, study_key
from .findings import Findings
from .measure import OpenStore
from .protocol import Protocol
from .prove import Proof, prove
from .questions import HIDING

__all__ = ["run_proof"]


def run_proof(
    pool: Pool,
    protocol: Protocol,
    folder: Path,
    store: StudyStore,
    open_store: OpenStore,
    *,
    dev_seed: int = DEV_SEED,
    test_seed: int = TEST_SEED,
    processes: int = 2,
    told: Callable[[str], None] = lambda text: None,
) -> Findings:
    """Measures what is missing, holds all matches, and counts the reading of the test part.

    Args:
        pool: the embedded models.
        protocol: the sizes.
        folder: where measured outcomes are kept.
        store: where the count is kept.
        open_store: see `measure`.
        dev_seed: of the generators of fit and validation questions.
        test_seed: of those of test questions.
        processes: how many are at work at once.
        told: is told what is done.

    Raises:
        UsageError: as `gather`.
    """
    started = time.perf_counter()
    gathered = gather(
        pool,
        protocol,
        folder,
        open_store,
        dev_seed=dev_seed,
        test_seed=test_seed,
        processes=processes,
        told=told,
    )
    measured = time.perf_counter() - started
    # Counted before it is read, so that a run that is stopped is counted too.
    reads = _count_reading(store, study_key(pool, protocol, dev_seed, test_seed), protocol)
    proof = prove(
        gathered.evidence, gathered.raw, gathered.pools, HIDING, protocol, folder, processes=processes, told=told
    )
    told(f"matches: {proof.seconds:.0f} s")
    # Findings are published, and folders of one machine say nothing to others.
    name = Path(store.location).name
    return _findings(gathered, proof, protocol, {"dev": dev_seed, "test": test_seed}, reads, measured, name)


def _count_reading(store: StudyStore, study_id: str, protocol: Protocol) -> int:
    known = store.study(f"proof-{study_id}")
    reads = 1 + (known.test_reads if known is not None else 0)
    created = time.time() if known is None else known.created_at
    arguments = json.dumps({"proof": asdict(protocol)}, sort_keys=True)
    store.record(StudyRow(f"proof-{study_id}", "", "", arguments, created, "complete", reads))
    store.flush()
    return reads


def _findings(
    gathered: Gathered,
    proof: Proof,
    protocol: Protocol,
    seeds: dict[str, int],
    reads: int,
    measured: float,
    location: str,
) -> Findings:
    evidence = gathered.evidence
    return Findings(
        protocol=asdict(protocol),
        budgets={unit: dict(budgets) for unit, budgets in proof.budgets.items()},
        pools=dict(gathered.pools),
        arms=len(evidence.test.arms),
        questions={
            "fit": protocol.fit,
            "validation": protocol.validation,
            "test": len(evidence.test.questions),
            "replicated": len(evidence.replicated.questions),
        },
        seeds=seeds,
        planned=proof.planned,
        standings=proof.standings,
        doses=proof.doses,
        controls=proof.controls,
        gaps=proof.gaps,
        nodes=proof.nodes,
        test_reads=reads,
        evaluations=proof.evaluations,
        seconds=proof.seconds,
        measured_seconds=measured,
        stages={**gathered.seconds, "matches": proof.seconds},
        location=location,
    )
