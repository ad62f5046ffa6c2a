from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import numpy as np
import pytest

from apportion.models.pocket.engine import Engine, Job, Written
from apportion.models.pocket.network import Network


@pytest.fixture
def engine() -> Iterator[Engine]:
    with (files("apportion.models.pocket.weights") / "pocket-30k.npz").open("rb") as stream, np.load(stream) as arrays:
        engine = Engine(Network(dict(arrays)), rows=4)
    yield engine
    engine.close()


def job(*tokens: int, cap: int = 5) -> Job:
    return Job(tokens, cap, 0.0, np.empty(0))


def test_more_jobs_than_rows_all_end(engine: Engine) -> None:
    jobs = [job(40 + n % 3, 5, 6, cap=1 + n % 7) for n in range(30)]
    engine.submit(jobs)

    for one in jobs:
        assert 1 <= len(one.done.result(timeout=20).tokens) <= one.cap


def test_a_fault_reaches_everyone_who_waits_and_the_engine_goes_on(engine: Engine) -> None:
    wrong = job(10**6)
    engine.submit([wrong])
    with pytest.raises(IndexError):
        wrong.done.result(timeout=20)

    right = job(40, 5, 6)
    engine.submit([right])
    assert right.done.result(timeout=20).tokens


def test_a_fault_among_samples_of_one_prompt_reaches_each_of_them(engine: Engine) -> None:
    def fails(written: Written) -> None:
        raise RuntimeError(f"token {written.token} came")

    # Equal in everything that comes before the draws, which as arrays cannot be compared.
    samples = [Job((40, 5, 6), 200, 1.0, np.full(200, 0.5), watch=watch) for watch in (None, None, fails)]
    engine.submit(samples)

    for one in samples:
        with pytest.raises(RuntimeError):
            one.done.result(timeout=20)


def test_a_cancelled_job_is_not_started(engine: Engine) -> None:
    dropped, kept = job(40, 5), job(40, 6)
    dropped.done.cancel()
    engine.submit([dropped, kept])

    assert kept.done.result(timeout=20).tokens
    assert dropped.written == []


def test_closing_waits_for_the_jobs_at_hand(engine: Engine) -> None:
    jobs = [job(40, n, cap=30) for n in range(3, 9)]
    engine.submit(jobs)
    engine.close()

    assert all(one.done.done() for one in jobs)
