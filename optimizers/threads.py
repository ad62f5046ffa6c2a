"""One thread for numeric libraries while something is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps BLAS and OpenMP to one thread within the block, so that what is fitted is the same on every machine.

    Sums that are divided among threads differ in their last digits from machine to machine, and even from run to run.
    Tables of a few thousand rows are no work to divide either: where other processes want the cores, threads that wait
    for each other take longer than one alone.
    """
    import sklearn.utils._openmp_helpers  # noqa: F401  loads the libraries, or there would be nothing to limit
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
