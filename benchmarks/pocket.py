"""Tokens per second of the embedded models, beside ctranslate2 and onnxruntime on the same weights in the same run.

All in float32 with caches of keys and values, in one thread. Time is CPU time, which other work on the machine
disturbs less than it disturbs the clock; each figure is the best of some rounds, in which the runtimes take turns.
Reading is prompts that are all new, with one token written; writing is what further tokens cost.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from apportion.models.pocket import PocketModel, load_pocket_models
from apportion.models.pocket.network import Network, Shape
from apportion.models.pocket.tokenizer import END, PIECES, encode
from apportion.models.request import Request
from apportion.nodes.prompts import dialect_named
from apportion.nodes.prompts.base import Ask, Style
from apportion.tasks.families import generate
from benchmarks.pocket_numpy import NumpyRuntime
from benchmarks.pocket_weights import Arrays, Weights, endless, random_arrays, shipped_arrays

_BATCHES = (1, 16, 64)
_ROUNDS = 5
_PROMPT = 24
_WRITTEN = 40
_TEMPERATURE = 0.8
_COMPARED = 30
_LARGEST = Shape(vocabulary=len(PIECES), width=128, layers=4, heads=4, hidden=344, window=256)


class Runtime(Protocol):
    """What runs a model."""

    name: str

    def write(self, prompts: Sequence[Sequence[int]], length: int, temperature: float) -> list[list[int]]:
        """So many tokens after each of the prompts, which are of one length."""
        ...

    def close(self) -> None:
        """Frees what it holds."""
        ...


def others(weights: Weights) -> Iterator[Runtime]:
    """The other runtimes that are installed."""
    if importlib.util.find_spec("ctranslate2") is not None:
        from benchmarks.pocket_ctranslate2 import CTranslate2Runtime

        yield CTranslate2Runtime(weights)
    if all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime")):
        from benchmarks.pocket_onnxruntime import OnnxRuntime

        yield OnnxRuntime(weights)


def speeds(runtimes: Sequence[Runtime], vocabulary: int, batch: int) -> list[tuple[float, float]]:
    """Tokens read and written per second by each."""
    rng = np.random.default_rng(batch)
    reading = [float("inf")] * len(runtimes)
    whole = [float("inf")] * len(runtimes)

    def seconds(runtime: Runtime, length: int) -> float:
        # New prompts every time, because our engine remembers those it has read.
        prompts = rng.integers(END + 1, vocabulary, (batch, _PROMPT)).tolist()
        return cpu_seconds(lambda: runtime.write(prompts, length, _TEMPERATURE))

    for _ in range(_ROUNDS):
        for place, runtime in enumerate(runtimes):
            reading[place] = min(reading[place], seconds(runtime, 1))
            whole[place] = min(whole[place], seconds(runtime, 1 + _WRITTEN))
    return [(batch * _PROMPT / one, batch * _WRITTEN / (both - one)) for one, both in zip(reading, whole, strict=True)]


def cpu_seconds(work: Callable[[], object]) -> float:
    """The CPU time of this process and its threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def agreement(ours: Runtime, other: Runtime, prompts: Sequence[tuple[list[int], int]]) -> int:
    """How many greedy replies are the same, token by token, over so many tokens each."""
    return sum(
        other.write([prompt], length, 0.0)[0] == ours.write([prompt], length, 0.0)[0] for prompt, length in prompts
    )


def natural_prompts(arrays: Arrays) -> list[tuple[list[int], int]]:
    """Questions with the length of the model's own reply before its end."""
    runtime = NumpyRuntime(arrays)
    tasks = [task for level in (2, 4, 6) for task in generate("chains", _COMPARED // 3, seed=7, difficulty=level)]
    prompts = [encode(_think(task.question)) for task in tasks]
    lengths = [len(runtime.write([prompt], 100, 0.0)[0]) - 1 for prompt in prompts]
    runtime.close()
    return [(prompt, max(1, length)) for prompt, length in zip(prompts, lengths, strict=True)]


def random_prompts(vocabulary: int) -> list[tuple[list[int], int]]:
    """Prompts for random weights, whose replies soon part, because nothing in them is certain."""
    rng = np.random.default_rng(0)
    return [(rng.integers(END + 1, vocabulary, _PROMPT).tolist(), 1) for _ in range(_COMPARED)]


def compare(name: str, arrays: Arrays, prompts: Sequence[tuple[list[int], int]]) -> None:
    """Prints the table of one model."""
    weights = Weights.of(endless(arrays))
    ours = NumpyRuntime(endless(arrays))
    rivals = list(others(weights))
    runtimes: list[Runtime] = [ours, *rivals]
    columns = [speeds(runtimes, weights.shape.vocabulary, batch) for batch in _BATCHES]
    shape = weights.shape
    print(f"{name}: {weights.count():,} weights, {shape.width} wide, {shape.layers} layers")
    _print_row(
        "tokens per second of CPU", [f"batch {batch}: {kind}" for batch in _BATCHES for kind in ("read", "write")]
    )
    for place, runtime in enumerate(runtimes):
        _print_row(runtime.name, [f"{value:,.0f}" for column in columns for value in column[place]])
    if rivals:
        best = [
            [max(column[place][kind] for place in range(1, len(runtimes))) for kind in (0, 1)] for column in columns
        ]
        ratios = [
            column[0][kind] / fastest[kind] for column, fastest in zip(columns, best, strict=True) for kind in (0, 1)
        ]
        _print_row("numpy : the faster other", [f"{ratio:.2f}" for ratio in ratios])
    for rival in rivals:
        print(f"{rival.name}: {agreement(ours, rival, prompts)} of {len(prompts)} greedy replies as numpy's")
        rival.close()
    ours.close()


async def as_model(model: PocketModel) -> None:
    """Prints what a caller of the model gets: samples of one question, from request to reply."""
    (task,) = generate("chains", 1, seed=7, difficulty=8)
    prompt = dialect_named(model.card.dialect).solve(Ask(task.question), Style.THINK)

    async def written(batch: int, first: int) -> float:
        requests = [
            Request(model.card.name, prompt.messages, max_output_tokens=64, temperature=1.0, sample=sample)
            for sample in range(first, first + batch)
        ]
        start = time.process_time()
        replies = await asyncio.gather(*(model.complete(request) for request in requests))
        tokens = sum(reply.usage.output_tokens for reply in replies if reply.usage is not None)
        return tokens / (time.process_time() - start)

    best = [max([await written(batch, batch * turn) for turn in range(_ROUNDS)]) for batch in _BATCHES]
    _print_row("samples of one question", [text for value in best for text in ("", f"{value:,.0f}")])
    await model.aclose()


def _think(question: str) -> str:
    return dialect_named("pocket").solve(Ask(question), Style.THINK).messages[-1].content


def _print_row(name: str, cells: Sequence[str]) -> None:
    print(f"{name:<26}" + "".join(f"{cell:>17}" for cell in cells), flush=True)


def main() -> None:
    """Prints a table for one shipped model of each shape, and for the largest shape if none of it is shipped."""
    if any(importlib.util.find_spec(name) is None for name in ("ctranslate2", "onnx", "onnxruntime")):
        print("without ctranslate2 or onnxruntime; to compare with them: pip install -e '.[bench]'\n")
    seen = set()
    for model in load_pocket_models():
        arrays = shipped_arrays(model.card.name)
        shape = Network(arrays).shape
        if (shape.width, shape.layers) in seen:
            continue
        seen.add((shape.width, shape.layers))
        compare(model.card.name, arrays, natural_prompts(arrays))
        asyncio.run(as_model(model))
        print()
    if (_LARGEST.width, _LARGEST.layers) not in seen:
        compare("random weights", random_arrays(_LARGEST, 0), random_prompts(_LARGEST.vocabulary))


if __name__ == "__main__":
    main()
