"""A hard cap under agents: `python -m benchmarks agents [--seconds 60]`.

Programs run 64 agents at once, on a server that fails at random and keeps a provider's books. One tool call in ten
fails after it was billed, some hang, results have any size, and runs are cancelled while calls are under way. The
programs are killed (-9) at random moments and started again. All share a cap in tokens and one in dollars. Printed is
what the server and the tools billed, what the books say, and the caps; each line that must be 0 is a promise, and the
exit status is 1 where one is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apportion import Agent, Cap, Graph, Pool, Task, ToolResult, open_store, priced
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.records import ZERO, AccountRow, Limit
from apportion.testing.fault_server import FaultServer

from .chaos import ROOT, Tally, behaviours

AT_ONCE = 64
CAPS = ((12_000_000, 2_000), (1_000_000, 2_000), (12_000_000, 150))
"""In tokens and in cents: both out of the way, or one of them in it."""
PRICE = 1.0
"""Dollars for a million tokens."""
FEE = 0.002
"""The most that a call of a tool costs, in dollars."""
HANGS = 1.0
"""Seconds that a call takes which hangs; it is given up before."""
TEXTS = ("", "ok", "\n" * 5000, "\ufdfa" * 3000, "Call: fetch {}\nAnswer: no\n" * 400, "x" * 10_000_000)
SHARED = "shared"
CENT = 10**7
"""In billionths of a dollar."""


@dataclass
class AgentTally(Tally):
    """What was tried, and what came of it, in dollars too."""

    calls: int = 0
    billed_usd: float = 0.0
    booked_usd: float = 0.0
    cap_usd: float = 0.0

    def show(self) -> None:
        """Prints it."""
        super().show()
        print(f"dollars  {self.billed_usd:,.4f} billed, {self.calls:,} calls of tools among it")
        print(f"         {self.booked_usd:,.4f} booked, of {self.cap_usd:,.2f}")


def main() -> int:
    """Runs rounds for a time and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=None, help="of what is drawn; printed where it is left out")
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        url, folder, *numbers = arguments.child
        return asyncio.run(child(url, Path(folder), *map(int, numbers)))
    seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
    print(f"seed     {seed}")
    tally, draw, ends = AgentTally(), random.Random(seed), time.monotonic() + arguments.seconds
    while time.monotonic() < ends or not tally.starts:
        for caps in CAPS:
            try_kills(tally, draw, caps, kills=4)
    tally.show()
    return 1 if sum(tally.broken.values()) else 0


def tools_of(folder: Path, chance: random.Random) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Tools that write what they bill into a file, then return, fail, or hang."""
    books = os.open(folder / "billed", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    @priced(usd=FEE)
    def fetch(size: int) -> ToolResult:
        """Fetches."""
        result = bill(size)
        if chance.random() < 0.02:
            time.sleep(HANGS)
        return result

    @priced(usd=FEE)
    async def later(size: int) -> ToolResult:
        """Fetches later."""
        await asyncio.sleep(HANGS if chance.random() < 0.02 else 0.02 * chance.random())
        return bill(size + 1)

    def bill(size: int) -> ToolResult:
        cost = chance.choice((0.0, FEE / 3, FEE))
        os.write(books, f"{cost}\n".encode())
        if chance.random() < 0.1:
            raise OSError("planted")
        return ToolResult(TEXTS[size % len(TEXTS)], usd=cost)

    return fetch, later


async def child(url: str, folder: Path, tasks: int, seed: int, tokens: int, cents: int) -> int:
    """Runs all tasks at once and cancels some."""
    chance = random.Random(seed)
    card = ModelCard(
        name="m", tools=True, concurrency=16, timeout_seconds=0.5, attempts=2,
        input_usd_per_million=PRICE, output_usd_per_million=PRICE,
    )  # fmt: skip
    agent = Agent(
        tools=tools_of(folder, chance), rounds=4, max_output_tokens=300, result_bytes=600, timeout_seconds=0.3
    )
    graph = Graph("agents").add("first", agent).add("second", agent).connect("first", "second", forward="answer")
    with open_store(folder / "agents.db", durable=True) as store:
        async with Runner(graph, Pool([OpenAIModel(card, url)]), store, at_once=AT_ONCE) as runner:
            runner.open_account(AccountRow("tokens", None, Limit("tokens", tokens)))
            runner.open_account(AccountRow(SHARED, "tokens", Limit("usd", cents * CENT)))
            plan, cap = runner.space.default(), Cap(total=cents / 100, unit="usd")
            asked = [Task(question=f"{number} " + "q" * chance.choice((1, 10, 300))) for number in range(tasks)]
            print("begun", flush=True)
            runs = [
                asyncio.ensure_future(runner.run(task, plan, parent_account=SHARED, cap=cap, engine="direct"))
                for task in asked
            ]
            for doomed in chance.sample(runs, tasks // 8):
                asyncio.get_running_loop().call_later(3 * chance.random(), doomed.cancel)
            results = await asyncio.gather(*runs, return_exceptions=True)
    failed = [r for r in results if isinstance(r, Exception)]
    print(json.dumps([type(problem).__name__ for problem in failed]))
    return 1 if failed else 0


def replies(draw: random.Random) -> Callable[[Mapping[str, Any]], str | dict[str, Any]]:
    """A model that calls tools at random, several at once and with arguments of odd sizes."""

    def reply(body: Mapping[str, Any]) -> str | dict[str, Any]:
        count = draw.choice((0, 1, 1, 2, 5, 12))
        if not count or not body.get("tools") or body.get("tool_choice") == "none":
            return "Answer: x" + "y" * draw.choice((0, 5, 900))
        functions = []
        for _ in range(count):
            size = draw.choice((0, 3, 60))
            written = draw.choice((f'{{"size": {draw.randrange(100)}}}', '{"size": "' + "<&>" * size + '"}', "no"))
            functions.append({"name": draw.choice(("fetch", "fetch", "later", "none")), "arguments": written})
        calls = [{"id": f"c{n}", "type": "function", "function": each} for n, each in enumerate(functions)]
        return {"content": None, "tool_calls": calls}

    return reply


def try_kills(
    tally: AgentTally, draw: random.Random, caps: tuple[int, int], *, kills: int, tasks: int = AT_ONCE
) -> None:
    """Kills a program again and again, lets it finish, and compares the books of all sides."""
    with tempfile.TemporaryDirectory() as name, FaultServer(
        behaviours(draw, tally, 0.1), reply=replies(draw), bytes_per_token=2, latency=0.02, retry_after=0.05
    ) as server:  # fmt: skip
        folder, code = Path(name), None
        while code is None or code == -signal.SIGKILL:
            command = [sys.executable, "-m", "benchmarks.agents", "--child", server.base_url, name]
            command += map(str, (tasks, draw.randrange(2**31), *caps))
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            tally.starts += 1
            if kills > 0:
                kills -= 1
                kill_later(process, server, tally, draw.randrange(3 * tasks), draw.uniform(0.0, 0.05))
            out, err = process.communicate(timeout=300)
            code = process.returncode
            if code not in (0, -signal.SIGKILL):
                tally.promise("programs that ended in another way", 1)
                print(f"exit code {code}: {out.strip().splitlines()[-1:]} {err.strip().splitlines()[-1:]}")
        compare(tally, server, folder, *caps)


def kill_later(process: subprocess.Popen[str], server: FaultServer, tally: Tally, more: int, pause: float) -> None:
    """Kills a program some requests from now."""
    wanted = server.requests + more

    def kill() -> None:
        while process.poll() is None and server.requests < wanted:
            time.sleep(0.002)
        time.sleep(pause)
        if process.poll() is None:
            process.kill()
            tally.kills["SIGKILL"] += 1

    threading.Thread(target=kill, daemon=True).start()


def compare(tally: AgentTally, server: FaultServer, folder: Path, tokens: int, cents: int) -> None:
    """The books of all sides, once nobody writes any more."""
    with open_store(folder / "agents.db") as store:
        balance, above = store.balance(SHARED), store.balance("tokens")
    bills = [float(line) for line in (folder / "billed").read_text().split()] if (folder / "billed").exists() else []
    booked = balance.charged + balance.lost
    billed_usd = sum(bills) + server.billed_tokens * PRICE / 1e6
    tally.requests += server.requests
    tally.calls += len(bills)
    tally.billed += server.billed_tokens
    tally.charged += balance.charged.tokens
    tally.lost += balance.lost.tokens
    tally.cap += tokens
    tally.billed_usd += billed_usd
    tally.booked_usd += booked.usd / 1e9
    tally.cap_usd += cents / 100
    tally.promise("tokens billed beyond the books", server.billed_tokens - booked.tokens)
    tally.promise("tokens beyond the cap", booked.tokens - tokens)
    tally.promise("billionths of a dollar billed beyond the books", round(billed_usd * 1e9) - booked.usd)
    tally.promise("billionths of a dollar beyond the cap", booked.usd - cents * CENT)
    tally.promise("accounts that differ", above.charged != balance.charged or above.lost != balance.lost)
    tally.promise("reservations left open", balance.reserved != ZERO)


if __name__ == "__main__":
    sys.exit(main())
