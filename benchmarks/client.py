"""Requests per second and CPU per call of the OpenAI-compatible client, 100 at once.

The server runs in a process of its own, on the loopback interface.

Run it with `python benchmarks/client.py [requests]`. Each line is the best of three rounds; ratios are to the bare
client, `AsyncOpenAI.chat.completions.create` over the same transport.
"""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from multiprocessing.connection import Connection
from typing import get_args

import openai

from apportion.models.card import ModelCard
from apportion.models.endpoint import Transport
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.request import ChatMessage, Request
from apportion.testing.fault_server import FaultServer

AT_ONCE = 100
ROUNDS = 3
PROMPT = "Name the river that flows through the town. " * 8


def serve(pipe: Connection) -> None:
    """Runs the server until the other side says stop."""
    with FaultServer() as server:
        pipe.send(server.base_url)
        pipe.recv()


async def measure(call: Callable[[], Awaitable[object]], requests: int) -> tuple[float, float]:
    """Requests per second, and microseconds of CPU per call."""
    await call()
    best = (0.0, 0.0)
    for _ in range(ROUNDS):
        turns = iter(range(requests))
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_work(call, turns) for _ in range(AT_ONCE)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        best = max(best, (requests / wall, cpu / requests * 1e6))
    return best


async def _work(call: Callable[[], Awaitable[object]], turns: Iterator[int]) -> None:
    for _ in turns:
        await call()


async def compare(base_url: str, transport: Transport, requests: int) -> None:
    """Prints the bare client and ours over one transport."""
    make = openai.DefaultAioHttpClient if transport == "aiohttp" else openai.DefaultAsyncHttpxClient
    bare = openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=make())
    card = ModelCard(name="m", concurrency=AT_ONCE)
    model = OpenAIModel(card, base_url, transport=transport)
    request = Request("m", (ChatMessage("user", PROMPT),), 64)

    async def create() -> object:
        return await bare.chat.completions.create(
            model="m", messages=[{"role": "user", "content": PROMPT}], max_completion_tokens=64, temperature=0.0, seed=0
        )

    bare_rate, bare_cpu = await measure(create, requests)
    await bare.close()
    rate, cpu = await measure(lambda: model.complete(request), requests)
    await model.aclose()
    print(f"{transport:8} bare client {bare_rate:6.0f} requests/s {bare_cpu:6.0f} us CPU per call")
    print(
        f"{transport:8} OpenAIModel {rate:6.0f} requests/s {cpu:6.0f} us CPU per call; "
        f"{rate / bare_rate:.2f}x the requests, {cpu / bare_cpu:.2f}x the CPU of the bare client"
    )


def main() -> None:
    """Runs the benchmark."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(theirs,))
    server.start()
    try:
        base_url = ours.recv()
        for transport in get_args(Transport):
            if transport == "aiohttp" and importlib.util.find_spec("aiohttp") is None:
                print("aiohttp  is not installed")
                continue
            asyncio.run(compare(base_url, transport, requests))
    finally:
        ours.send(None)
        server.join()


if __name__ == "__main__":
    main()
