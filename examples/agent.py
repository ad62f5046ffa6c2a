"""An agent with a search and a calculator: how many rounds it needs is found, on an endpoint that is scripted."""

import json
import re
from collections.abc import Mapping
from typing import Any

from apportion import Agent, Cap, Graph, OpenAIModel, Pool, Task, choose, optimize
from apportion.models.card import ModelCard
from apportion.models.tools import ToolCall, calls_as_sent
from apportion.testing.fault_server import FaultServer

PEOPLE = {"Oslo": 718, "Bern": 137, "Riga": 605, "Graz": 303, "Brno": 402, "Lyon": 522, "Turku": 202, "Gent": 267}


def search(town: str) -> str:
    """Finds what is known of a town.

    Args:
        town: its name.
    """
    if town not in PEOPLE:
        raise LookupError(f"nothing is known of {town}")
    return f"{town}: {PEOPLE[town]} thousand people live there, and many more work there."


def calculate(left: int, operation: str, right: int) -> int:
    """Adds or subtracts two numbers; the operation is + or -."""
    return left + right if operation == "+" else left - right


graph = Graph("towns")
graph.add("act", Agent(tools=(search, calculate), rounds=choose(2, 3, 6), max_output_tokens=128, result_bytes=512))


def tasks() -> list[Task]:
    """Questions that need two searches and a calculation."""
    pairs = [(one, two) for one in PEOPLE for two in PEOPLE if one < two]
    return [
        Task(question=f"In thousands, how many live in {one} and {two} together?", gold=str(PEOPLE[one] + PEOPLE[two]))
        for one, two in pairs
    ] + [
        Task(question=f"In thousands, how many more live in {one} than in {two}?", gold=str(PEOPLE[one] - PEOPLE[two]))
        for one, two in pairs
    ]


def reply(body: Mapping[str, Any]) -> str | dict[str, Any]:
    """What the scripted model says: it knows only what it has read, and checks everything once more if it may."""
    question = next(message["content"] for message in body["messages"] if message["role"] == "user")
    results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    one, two = re.findall("|".join(PEOPLE), question)
    known = re.findall(r"(\d+) thousand", "\n".join(results))
    sums = [result.split()[0] for result in results if re.match(r"-?\d", result)]
    if body.get("tool_choice") == "none" or len(sums) > 1:
        return f"Answer: {sums[0]}" if sums else "I don't know."
    if len(known) < 2:
        return calls(("search", {"town": one}), ("search", {"town": two}))
    operation = "+" if "together" in question else "-"
    left, right = (known[1], known[0]) if sums and operation == "+" else (known[0], known[1])
    return calls(("calculate", {"left": int(left), "operation": operation, "right": int(right)}))


def calls(*wanted: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A message that calls tools."""
    made = [ToolCall(name, json.dumps(arguments), f"call_{number}") for number, (name, arguments) in enumerate(wanted)]
    return {"content": None, "tool_calls": calls_as_sent(made)}


def main() -> None:
    """Searches the number of rounds and prints the frontier."""
    with FaultServer(reply=reply) as server:
        card = ModelCard(name="scripted", tools=True, output_cap="max_tokens")
        pool = Pool([OpenAIModel(card, server.base_url)])
        report = optimize(graph, tasks(), pool, cap=Cap(per_task=60_000), spend=8_000_000, policies=())
        for plan in report.frontier:
            rounds = plan.plan["values"]["act.rounds"]
            print(
                f"{plan.validation.score:.2f} for {plan.validation.cost:6.1f} tokens a question, with {rounds} rounds"
            )


if __name__ == "__main__":
    main()
