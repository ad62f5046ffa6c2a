"""Essays of planted quality and a scripted judge of planted faults, so that what judges find can be held against it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

from ..budgets.cap import Cap
from ..graphs.graph import Graph
from ..models.card import ModelCard
from ..models.pool import Pool
from ..models.request import Reply, Request
from ..nodes.knob import choose
from ..nodes.solver import Solver
from ..optimizers.study.optimize import optimize
from ..optimizers.study.report import StudyReport
from ..records.prompt import Prompt
from ..records.protocols import StudyStore
from ..records.task import Task
from ..tasks.judge import Judge
from .scripted import ScriptedModel

__all__ = ["ESSAY_CARD", "ESSAY_JUDGE", "Essays", "essay_judge", "essay_quality", "essay_writer"]

ESSAY_CARD = ModelCard(
    name="m", provider="scripted", template_tokens=2, message_tokens=2, max_output_tokens=256, attempts=1
)
ESSAY_JUDGE = Judge("grader", Prompt("Grade the essay.\n{question}\n{answer}\n{format}", name="essay"))


def essay_quality(number: int) -> float:
    """Of an essay by the poorer writer, in [0.3, 0.7], so that noise on a mark is not cut at the ends of the scale."""
    return random.Random(number).uniform(0.3, 0.7)


def essay_writer(better: float = 0.0) -> Callable[[Request], str]:
    """A script whose essays hold their quality.

    Args:
        better: is added to the quality of each.
    """

    def script(request: Request) -> str:
        number = int(re.findall(r"essay (\d+)", request.messages[-1].content)[-1])
        return f"Answer: essay {number}, worth {essay_quality(number) + better:.3f}"

    return script


def essay_judge(
    noise: float = 0.3, *, length: float = 0.0, order: float = 0.0, silent: float = 0.0
) -> Callable[[Request], str]:
    """A script that marks essays from 0 to 10 by their quality; the same draw has the same noise.

    Args:
        noise: standard deviation of a mark.
        length: is added to the mark of a padded essay.
        order: is added where the scale is told from its best mark down.
        silent: the share of replies without a mark.
    """

    def script(request: Request) -> str:
        asked = request.messages[-1].content
        drawn = random.Random(repr((asked, request.sample)))
        mark = 10 * float(re.findall(r"worth (\d\.\d+)", asked)[-1]) + drawn.gauss(0, noise)
        mark += length * ("only make it longer" in asked) + order * ("0 (worst)>" in asked)
        return "It is hard to say." if drawn.random() < silent else f"Read.\nScore: {min(10, max(0, mark)):.2f}"

    return script


class Essays:
    """A study of two writers, `poor` and `good`, by a judge, `grader`.

    Args:
        script: of the judge.
        gold: whether the tasks have gold answers, those of the better writer.
    """

    def __init__(self, script: Callable[[Request], str | Reply] | None = None, *, gold: bool = False) -> None:
        self.judge = ScriptedModel(essay_judge() if script is None else script, name="grader", card=ESSAY_CARD)
        self.models = [
            ScriptedModel(essay_writer(), name="poor", card=ESSAY_CARD),
            ScriptedModel(essay_writer(0.2), name="good", card=ESSAY_CARD),
            self.judge,
        ]
        self.graph = Graph("essays")
        self.graph.add("write", Solver(model=choose("poor", "good"), style="direct", max_output_tokens=64))
        golds = [f"essay {number}, worth {essay_quality(number) + 0.2:.3f}" if gold else "" for number in range(90)]
        self.tasks = [Task(question=f"Write essay {number}.", gold=text) for number, text in enumerate(golds)]

    def optimize(
        self,
        *,
        spend: float = 1e6,
        cap: float = 1e6,
        store: StudyStore | None = None,
        judge: Judge = ESSAY_JUDGE,
        **settings: Any,
    ) -> StudyReport:
        """The study, without policies unless `settings` name some."""
        given = {"policies": (), **settings}
        pool = Pool(self.models)
        return optimize(
            self.graph, self.tasks, pool, cap=Cap(total=cap), spend=spend, store=store, metric=judge, **given
        )

    @property
    def requests(self) -> int:
        """How many calls reached the models."""
        return sum(len(model.requests) for model in self.models)
