"""What kills, faults and hostile inputs do to the books: `make chaos`, or `python -m benchmarks.chaos [--seconds 200]`.

Programs ask a server that fails at random and keeps a provider's books. They are killed at random moments and started
again until they are done; databases are damaged, and deleted while they are in use. Printed is what the server billed,
what the books say, and the cap; each line that must be 0 is a promise, and the exit status is 1 where one is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apportion import Graph, Pool, Solver, Task, open_store
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.records import ZERO, AccountRow, Limit, Status
from apportion.testing.fault_server import Behaviour, FaultServer
from apportion.testing.model import HOSTILE_TEXTS

TASKS = 40
CAP = 200_000
CONCURRENCY = 8
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
FAULTS = [each for each in Behaviour if each not in (Behaviour.OK, Behaviour.OVERRUN, Behaviour.UNAUTHORIZED)]
"""All but those after which a model is rightly not called again."""
INPUTS = ("\x1b]0;x\x07\x1b[2J", "\x00", "\u202e", "<think>", "{" * 9000, "9" * 9000, *HOSTILE_TEXTS)
ROOT = Path(__file__).resolve().parent.parent
AGAIN = (Status.PROVIDER_ERROR, Status.TIMEOUT, Status.CANCELLED, Status.UNKNOWN)
"""What another try may mend; whatever a model said is settled."""
DEAD = "http://127.0.0.1:9/v1"
"""An endpoint at which nobody listens."""
FAILED = 3
"""The exit code of a program that was not killed, but some of whose questions met faults only."""


@dataclass
class Tally:
    """What was tried, and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    inputs: int = 0
    requests: int = 0
    billed: int = 0
    charged: int = 0
    lost: int = 0
    cap: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    """By promise, how often it was broken."""

    def promise(self, name: str, broken: int) -> None:
        """Notes how often a promise was broken."""
        self.broken[name] += max(0, broken)

    def show(self) -> None:
        """Prints it."""
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        print(f"tried    {self.starts} programs, {sum(self.kills.values())} kills ({kills})")
        print(f"         {sum(self.faults.values())} faults of {len(self.faults)} kinds, {self.inputs} hostile texts")
        print(f"billed   {self.billed:,} tokens for {self.requests:,} requests")
        print(f"booked   {self.charged:,} charged, {self.lost:,} lost")
        print(f"cap      {self.cap:,}")
        for name, count in self.broken.items():
            print(f"{count:<8} {name}")


def main() -> int:
    """Runs rounds for a time and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=200.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=None, help="of what is drawn; printed where it is left out")
    parser.add_argument("--child", nargs=3, metavar=("URL", "DB", "TASKS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        url, path, tasks = arguments.child
        return asyncio.run(child(url, path, int(tasks)))
    seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
    print(f"seed     {seed}")
    tally, draw, ends = Tally(), random.Random(seed), time.monotonic() + arguments.seconds
    while time.monotonic() < ends or not tally.starts:
        try_kills(tally, draw, ends)
        try_damage(tally, draw)
        try_deletion(tally, draw)
    tally.show()
    return 1 if sum(tally.broken.values()) else 0


async def child(url: str, path: str, tasks: int) -> int:
    """Answers all tasks, and says of each that its answer is on the books, and whether all calls for it are."""
    card = ModelCard(name="m", concurrency=CONCURRENCY, timeout_seconds=0.5, attempts=2)
    graph = Graph("chaos").add("solve", Solver(style="think", samples=3, temperature=0.7, max_output_tokens=64))
    failed = 0
    with open_store(path, durable=True) as store:
        model = OpenAIModel.on(card, [Endpoint(each) for each in url.split(",")])
        async with Runner(graph, Pool([model]), store, at_once=16) as runner:
            account = runner.open_account(AccountRow("chaos", None, Limit("tokens", CAP), "paid"))
            plan = runner.space.default()

            async def answer(number: int) -> None:
                nonlocal failed
                task = Task(question=question(number))
                result = await runner.run(task, plan, parent_account=account, engine="direct")
                store.flush()
                if result.status not in AGAIN:
                    settled = all(call.outcome is Status.OK for call in store.calls(result.run_id))
                    print(json.dumps([number, result.answer, settled]), flush=True)
                else:
                    failed += 1

            await asyncio.gather(*(answer(number) for number in range(tasks)))
    return FAILED if failed else 0


def question(number: int) -> str:
    """Of a task; no question is part of another."""
    return f"What is {number:03} + {number:03}?"


def behaviours(draw: random.Random, tally: Tally, share: float) -> Iterator[Behaviour]:
    """One request in some goes wrong."""
    while True:
        if draw.random() < share:
            fault = draw.choice(FAULTS)
            tally.faults[fault.value] += 1
            yield fault
        else:
            yield Behaviour.OK


def replies(draw: random.Random, tally: Tally) -> Any:
    """The text of a reply: mostly an answer, sometimes with what may break a reader, a terminal or a database."""

    def reply(body: Mapping[str, Any]) -> str:
        number = int(body["messages"][-1]["content"].partition("What is ")[2][:3])
        hostile = draw.random() < 0.1
        tally.inputs += hostile
        return (draw.choice(INPUTS) if hostile else "") + f"\nAnswer: {2 * number}"

    return reply


def start(url: str, path: Path, tasks: int) -> subprocess.Popen[str]:
    """Starts a program that answers all tasks."""
    command = [sys.executable, "-m", "benchmarks.chaos", "--child", url, str(path), str(tasks)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def try_kills(tally: Tally, draw: random.Random, ends: float, *, kills: int = 12, tasks: int = TASKS) -> None:
    """Kills a program again and again, lets it finish, and compares both sides' books."""
    told: dict[int, str] = {}
    settled: set[int] = set()
    with tempfile.TemporaryDirectory() as folder, FaultServer(
        behaviours(draw, tally, 0.15), reply=replies(draw, tally), bytes_per_token=2, latency=0.03, retry_after=0.05
    ) as server:  # fmt: skip
        path = Path(folder) / "chaos.db"
        code: int | None = None
        while code != 0:
            before = len(server.received)
            # Two replicas, and one that is down.
            process = start(",".join((server.base_url, server.base_url, DEAD)), path, tasks)
            tally.starts += 1
            if kills > 0 and time.monotonic() < ends:
                kill_later(process, server, tally, draw, tasks)
                kills -= 1
            out, err = process.communicate(timeout=120)
            code = process.returncode
            asked = [json.dumps(request.body) for request in server.received[before:]]
            again = [number for number in settled if any(question(number) in body for body in asked)]
            tally.promise("repeated payments", len(again))
            for line in out.splitlines():
                number, answer, whole = json.loads(line)
                tally.promise("lost answers", number in settled and told[number] != answer)
                told[number] = answer
                settled |= {number} if whole else set()
            if code not in (0, FAILED, 130, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL):
                tally.promise("programs that ended in another way", 1)
                print(f"exit code {code}: {err.strip().splitlines()[-1:]}")
                break
        tally.promise("lost answers", tasks - len(told))
        compare(tally, server, path)


def kill_later(
    process: subprocess.Popen[str], server: FaultServer, tally: Tally, draw: random.Random, tasks: int
) -> None:
    """Kills a program while it starts, asks, or ends."""
    number, wanted = draw.choice(SIGNALS), server.requests + draw.randrange(2 * tasks)
    pause = draw.uniform(0.0, 0.05)

    def kill() -> None:
        while process.poll() is None and server.requests < wanted:
            time.sleep(0.002)
        time.sleep(pause)
        if process.poll() is None:
            process.send_signal(number)
            tally.kills[number.name] += 1

    threading.Thread(target=kill, daemon=True).start()


def compare(tally: Tally, server: FaultServer, path: Path) -> None:
    """Both sides' books, once nobody writes any more."""
    with open_store(path) as store:
        balance = store.balance("chaos")
    with closing(sqlite3.connect(path)) as books:
        ((twice,),) = books.execute(
            "SELECT count(*) - count(DISTINCT request_key || sample_index) FROM call "
            "WHERE charged_tokens > 0 AND NOT cached"
        )
        ((charged, lost),) = books.execute(
            "SELECT coalesce(sum(charged_tokens > 0), 0), coalesce(sum(lost_tokens > 0), 0) FROM reservation "
            "WHERE NOT cached"
        )
    booked = balance.charged.tokens + balance.lost.tokens
    tally.requests += server.requests
    tally.billed += server.billed_tokens
    tally.charged += balance.charged.tokens
    tally.lost += balance.lost.tokens
    tally.cap += CAP
    tally.promise("repeated payments", twice)
    tally.promise("tokens billed beyond the books", server.billed_tokens - booked)
    tally.promise("tokens beyond the cap", booked - CAP)
    tally.promise("calls lost that were not sent", charged + lost - server.requests)
    tally.promise("reservations left open", balance.reserved != ZERO)


def try_damage(tally: Tally, draw: random.Random, *, tasks: int = TASKS) -> None:
    """Writes noise into a database that was closed in order: it is refused before anything is sent, or goes on."""
    with tempfile.TemporaryDirectory() as folder, FaultServer(reply=replies(draw, tally)) as server:
        path = Path(folder) / "chaos.db"
        start(server.base_url, path, tasks).communicate()
        data, sent = path.read_bytes(), server.requests
        place, size = draw.randrange(100, len(data) - 4096), draw.choice((1, 64, 4096))
        path.write_bytes(data[:place] + draw.randbytes(size) + data[place + size :])
        process = start(server.base_url, path, tasks)
        process.communicate()
        tally.starts += 2
        tally.promise("calls sent on damaged books", server.requests - sent if process.returncode else 0)


def try_deletion(tally: Tally, draw: random.Random, *, tasks: int = TASKS) -> None:
    """Deletes a database in use: the program ends with an error, and sends no more than was under way."""
    with tempfile.TemporaryDirectory() as folder, FaultServer(latency=0.05, reply=replies(draw, tally)) as server:
        path = Path(folder) / "chaos.db"
        process = start(server.base_url, path, tasks)
        server.wait_for(draw.randrange(1, tasks), seconds=60)
        path.unlink()
        sent = server.requests
        process.communicate(timeout=60)
        tally.starts += 1
        tally.promise("calls sent after the books were deleted", server.requests - sent - CONCURRENCY)
        tally.promise("programs that did not notice that the books were deleted", process.returncode == 0)


if __name__ == "__main__":
    sys.exit(main())
