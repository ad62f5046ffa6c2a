"""Tokens per second of the embedded models, by how many samples are drawn at once. One thread."""

from __future__ import annotations

import asyncio
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from apportion.models.pocket import PocketModel, load_pocket_models
from apportion.models.request import Request
from apportion.nodes.prompts import dialect_named
from apportion.nodes.prompts.base import Ask, Style
from apportion.tasks.families import generate

_SECONDS = 3.0


async def written(model: PocketModel, batch: int, first_sample: int) -> int:
    """Draws `batch` samples of one question at once; returns how many tokens were written."""
    (task,) = generate("chains", 1, seed=7, difficulty=8)
    prompt = dialect_named(model.card.dialect).solve(Ask(task.question), Style.THINK)
    requests = [
        Request(
            model.card.name, prompt.messages, max_output_tokens=64, temperature=1.0, sample=sample, stop=prompt.stop
        )
        for sample in range(first_sample, first_sample + batch)
    ]
    replies = await asyncio.gather(*(model.complete(request) for request in requests))
    return sum(reply.usage.output_tokens for reply in replies if reply.usage is not None)


async def speed(model: PocketModel, batch: int) -> float:
    """Tokens written per second."""
    await written(model, batch, 0)
    tokens, start, sample = 0, time.perf_counter(), batch
    while time.perf_counter() - start < _SECONDS:
        tokens += await written(model, batch, sample)
        sample += batch
    return tokens / (time.perf_counter() - start)


async def main() -> None:
    """Prints a table of models by batch size."""
    batches = (1, 16, 64)
    print(f"{'tokens written per second, one core':<38}" + "".join(f"{f'batch {batch}':>12}" for batch in batches))
    for model in load_pocket_models():
        speeds = [await speed(model, batch) for batch in batches]
        print(f"{model.card.name:<38}" + "".join(f"{value:>12,.0f}" for value in speeds))
        print(f"{'  relative to batch 1':<38}" + "".join(f"{value / speeds[0]:>11.1f}x" for value in speeds))
        await model.aclose()


if __name__ == "__main__":
    asyncio.run(main())
