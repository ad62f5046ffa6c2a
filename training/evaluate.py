"""`python -m training.evaluate`: what the shipped models can do, as tables in Markdown.

All questions are of the `dev` share, which no model was trained on. A cell is the percentage right over `--count`
questions and, in brackets, the mean tokens written. Temperature 0.8 unless a row says greedy.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from apportion.errors import CallFailed
from apportion.models.pocket import PocketModel, load_pocket_models
from apportion.models.request import Reply, Request
from apportion.nodes.prompts.base import Ask, Prompt, Round, Style
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.nodes.retrieval import PassageIndex
from apportion.nodes.symbolic.schema import parse_problem
from apportion.records.task import Task
from apportion.records.usage import Usage
from apportion.tasks.families import FAMILIES, corpus, generate
from apportion.tasks.families.chains import calculate
from apportion.tasks.metrics import score

__all__ = ["main"]

DIALECT = PocketDialect()
SEED = 20


@dataclass(frozen=True, slots=True)
class Bench:
    """A model and how many questions it is asked for each cell."""

    model: PocketModel
    count: int

    async def ask(self, prompts: Sequence[Prompt], temperature: float = 0.8, sample: int = 0) -> list[Reply]:
        """One reply for each prompt; a prompt that does not fit the window gets an empty one."""
        name = self.model.card.name
        requests = [
            Request(name, prompt.messages, 255, temperature=temperature, sample=sample, logprobs=True)
            for prompt in prompts
        ]
        return list(await asyncio.gather(*map(self._complete, requests)))

    async def _complete(self, request: Request) -> Reply:
        try:
            return await self.model.complete(request)
        except CallFailed:
            return Reply("", "length", Usage(0, 0))

    def tasks(self, family: str, difficulty: int) -> list[Task]:
        """The questions of a cell."""
        return generate(family, self.count, SEED, difficulty)

    def row(self, *cells: object) -> None:
        """Prints a line of a table."""
        print("|", " | ".join((self.model.card.name, *map(str, cells))), "|", flush=True)


def shown(right: Sequence[float], replies: Sequence[Reply]) -> str:
    """The cell of a table."""
    written = sum(reply.usage.output_tokens for reply in replies if reply.usage) / max(1, len(right))
    return f"{100 * sum(right) / len(right):.0f} ({written:.0f})"


def graded(task: Task, answer: str | None) -> float:
    """The score of an answer; none scores 0."""
    return 0.0 if answer is None else score(task, answer)


async def solving(bench: Bench) -> None:
    """Solve, each style, and a vote over samples of the first three."""
    for name in ("chains", "composites", "puzzles"):
        for style in (Style.DIRECT, Style.THINK) if name == "puzzles" else Style:
            cells, greedy, voted = [], [], []
            for difficulty in FAMILIES[name].difficulties:
                tasks = bench.tasks(name, difficulty)
                prompts = [DIALECT.solve(Ask(task.question), style) for task in tasks]
                rounds = [await bench.ask(prompts, sample=sample) for sample in range(5)]
                answers = [[DIALECT.read_answer(reply.text, style) for reply in replies] for replies in rounds]
                cells.append(shown([graded(*pair) for pair in zip(tasks, answers[0], strict=True)], rounds[0]))
                best = [Counter(a for a in column if a).most_common(1) for column in zip(*answers, strict=True)]
                votes = [graded(task, top[0][0] if top else None) for task, top in zip(tasks, best, strict=True)]
                voted.append(f"{100 * sum(votes) / len(votes):.0f}")
                cold = await bench.ask(prompts, temperature=0.0)
                read = [DIALECT.read_answer(reply.text, style) for reply in cold]
                greedy.append(f"{100 * sum(map(graded, tasks, read)) / len(tasks):.0f}")
            bench.row(name, style.value, *cells)
            bench.row(name, f"{style.value} greedy", *greedy)
            bench.row(name, f"{style.value} vote of 5", *voted)


async def formalising(bench: Bench) -> None:
    """Puzzles to constraints: the same constraints as the generator's, which a solver then satisfies."""
    cells = []
    for difficulty in FAMILIES["puzzles"].difficulties:
        tasks = bench.tasks("puzzles", difficulty)
        replies = await bench.ask([DIALECT.formalise(Ask(task.question), "") for task in tasks])
        right = []
        for task, reply in zip(tasks, replies, strict=True):
            text = DIALECT.read_formalisation(reply.text, Ask(task.question))
            wanted = task.metadata["problem"]
            found = parse_problem(text).model_dump(mode="json", exclude_none=True) if text else {}
            right.append(float(_same(found, wanted)))
        cells.append(shown(right, replies))
    bench.row("puzzles", "formalise", *cells)


def _same(found: dict[str, object], wanted: dict[str, object]) -> bool:
    def normal(problem: dict[str, object]) -> tuple[object, list[str]]:
        constraints = problem.get("constraints", [])
        assert isinstance(constraints, list)
        pairs = [
            str(sorted((c["variable"], c["other"]))) if c.get("relation") == "!=" and "other" in c else str(c)
            for c in constraints
        ]
        return problem.get("variables"), sorted(pairs)

    return normal(found) == normal(wanted)


async def decomposing(bench: Bench) -> None:
    """Splits whose parts and combination give the right value when worked exactly."""
    for name in ("composites", "chains"):
        cells = []
        for difficulty in FAMILIES[name].difficulties:
            tasks = bench.tasks(name, difficulty)
            replies = await bench.ask([DIALECT.decompose(Ask(task.question), 8) for task in tasks])
            right = [float(worked(reply.text) == task.gold) for task, reply in zip(tasks, replies, strict=True)]
            cells.append(shown(right, replies))
        bench.row(name, "decompose", *cells)


def worked(text: str) -> str | None:
    """The value of a decomposition, its parts and combination worked exactly."""
    split = DIALECT.read_decomposition(text)
    if split is None:
        return None
    values: dict[str, str] = {}
    for part in split.parts:
        values[part.name] = _left_to_right(part.question, values)
    return _left_to_right(split.combine, values)


def _left_to_right(question: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        question = question.replace(f"{{{name}}}", value)
    value = int(question[:2])
    for place in range(2, len(question) - 1, 3):
        value = calculate(value, question[place], int(question[place + 1 : place + 3]))
    return f"{value:02d}"


async def verifying(bench: Bench) -> None:
    """The verify role, and re-solved steps, on the model's own think traces: share judged rightly, share right."""
    cells = []
    for difficulty in (1, 2, 4, 6, 8):
        tasks = bench.tasks("chains", difficulty)
        traces = await bench.ask([DIALECT.solve(Ask(task.question), Style.THINK) for task in tasks])
        right = [
            DIALECT.read_answer(trace.text, Style.THINK) == task.gold for task, trace in zip(tasks, traces, strict=True)
        ]
        asks = [DIALECT.verify(Ask(t.question), "", trace.text) for t, trace in zip(tasks, traces, strict=True)]
        verdicts = [DIALECT.read_verdict(reply.text) for reply in await bench.ask(asks, temperature=0.0)]
        agreed = sum((verdict == 1.0) == good for verdict, good in zip(verdicts, right, strict=True))
        steps = [DIALECT.steps(trace.text) for trace in traces]
        flat = [DIALECT.solve(Ask(step.question), Style.DIRECT) for found in steps for step in found]
        solved = iter(await bench.ask(flat, temperature=0.0))
        pairs = [[(next(solved).text, step.claimed) for step in found] for found in steps]
        passed = [bool(found) and all(anew == claimed for anew, claimed in found) for found in pairs]
        by_steps = sum(one == good for one, good in zip(passed, right, strict=True))
        cells.append(
            f"{100 * agreed / len(tasks):.0f} / {100 * by_steps / len(tasks):.0f} / {100 * sum(right) / len(tasks):.0f}"
        )
    bench.row("chains 1 2 4 6 8", "verify role / re-solved / right", *cells)


async def searching(bench: Bench) -> None:
    """Search alone: right answers by rounds allowed and passages a round, for each number of hops."""
    index = PassageIndex(corpus("hops", SEED))
    for top_k in (1, 2, 4):
        for most in (1, 2, 3, 4, 6, 8):
            cells = [await _search_cell(bench, index, difficulty, most, top_k) for difficulty in range(1, 5)]
            bench.row("hops", f"search rounds {most} top_k {top_k}", *cells)
    index.close()


async def _search_cell(bench: Bench, index: PassageIndex, difficulty: int, most: int, top_k: int) -> str:
    tasks = generate("hops", min(100, bench.count), SEED, difficulty)
    replies: list[Reply] = []

    async def search(task: Task) -> float:
        rounds: list[Round] = []
        while True:
            last = len(rounds) >= most
            (reply,) = await bench.ask([DIALECT.search(Ask(task.question), rounds, last=last)])
            replies.append(reply)
            step = DIALECT.read_search(reply.text)
            if step is None or last or step.answer:
                return graded(task, step.answer if step else None)
            rounds.append(Round(step.query, tuple(await index.find(step.query, top_k))))

    return shown(list(await asyncio.gather(*map(search, tasks))), replies)


async def reading(bench: Bench) -> None:
    """Answers from passages: what perfect queries find (most of it about one room), and facts among other rooms."""
    passages = corpus("hops", SEED)
    rooms = [passage for passage in passages if " in room " in passage]
    index = PassageIndex(passages)
    for style in Style:
        for kind in ("found", "mixed"):
            cells = []
            for difficulty in range(1, 5):
                tasks = generate("hops", min(100, bench.count), SEED, difficulty)
                prompts = []
                for number, task in enumerate(tasks):
                    facts = task.metadata["facts"]
                    if kind == "found":
                        lists = [await index.find(" ".join(fact.split()[:2]), 3) for fact in facts]
                        given = list(dict.fromkeys(passage for found in lists for passage in found))
                    else:
                        rng = random.Random(number)
                        given = [*facts, *rng.sample(passages, 4), *rng.sample(rooms, 4)]
                        rng.shuffle(given)
                    prompts.append(DIALECT.solve(Ask(task.question, passages=tuple(given)), style))
                replies = await bench.ask(prompts)
                read = [DIALECT.read_answer(reply.text, style) for reply in replies]
                cells.append(shown(list(map(graded, tasks, read)), replies))
            bench.row("hops", f"read {style.value}, {kind}", *cells)
    index.close()


async def speed(bench: Bench) -> None:
    """Tokens written per second of processor time, all threads together."""
    prompts = [DIALECT.solve(Ask(task.question), Style.THINK) for task in generate("chains", 64, SEED, 6)]
    for together in (1, 16, 64):
        best = 0.0
        for sample in range(4):
            started = time.process_time()
            replies = await bench.ask(prompts[:together], sample=sample)
            written = sum(reply.usage.output_tokens for reply in replies if reply.usage)
            best = max(best, written / (time.process_time() - started))
        bench.row(f"{together} at once", f"{best:,.0f} tokens/s")


SECTIONS = {
    "solve": solving,
    "formalise": formalising,
    "decompose": decomposing,
    "verify": verifying,
    "search": searching,
    "read": reading,
    "speed": speed,
}


async def evaluate(names: Sequence[str], count: int, models: Sequence[str]) -> None:
    """Prints the tables."""
    for model in load_pocket_models():
        if models and model.card.name not in models:
            continue
        for name in names:
            print(f"\n{SECTIONS[name].__doc__}\n", flush=True)
            await SECTIONS[name](Bench(model, count))
        await model.aclose()


def main() -> None:
    """Parses the command line and prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"any of {', '.join(SECTIONS)}; none means all")
    parser.add_argument("--count", type=int, default=100, help="questions a cell (default: %(default)s)")
    parser.add_argument("--model", action="append", default=[], help="only this model; may be repeated")
    given = parser.parse_args()
    unknown = [name for name in given.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"there is no section {unknown[0]!r}")
    asyncio.run(evaluate(given.sections or list(SECTIONS), given.count, given.model))


if __name__ == "__main__":
    main()
