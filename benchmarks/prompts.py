"""Prompt and number of samples chosen together: a planted case in which the best prompt depends on the cap.

Prompt A is right with probability .98 on 60 % of questions and .2 on the others; B with .62 on all. All wrong answers
to a question are the same one. So a single answer is better with A, a vote of nine with B (inference-aware prompt
choice, the kind of case that IAPO and PSST describe). For each seed one study is run under the cap of a single sample
and one under that of nine; what is counted is whether the chosen plan asks with the right prompt, and what the nine
samples cost when fewer were drawn first.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator

from apportion import Cap, Graph, Pool, Prompt, Solver, Task, choose, optimize
from apportion.models.card import ModelCard
from apportion.models.request import Request
from apportion.testing.scripted import ScriptedModel

A = Prompt("Take the shortest way that looks right to you.", name="A")
B = Prompt("Take the long way, and check every turn of it.", name="B")
SAMPLES = (1, 3, 9)
CARD = ModelCard(name="m", provider="scripted", attempts=1, template_tokens=0, message_tokens=0, bytes_per_token=1)


def right(task: int, prompt: str, draw: int, seed: int) -> bool:
    """Whether a draw is right."""
    digest = hashlib.sha256(f"{seed} {task} {prompt} {draw}".encode()).digest()
    chance = (0.98 if task % 10 < 6 else 0.2) if prompt == "A" else 0.62
    return int.from_bytes(digest[:7]) / 2**56 < chance


def model(seed: int) -> ScriptedModel:
    """A model that answers as planted."""

    def script(request: Request) -> str:
        system, asked = request.messages[0].content, request.messages[-1].content
        task = int(asked.split("#")[1].split("?")[0])
        prompt = "A" if A.text in system else "B"
        return f"Answer: {'yes' if right(task, prompt, request.sample, seed) else 'no'}"

    return ScriptedModel(script, name="m", card=CARD)


def graph() -> Graph:
    """One solver; its prompt and its number of samples are open."""
    solver = Solver(model="m", prompt=choose(A, B), samples=choose(*SAMPLES), max_output_tokens=16)
    return Graph("planted").add("solve", solver)


def tasks(number: int) -> list[Task]:
    """Questions of one length."""
    return [Task(question=f"Is #{10_000 + n}? so", gold="yes", family="planted") for n in range(number)]


def chosen(seed: int, number: int, samples: int) -> tuple[str, int, float]:
    """Of a study under the cap of so many samples a question: the best plan's prompt and samples, what was paid."""
    asked, pool = tasks(number), Pool([model(seed)])
    one = cost_of_one(pool)
    spend = 3 * max(SAMPLES) * one * number
    report = optimize(graph(), asked, pool, cap=Cap(total=1.02 * samples * one * number), spend=spend, seed=seed)
    values = report.best.plan["values"] if report.best else {"solve.prompt": "none", "solve.samples": 0}
    return values["solve.prompt"], values["solve.samples"], report.paid / (one * number)


def cost_of_one(pool: Pool) -> float:
    """Tokens of one sample, prompt A."""
    made = graph()
    return made.run(tasks(1)[0].question, pool=pool, plan=made.space(pool).default()).charged.tokens


def rows(seeds: int, number: int) -> Iterator[tuple[int, int, str, int, float]]:
    """By seed and cap."""
    for seed in range(seeds):
        for samples in (1, 9):
            yield seed, samples, *chosen(seed, number, samples)


def main() -> None:
    """Prints a line for each study, and how often each prompt was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=2000)
    given = parser.parse_args()
    taken = {1: 0, 9: 0}
    print("seed  cap for  prompt  samples  paid (in full measurements of one sample)")
    for seed, samples, prompt, drawn, paid in rows(given.seeds, given.tasks):
        taken[samples] += prompt == ("A" if samples == 1 else "B")
        print(f"{seed:4}  {samples:7}  {prompt:6}  {drawn:7}  {paid:.2f}", flush=True)
    print(f"A at the cap for 1: {taken[1]} of {given.seeds}; B at the cap for 9: {taken[9]} of {given.seeds}")


if __name__ == "__main__":
    main()
