"""The embedded models' own runtime, as it serves requests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from apportion.models.pocket.engine import Engine, Job
from apportion.models.pocket.network import Network
from apportion.models.pocket.sampling import uniform_draws
from benchmarks.pocket_weights import Arrays

__all__ = ["NumpyRuntime"]


class NumpyRuntime:
    """Our engine.

    Args:
        arrays: as `Network` takes them.
    """

    name = f"numpy {np.__version__}"

    def __init__(self, arrays: Arrays) -> None:
        self._engine = Engine(Network(arrays))

    def write(self, prompts: Sequence[Sequence[int]], length: int, temperature: float) -> list[list[int]]:
        """So many tokens after each prompt, unless it ends before."""
        jobs = [
            Job(tuple(prompt), length, temperature, uniform_draws("benchmark", prompt, 0, sample, length))
            for sample, prompt in enumerate(prompts)
        ]
        self._engine.submit(jobs)
        return [list(job.done.result().tokens) for job in jobs]

    def close(self) -> None:
        """Ends the engine's thread."""
        self._engine.close()
