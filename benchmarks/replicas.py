"""Runs per second on a model with three endpoints, of which one is dead and one slow, beside the two that answer alone.

The endpoints run in processes of their own, on the loopback interface.

Run it with `python -m benchmarks.replicas [tasks]`. Each line is the best of three rounds; no run may fail.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection

from apportion import Graph, Pool, Solver, Task
from apportion.budgets.books import MemoryStore
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.testing.fault_server import FaultServer

ROUNDS = 3
CONCURRENCY = 16
FAST, SLOW = 0.2, 0.6
"""Seconds before an answer."""


def serve(pipe: Connection, latency: float) -> None:
    """Runs an endpoint until the other side says stop."""
    with FaultServer(reply=lambda body: "Answer: 42", latency=latency) as server:
        pipe.send(server.base_url)
        pipe.recv()


async def measure(urls: Sequence[str], tasks: int) -> tuple[float, int, int]:
    """Runs per second, how many failed, and how many attempts there were beyond one a run."""
    model = OpenAIModel(ModelCard(name="m", concurrency=CONCURRENCY), urls)
    graph = Graph("replicas").add("solve", Solver(style="direct", temperature=0.0, max_output_tokens=16))
    store = MemoryStore()
    async with Runner(graph, Pool([model]), store, at_once=4 * CONCURRENCY) as runner:
        plan = runner.space.default()
        asked = [Task(question=f"What is {number} + {number}?") for number in range(tasks)]
        begun = time.perf_counter()
        results = await asyncio.gather(*(runner.run(task, plan, engine="direct") for task in asked))
        seconds = time.perf_counter() - begun
    failed = sum(result.status.failed for result in results)
    further = sum(len(store.calls(result.run_id)) for result in results) - tasks
    return tasks / seconds, failed, further


def main() -> int:
    """Runs the benchmark; 1 where a run failed."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        urls = []
        for latency in (FAST, SLOW):
            ours, theirs = spawn.Pipe()
            endpoint = spawn.Process(target=serve, args=(theirs, latency))
            endpoint.start()
            stack.callback(endpoint.join)
            stack.callback(ours.send, None)
            urls.append(ours.recv())
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        # Turn and turn about, because the machine may be busier at one time than at another.
        rounds = [[asyncio.run(measure(given, tasks)) for given in (urls, [dead, *urls])] for _ in range(ROUNDS)]
    two, three = (max(each) for each in zip(*rounds, strict=True))
    failed = [sum(each[1] for each in ways) for ways in zip(*rounds, strict=True)]
    ratio = f"{three[0] / two[0]:.2f}x; {three[2]} further attempts"
    print(f"two that answer, one of them slow   {two[0]:6.0f} runs/s, {failed[0]} failed")
    print(f"with a dead one before them         {three[0]:6.0f} runs/s, {failed[1]} failed, {ratio}")
    return 1 if any(failed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
