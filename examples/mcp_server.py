"""An agent with a tool of an MCP server, which costs something, and one of its own, under a cap in dollars."""

import re
import sys
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from agent import calls

from apportion import Agent, Cap, Graph, McpTools, OpenAIModel, Pool, Task
from apportion.models.card import ModelCard
from apportion.testing.fault_server import FaultServer

SERVER = Path(__file__).with_name("towns_server.py")
TOWNS = {"Oslo": 718, "Bern": 137, "Riga": 605, "Graz": 303, "Brno": 402, "Lyon": 522}


def add(left: int, right: int) -> int:
    """Adds two numbers."""
    return left + right


towns = McpTools(command=(sys.executable, str(SERVER)), usd_per_call=0.001)
graph = Graph("towns").add("act", Agent(tools=(towns, add), rounds=4, max_output_tokens=128, result_bytes=512))


def tasks() -> list[Task]:
    """Questions that need two calls of the server, and a sum."""
    return [
        Task(question=f"In thousands, how many live in {one} and {two} together?", gold=str(TOWNS[one] + TOWNS[two]))
        for one, two in combinations(TOWNS, 2)
    ]


def reply(body: Mapping[str, Any]) -> str | dict[str, Any]:
    """What the scripted model says; it knows only what it has read."""
    question = next(message["content"] for message in body["messages"] if message["role"] == "user")
    results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    known = re.findall(r"(\d+) thousand", "\n".join(results))
    if len(results) == 3:
        return f"Answer: {results[2].split()[0]}"
    if len(known) == 2:
        return calls(("add", {"left": int(known[0]), "right": int(known[1])}))
    return calls(*(("people", {"town": town}) for town in re.findall("|".join(TOWNS), question)))


def main() -> None:
    """Asks all questions, on an endpoint that is scripted, and prints what they cost."""
    card = ModelCard(
        name="scripted", tools=True, output_cap="max_tokens", input_usd_per_million=1.0, output_usd_per_million=4.0
    )
    with FaultServer(reply=reply) as endpoint, towns.kept():  # one MCP server for all runs
        pool = Pool([OpenAIModel(card, endpoint.base_url)])
        results = [(task, graph.run(task, pool=pool, cap=Cap(total=0.10, unit="usd"))) for task in tasks()]
    right = sum(result.answer == task.gold for task, result in results)
    dollars = sum(result.charged.usd for _, result in results) / 1e9
    print(
        f"{right} of {len(results)} right; {dollars:.3f} USD, of which the calls of the server cost {2e-3 * right:.3f}"
    )


if __name__ == "__main__":
    main()
