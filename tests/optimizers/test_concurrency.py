from __future__ import annotations

from threadpoolctl import threadpool_info

from apportion.optimizers.concurrency import one_thread


def threads() -> dict[str, int]:
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


def test_fits_run_on_one_thread_and_what_follows_on_as_many_as_before() -> None:
    with one_thread():
        first = threads()
        with one_thread():
            pass
        assert threads() == first
    before = threads()
    with one_thread():
        within = threads()
    assert within
    assert set(within.values()) == {1}
    assert threads() == before
