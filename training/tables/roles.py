"""The roles beside solving: decompose, formalise, verify, search and read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from apportion.models.request import Reply
from apportion.nodes.prompts.base import Ask, SearchRound, Style
from apportion.nodes.retrieval import PassageIndex
from apportion.nodes.symbolic.schema import parse_problem
from apportion.records.task import Task
from apportion.tasks.families import FAMILIES, corpus
from apportion.tasks.families.chains import calculate

from .asking import DIALECT, SEED, Bench, Cell, auroc, graded, tokens_written

__all__ = ["decomposing", "formalising", "searching", "verifying"]

_TRACES = (1, 2, 4, 6, 8)
"""Operations of the chains whose traces are verified."""
ROUNDS = (1, 2, 3, 4, 6, 8)


async def formalising(bench: Bench) -> list[Cell]:
    """Puzzles to constraints: the same constraints as the generator's, which a solver then satisfies."""
    cells = []
    for difficulty in FAMILIES["puzzles"].difficulties:
        tasks = bench.tasks("puzzles", difficulty)
        replies = await bench.ask([DIALECT.formalise(Ask(task.question), "") for task in tasks])
        right = sum(map(_same_constraints, tasks, replies))
        written = tokens_written(replies) / len(tasks)
        cells.append(Cell("puzzles", "formalise", str(difficulty), right / len(tasks), len(tasks), written))
    return cells


def _same_constraints(task: Task, reply: Reply) -> bool:
    text = DIALECT.read_formalisation(reply.text, Ask(task.question))
    found = parse_problem(text).model_dump(mode="json", exclude_none=True) if text else {}
    return _normal(found) == _normal(task.metadata["problem"])


def _normal(problem: dict[str, object]) -> tuple[object, list[str]]:
    """A problem without the order of its constraints, nor that of the two sides of an inequality."""
    constraints = problem.get("constraints", [])
    assert isinstance(constraints, list)
    pairs = [
        str(sorted((c["variable"], c["other"]))) if c.get("relation") == "!=" and "other" in c else str(c)
        for c in constraints
    ]
    return problem.get("variables"), sorted(pairs)


async def decomposing(bench: Bench) -> list[Cell]:
    """Splits whose parts and combination give the right value when worked exactly."""
    cells = []
    for family in ("composites", "chains"):
        for difficulty in FAMILIES[family].difficulties:
            tasks = bench.tasks(family, difficulty)
            replies = await bench.ask([DIALECT.decompose(Ask(task.question), 8) for task in tasks])
            right = sum(worked(reply.text) == task.gold for task, reply in zip(tasks, replies, strict=True))
            written = tokens_written(replies) / len(tasks)
            cells.append(Cell(family, "decompose", str(difficulty), right / len(tasks), len(tasks), written))
    return cells


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
    result = int(question[:2])
    for place in range(2, len(question) - 1, 3):
        result = calculate(result, question[place], int(question[place + 1 : place + 3]))
    return f"{result:02d}"


async def verifying(bench: Bench) -> list[Cell]:
    """How well the verify role, and solving each step anew, tell the model's own right traces from wrong ones."""
    tasks = [task for difficulty in _TRACES for task in bench.tasks("chains", difficulty)]
    traces = await bench.ask([DIALECT.solve(Ask(task.question), Style.THINK) for task in tasks])
    right = [
        graded(task, DIALECT.read_answer(trace.text, Style.THINK)) > 0
        for task, trace in zip(tasks, traces, strict=True)
    ]
    asks = [DIALECT.verify(Ask(task.question), "", trace.text) for task, trace in zip(tasks, traces, strict=True)]
    verdicts = [DIALECT.read_verdict(reply.text) for reply in await bench.ask(asks, temperature=0.0)]
    found = {
        "verify role": [0.5 if verdict is None else verdict for verdict in verdicts],
        "steps solved anew": await _steps_agreeing(bench, traces),
    }
    cells = [Cell("chains", "right traces", "all", sum(right) / len(right), len(right))]
    for name, scores in found.items():
        area = auroc(scores, right)
        if area is not None:
            cells.append(Cell("chains", "verify AUROC", name, area, len(right)))
    return cells


async def _steps_agreeing(bench: Bench, traces: Sequence[Reply]) -> list[float]:
    """For each trace, the share of its steps that come out the same when they are asked directly."""
    steps = [DIALECT.steps(trace.text) for trace in traces]
    flat = [DIALECT.solve(Ask(step.question), Style.DIRECT) for found in steps for step in found]
    solved = iter(await bench.ask(flat, temperature=0.0))
    agreed = [[next(solved).text == step.claimed for step in found] for found in steps]
    return [sum(found) / len(found) if found else 0.0 for found in agreed]


async def searching(bench: Bench) -> list[Cell]:
    """Search by rounds allowed and passages a round, for each number of hops; and whether wrong lines are rejected."""
    index = PassageIndex(corpus("hops", SEED))
    cells = []
    for top_k in (1, 4):
        for hops in FAMILIES["hops"].difficulties:
            tasks = bench.tasks("hops", hops, min(100, bench.count))
            for most in ROUNDS:
                cells.append(await _search_cell(bench, index, tasks, most, top_k))
    cells += await _rejecting(bench, index)
    index.close()
    return cells


async def _search_cell(bench: Bench, index: PassageIndex, tasks: list[Task], most: int, top_k: int) -> Cell:
    replies: list[Reply] = []

    async def search(task: Task) -> float:
        rounds: list[SearchRound] = []
        while True:
            last = len(rounds) >= most
            (reply,) = await bench.ask([DIALECT.search(Ask(task.question), rounds, last=last)])
            replies.append(reply)
            step = DIALECT.read_search(reply.text)
            if step is None or last or step.answer:
                return graded(task, step.answer if step else None)
            rounds.append(SearchRound(step.query, tuple(await index.find(step.query, top_k))))

    right = sum(await asyncio.gather(*map(search, tasks)))
    way = f"search, {top_k} passages a round"
    written = tokens_written(replies) / len(tasks)
    return Cell("hops", way, f"{tasks[0].difficulty} hops, {most} rounds", right / len(tasks), len(tasks), written)


async def _rejecting(bench: Bench, index: PassageIndex) -> Iterator[Cell]:
    """After a first line that does not place the person: how often the next step is another query, not an answer."""
    asked, rejected = 0, 0
    for hops in FAMILIES["hops"].difficulties:
        for task in bench.tasks("hops", hops, min(100, bench.count)):
            fact = task.metadata["facts"][0]
            name = fact.split()[0]
            for verb in ("stays", "works"):
                found = tuple(await index.find(f"{name} {verb}", 1))
                if fact in found:
                    continue
                prompt = DIALECT.search(Ask(task.question), [SearchRound(f"{name} {verb}", found)], last=False)
                (reply,) = await bench.ask([prompt], temperature=0.0)
                step = DIALECT.read_search(reply.text)
                asked += 1
                rejected += step is not None and bool(step.query)
    return iter([Cell("hops", "rejects a wrong first line", "all", rejected / asked, asked)] if asked else [])
