"""Small Python functions, graded by tests that run what the model wrote: a metric of one's own.

The embedded models write no code, so recorded replies answer: python examples/code_graded.py
To ask a model of your own, give it a pool file:              python examples/code_graded.py POOL.toml

Running what a model wrote is your own responsibility. The limits below (time, memory, no files, no further processes)
stop accidents, not attacks: the code still runs as you. For models or prompts that you do not trust, run it in a
container or a virtual machine without a network. Needs Linux.
"""

import asyncio
import functools
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from apportion import Cap, Graph, Pool, Prompt, Solver, Task, choose, load_tasks, optimize
from apportion.testing.recorded import RecordedEndpoint

DATA = Path(__file__).parent / "data"
SECONDS = 1
RUNNER = f"""
import resource, sys
for limit, value in (
    (resource.RLIMIT_CPU, {SECONDS}),
    (resource.RLIMIT_AS, 512 * 1024**2),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_NPROC, 0),
):
    resource.setrlimit(limit, (value, value))
exec(compile(sys.stdin.read(), "answer", "exec"), {{"__name__": "answer"}})
"""
"""The process sets its own limits before it reads any of the code; it cannot raise them again."""


@functools.cache
def holds(code: str, tests: str) -> bool:
    """Whether the tests run to their end after the code, in a process of its own."""
    # Not 0: code that ends the process early must not pass for code whose tests have run.
    passed = random.randint(64, 120)
    program = f"{code}\n{tests}\nraise SystemExit({passed})\n"
    with TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", RUNNER],
                input=program.encode(),
                cwd=empty,
                env={},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=5 * SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == passed


async def passes(task: Task, answer: str) -> float:
    """The metric: 1 where the code passes the task's tests, which are its gold answer."""
    return float(await asyncio.to_thread(holds, answer, task.gold))


graph = Graph("code")
graph.add(
    "write",
    Solver(
        output="code",
        prompt=choose(
            Prompt("A Python function.", name="plain"),
            Prompt("Mind the edge cases: empty input, negative numbers, repeated values.", name="edges"),
        ),
        style=choose("direct", "think"),
        temperature=0.0,
        max_output_tokens=256,
    ),
)


def main(pool: Pool) -> None:
    """Searches prompt and style on 32 functions; prints the frontier, and a function that the policy writes."""
    if not holds("number = 1", "assert number == 1"):
        sys.exit("this system does not admit the limits in RUNNER, so right code would score 0; run this on Linux")
    tasks = load_tasks(DATA / "functions.jsonl")
    report = optimize(graph, tasks, pool, cap=Cap(total=30_000), spend=100_000, metric="code_graded:passes")
    for plan in report.frontier:
        values = plan.plan["values"]
        setting = f"prompt {values['write.prompt']}, style {values['write.style']}"
        print(f"{plan.validation.score:.2f} for {plan.validation.cost:5.1f} tokens a question: {setting}")
    if report.policy is not None:
        print(report.policy.invoke(tasks[0]).answer)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Pool.from_toml(sys.argv[1]))
    else:
        with RecordedEndpoint(DATA / "functions.replies.jsonl") as endpoint:
            main(Pool([endpoint.model()]))
