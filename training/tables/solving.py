"""Solving in every style, votes over samples, and how well a model knows when it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apportion.models.request import Reply
from apportion.nodes.prompts.base import Ask, Style
from apportion.nodes.votes import ballots
from apportion.records.message import Candidate
from apportion.records.task import Task
from apportion.tasks.families import FAMILIES

from .asking import DIALECT, Bench, Cell, auroc, graded, tokens_written

__all__ = ["VOTES", "solving", "styles_of"]

VOTES = (4, 16)
_UNDRAFTED = ("puzzles", "extraction", "hanoi", "counting")
"""Families whose draft is the direct answer."""
_ELSEWHERE = ("hops", "adaptive_retrieval", "repeats")
"""Families that are searched, or whose questions are those of another."""


@dataclass(frozen=True, slots=True)
class _Sampled:
    """The replies to the questions of one cell: one list a sample."""

    tasks: list[Task]
    samples: list[list[Reply]]
    style: Style

    def answers(self, question: int) -> list[str | None]:
        """The answers to one question, sample by sample."""
        return [DIALECT.read_answer(replies[question].text, self.style) for replies in self.samples]


def styles_of(family: str) -> tuple[Style, ...]:
    """The styles in which a family can be asked."""
    return (Style.DIRECT, Style.THINK) if family in _UNDRAFTED else tuple(Style)


def solved_families() -> Iterator[str]:
    """The families that a single model can solve from the question alone."""
    return (name for name in FAMILIES if name not in _ELSEWHERE)


async def solving(bench: Bench) -> list[Cell]:
    """Every family, style and difficulty: the mean of all samples, and votes among the first 4 and all 16."""
    cells: list[Cell] = []
    for family in solved_families():
        for style in styles_of(family):
            sampled = [await _sample(bench, family, style, d) for d in FAMILIES[family].difficulties]
            for difficulty, one in zip(FAMILIES[family].difficulties, sampled, strict=True):
                cells += _accuracies(family, style, difficulty, one)
            cells += _knowing(family, style, sampled)
    return cells


async def _sample(bench: Bench, family: str, style: Style, difficulty: int) -> _Sampled:
    tasks = bench.tasks(family, difficulty)
    prompts = [DIALECT.solve(Ask(task.question, passages=task.context), style) for task in tasks]
    return _Sampled(tasks, [await bench.ask(prompts, sample=sample) for sample in range(max(VOTES))], style)


def _accuracies(family: str, style: Style, difficulty: int, sampled: _Sampled) -> Iterator[Cell]:
    tasks, count = sampled.tasks, len(sampled.tasks)
    answers = [sampled.answers(question) for question in range(count)]
    written = tokens_written(reply for replies in sampled.samples for reply in replies) / count / len(sampled.samples)
    single = sum(graded(task, answer) for task, row in zip(tasks, answers, strict=True) for answer in row)
    value = single / count / len(sampled.samples)
    yield Cell(family, style.value, str(difficulty), value, count, written)
    for most in VOTES:
        right = sum(graded(task, _voted(row[:most])) for task, row in zip(tasks, answers, strict=True))
        yield Cell(family, f"{style.value} vote@{most}", str(difficulty), right / count, count, written * most)


def _voted(answers: Sequence[str | None]) -> str | None:
    """The answer that a majority vote of the package picks."""
    counted = ballots(Candidate(answer) for answer in answers if answer is not None)
    return counted[0].candidate.answer if counted else None


def _knowing(family: str, style: Style, cells: Sequence[_Sampled]) -> Iterator[Cell]:
    """How well log-probability, entropy and agreement tell right answers from wrong, over all difficulties."""
    right: list[bool] = []
    signals: dict[str, list[float]] = {"mean log-prob": [], "first-token entropy": [], "agreement of two": []}
    for cell in cells:
        for question, task in enumerate(cell.tasks):
            first, second, *_ = cell.answers(question)
            reply = cell.samples[0][question]
            if reply.mean_logprob is None or reply.first_token_entropy is None:
                continue
            right.append(graded(task, first) > 0)
            signals["mean log-prob"].append(reply.mean_logprob)
            signals["first-token entropy"].append(-reply.first_token_entropy)
            signals["agreement of two"].append(float(first is not None and first == second))
    for name, values in signals.items():
        area = auroc(values, right)
        if area is not None:
            yield Cell(family, f"{style.value} AUROC", name, area, len(right))
