"""Summaries that no gold answer fits: a second model grades them, and what it is paid counts like every other call.

The models are scripted, at an endpoint on this machine: a writer whose summaries keep as many facts as its prompt asks
for, and a judge that counts the facts that it finds, not always the same way.
"""

import random
import re
from collections.abc import Mapping
from itertools import product
from typing import Any

from apportion import Cap, Graph, Judge, OpenAIModel, Pool, Prompt, Solver, Task, choose, optimize
from apportion.models.card import ModelCard
from apportion.testing.fault_server import FaultServer

TOWNS = ("Bern", "Brno", "Gent", "Graz", "Lyon", "Oslo", "Riga", "Turku")
WORKS = ("a bridge", "a library", "two ferries", "a market hall", "tram rails")

short = Prompt("Summarize the minutes in one line.", name="short")
facts = Prompt("Summarize the minutes. Say who decided what, what it costs and when it ends.", name="facts")
graph = Graph("minutes")
graph.add(
    "summarize",
    Solver(
        model="writer", prompt=choose(short, facts), output="text", style="direct", max_output_tokens=choose(24, 96)
    ),
)
rubric = Prompt(
    "Grade the summary of these minutes by what it keeps of them: who, what, the cost, and the end of the work. A "
    "summary is not better for being longer.\n\nMinutes:\n{question}\n\nSummary:\n{answer}\n\n{format}",
    name="what it keeps",
)
judge = Judge(model="judge", rubric=rubric, scale=(0, 10), votes=2)


def tasks() -> list[Task]:
    """Minutes, without any gold answer."""
    found = []
    for place, (town, work) in enumerate(product(TOWNS, WORKS), start=1):
        minutes = (
            f"The council of {town} met in the old hall. After a long debate it decided to pay for {work}. The cost is "
            f"{3 * place} million. The work ends in {2027 + place % 9}. Nobody had further business."
        )
        found.append(Task(question=minutes))
    return found


def reply(body: Mapping[str, Any]) -> str:
    """What the scripted models say."""
    text = "\n".join(message["content"] for message in body["messages"])
    return grade(text, body["seed"]) if body["model"] == "judge" else write(text)


def write(text: str) -> str:
    """One fact, or all four where the prompt asks for them."""
    town, work, cost, end = kept(text)
    if "what it costs" not in text:
        return f"A council decided to pay for {work}."
    return f"The council of {town} decided to pay for {work}: {cost} million, until {end}."


def grade(text: str, seed: int) -> str:
    """Two marks and a half for each fact of the minutes that is in the summary, more or less."""
    minutes, summary = text.partition("Summary:")[0], text.partition("Summary:")[2]
    found = sum(bool(re.search(rf"\b{fact}\b", summary)) for fact in kept(minutes))
    mark = 2.5 * found + random.Random(f"{text}{seed}").gauss(0, 0.6)
    return f"It keeps {found} of 4 facts.\nScore: {min(10, max(0, mark)):.1f}"


def kept(text: str) -> tuple[str, ...]:
    """Who, what, the cost and the end in minutes."""
    found = re.search(r"council of (\w+).*?pay for ([\w ]+)\..*?cost is (\d+).*?ends in (\d+)", text, re.DOTALL)
    return () if found is None else found.groups()


def main() -> None:
    """Searches a prompt and a length; prints the frontier, and what is to be thought of the judge."""
    with FaultServer(reply=reply) as server:
        cards = [ModelCard(name=name, output_cap="max_tokens") for name in ("writer", "judge")]
        pool = Pool([OpenAIModel(card, server.base_url) for card in cards])
        report = optimize(graph, tasks(), pool, cap=Cap(total=40_000), spend=400_000, metric=judge, policies=())
        billed = server.billed_tokens
    for plan in report.frontier:
        values = plan.plan["values"]
        setting = f"prompt {values['summarize.prompt']}, {values['summarize.max_output_tokens']} tokens"
        print(f"{plan.validation.score:.2f} for {plan.validation.cost:5.1f} tokens a question: {setting}")
    found = report.judge
    if found is not None and found.itself is not None:
        print(f"judge: {found.answers} answers, {found.unscored} without a verdict; with itself {found.itself.answers}")
        for shift in found.controls:
            print(
                f"{shift.control}: {shift.shift.mean if shift.shift else 0:+.3f} of the scale, {shift.answers} answers"
            )
        print(f"verdicts are in the books: {0 < found.paid < report.paid and billed <= report.paid <= report.spend}")


if __name__ == "__main__":
    main()
