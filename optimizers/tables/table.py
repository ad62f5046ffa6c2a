"""The outcome table: what every arm scored and cost on every question. Policies learn from it and are priced on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...records.answers import normal_form
from ...records.task import Task
from ..arrays import Bools, Floats, Ints
from .confidence import Confidence

__all__ = [
    "UNANSWERED",
    "Arm",
    "Batch",
    "FinalRule",
    "Lesson",
    "Probe",
    "Question",
    "Stage",
    "StopRule",
    "Table",
    "answer_numbers",
    "joined",
    "question_of",
]

UNANSWERED = -1
"""In place of an arm's number: the policy leaves the question unanswered, at no cost and for no score."""

_NAMED = 8
"""The most arms that a message names."""

StopRule = Literal["confidence", "answered", "agrees", "always"]
"""When an answer of a stage ends a cascade; see `Stage.stop`."""
FinalRule = Literal["last", "first_sure", "plurality", "most_confident"]
"""Which of the answers that a cascade has seen is its own; see `Arm.final`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a policy may know of a question before anything is spent on it."""

    name: str
    """The task's identity, or what a log calls the question."""
    text: str
    family: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a cascade: an arm, and when its answer ends the cascade."""

    arm: str
    """The name of an arm of the same table."""
    sure: float = 0.0
    """The least confidence at which the cascade stops here, where `stop` is "confidence"; 0 in the last stage."""
    stop: StopRule = "confidence"
    """confidence: at `sure` or above; answered: where there is an answer and it does not abstain; agrees: where it is
    the answer of an earlier stage too; always: never, the next stage is always on. Of no meaning in the last stage."""
    confidence: Confidence | None = None
    """How sure the arm's answers are, as was learned; None where what the arm itself says of them counts."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Something that answers questions: a measured plan, or a way of answering in somebody's log."""

    name: str
    """The hash of the plan, or the log's name for it."""
    models: tuple[tuple[str, str], ...] = ()
    """(node, model) of every node that calls one, in the order of the names: what a router decides."""
    setting: str = ""
    """Everything else as canonical JSON, active edges included: what an allocator decides."""
    plan: str = ""
    """The plan as canonical JSON; empty for logs."""
    stages: tuple[Stage, ...] = ()
    """For a cascade: the arms that are tried one after the other."""
    final: FinalRule = "last"
    """For a cascade, which answer is its own. last: that of the last stage that was asked, also where it abstains;
    first_sure: the first that does not abstain and reached its stage's least confidence, else as last; plurality: the
    most frequent that does not abstain, of equals the latest; most_confident: of those that do not abstain, of equals
    the latest. A stage that failed is passed over."""
    verified: bool = False
    """Whether one of its nodes has answers that are supported by more than a model's word, see `Kind.verified`."""
    answers_at: float = 0.0
    """For a cascade, which may have one stage: the least confidence at which its answer stands. Below it the question
    is left unanswered after looking. 0: every answer stands."""

    @property
    def single(self) -> bool:
        """Whether one node alone calls a model."""
        return len(self.models) == 1 and not self.stages


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A cheap look at a question before its arm is chosen, such as the entropy of a first token."""

    name: str
    values: Floats
    """(questions,)."""
    costs: Floats
    """(questions,): what looking costs, in the unit of the table."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Questions that are to be answered together, with the probes that were taken of them."""

    questions: tuple[Question, ...]
    probes: Mapping[str, Floats] = field(default_factory=dict)
    """By name, (questions,)."""
    known: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What was worked out of the questions before, by the key of what did, see `Predictor.prepared`: arrays, or what is
    indexed like one, with a row for every question."""

    def __len__(self) -> int:
        return len(self.questions)

    def take(self, indexes: Ints) -> Batch:
        """Some of the questions, repeats allowed."""
        chosen = tuple(self.questions[i] for i in indexes)
        probes = {name: values[indexes] for name, values in self.probes.items()}
        return Batch(chosen, probes, _rows(self.known, indexes))


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Scores and costs of every arm on every question, in one or more replicates.

    A replicate is the same arm on the same question with other random draws. Arrays are never written to.
    """

    questions: tuple[Question, ...]
    arms: tuple[Arm, ...]
    scores: Floats
    """(questions, arms, replicates), in [0, 1]; a failure scores 0. NaN where the arm was not run. Where wrong answers
    cost something these are values, see `valued`."""
    costs: Floats
    """(questions, arms, replicates): charged, in `unit`. NaN where the arm was not run."""
    unit: str = "tokens"
    confidences: Floats | None = None
    """(questions, arms, replicates) in [0, 1]: how sure the arm was of its answer; NaN where it did not say."""
    probes: tuple[Probe, ...] = ()
    known: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """See `Batch.known`."""
    money: Floats | None = None
    """(questions, arms, replicates): the costs in dollars, whatever the unit; None where there are no prices."""
    answers: Ints | None = None
    """(questions, arms, replicates): what was answered. Within a question equal numbers are one answer, see
    `answer_numbers`; -1 where there was none, as after a failure."""
    abstained: Floats | None = None
    """(questions, arms, replicates): 1 where the reply says that it has no answer, 0 where not, NaN where nobody
    knows."""
    thinking_tokens: Floats | None = None
    """(questions, arms, replicates), NaN where nobody knows."""
    output_tokens: Floats | None = None
    """(questions, arms, replicates), thinking included; NaN where nobody knows."""
    clusters: tuple[str, ...] | None = None
    """(questions,): questions of one template or source have one name here, and stay together where some are held out;
    empty where it is not known, or a question stands alone."""
    ran: Bools | None = None
    """(questions, arms): False where an arm was not run, so that nothing is known of it there; None where all were.
    Policies learn from tables without such gaps, see `strata`."""
    wrong_costs: float = 0.0
    """What a wrong answer costs, where a right one brings 1 and none brings 0; see `valued`."""

    def __post_init__(self) -> None:
        shape = (len(self.questions), len(self.arms))
        if self.scores.shape[:2] != shape or self.scores.ndim != 3 or self.costs.shape != self.scores.shape:
            raise UsageError(
                f"a table of {shape[0]} questions and {shape[1]} arms needs scores and costs of shape "
                f"({shape[0]}, {shape[1]}, replicates), got {self.scores.shape} and {self.costs.shape}"
            )
        if len({arm.name for arm in self.arms}) < len(self.arms):
            raise UsageError("two arms of a table have the same name")
        for name in _CELLS:
            cells = getattr(self, name)
            if cells is not None and cells.shape != self.scores.shape:
                what = {"money": "costs in dollars"}.get(name, name.replace("_", " "))
                raise UsageError(f"the {what} need the shape {self.scores.shape}, got {cells.shape}")
        if self.clusters is not None and len(self.clusters) != shape[0]:
            raise UsageError(f"the clusters of a table must be as many as its {shape[0]} questions")
        if self.ran is not None and self.ran.shape != shape:
            raise UsageError(f"whether arms were run needs the shape {shape}, got {self.ran.shape}")
        scores, costs = (each if self.ran is None else each[self.ran] for each in (self.scores, self.costs))
        if not np.isfinite(scores).all() or not np.isfinite(costs).all() or (costs < 0).any():
            raise UsageError("a table's scores and costs must be numbers, and its costs not negative")
        if self.ran is not None and not (
            np.isnan(self.scores[~self.ran]).all() and np.isnan(self.costs[~self.ran]).all()
        ):
            raise UsageError("where an arm was not run it has no scores and costs; they must be NaN")

    @property
    def gaps(self) -> bool:
        """Whether some arm was not run on some question."""
        return self.ran is not None and not self.ran.all()

    @property
    def mean_scores(self) -> Floats:
        """(questions, arms)."""
        return np.asarray(self.scores.mean(axis=2))

    @property
    def mean_costs(self) -> Floats:
        """(questions, arms)."""
        return np.asarray(self.costs.mean(axis=2))

    def batch(self) -> Batch:
        """Its questions as they would be asked."""
        return Batch(self.questions, {probe.name: probe.values for probe in self.probes}, self.known)

    def arm(self, name: str) -> int:
        """The number of an arm.

        Raises:
            UsageError: no arm has that name.
        """
        for number, arm in enumerate(self.arms):
            if arm.name == name:
                return number
        known = ", ".join(repr(arm.name) for arm in self.arms[:_NAMED]) + (", ..." if len(self.arms) > _NAMED else "")
        raise UsageError(
            f"the table has no arm {name!r}, but {known or 'none'}; take the outcomes of the arms that the policy was "
            "fitted on"
        )

    def take(self, indexes: Ints) -> Table:
        """Some of the questions, repeats allowed."""
        return replace(
            self,
            questions=tuple(self.questions[i] for i in indexes),
            **self._cells(lambda cells: cells[indexes]),
            probes=tuple(Probe(probe.name, probe.values[indexes], probe.costs[indexes]) for probe in self.probes),
            known=_rows(self.known, indexes),
            clusters=None if self.clusters is None else tuple(self.clusters[i] for i in indexes),
            ran=None if self.ran is None else self.ran[indexes],
        )

    def with_arms(self, indexes: Sequence[int] | Ints) -> Table:
        """Some of the arms, in the order given."""
        chosen = np.asarray(indexes, np.intp)
        return replace(
            self,
            arms=tuple(self.arms[i] for i in chosen),
            **self._cells(lambda cells: cells[:, chosen]),
            ran=None if self.ran is None else self.ran[:, chosen],
        )

    def replicates(self, indexes: Sequence[int] | Ints) -> Table:
        """Some of the replicates."""
        chosen = np.asarray(indexes, np.intp)
        return replace(self, **self._cells(lambda cells: cells[:, :, chosen]))

    @property
    def gave(self) -> Bools:
        """(questions, arms, replicates): whether there was a reply: an answer, or the word that there is none.

        Where answers are not known, there was one everywhere.
        """
        if self.answers is None:
            return np.ones(self.scores.shape, bool)
        return np.asarray((self.answers >= 0) | self._said_nothing)

    @property
    def answered(self) -> Bools:
        """(questions, arms, replicates): whether there was an answer, and no abstention."""
        return np.asarray(self.gave & ~self._said_nothing)

    @property
    def right(self) -> Floats:
        """(questions, arms, replicates), in [0, 1]: the scores without what wrong answers cost."""
        if not self.wrong_costs:
            return self.scores
        right = (self.scores + self.wrong_costs) / (1 + self.wrong_costs)
        return np.where(self.answered, right, self.scores)

    @property
    def _said_nothing(self) -> Bools:
        return np.zeros(self.scores.shape, bool) if self.abstained is None else self.abstained == 1

    @property
    def shows_confidence(self) -> bool:
        """Whether anything is known of how sure answers are."""
        known = [each for each in (self.confidences, self.thinking_tokens, self.output_tokens) if each is not None]
        return any(not np.isnan(each).all() for each in known)

    @property
    def shows_answers(self) -> bool:
        """Whether anything is known of answers that a cascade could stop on."""
        said = self.abstained is not None and not np.isnan(self.abstained).all()
        return self.answers is not None or said or self.shows_confidence

    def _cells(self, pick: Callable[[NDArray[Any]], NDArray[Any]]) -> dict[str, Any]:
        """The fields that have a number for every cell, as far as they are known, with what is picked of each."""
        found = {name: getattr(self, name) for name in ("scores", "costs", *_CELLS)}
        return {name: pick(cells) for name, cells in found.items() if cells is not None}


def joined(*tables: Table) -> Table:
    """Tables of the same arms as one, without probes and without what was worked out of the questions."""
    first = tables[0]
    cells: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables])
        for name in ("scores", "costs", *_CELLS)
        if all(getattr(table, name) is not None for table in tables)
    }
    questions = tuple(question for table in tables for question in table.questions)
    names = tuple(name for table in tables for name in table.clusters or [""] * len(table.questions))
    whole = names if any(table.clusters is not None for table in tables) else None
    return Table(questions, first.arms, unit=first.unit, clusters=whole, wrong_costs=first.wrong_costs, **cells)


_CELLS = ("confidences", "money", "answers", "abstained", "thinking_tokens", "output_tokens")
"""The fields of a table that may be missing and have a number for every cell."""


def answer_numbers(answers: Sequence[Sequence[str | None]], same: Callable[[str, str], bool] | None = None) -> Ints:
    """Which answers to one question are the same, as `Table.answers` has it.

    Args:
        answers: for every question its answers; None or white space is no answer.
        same: whether two answers are one; by their normal forms where left out. An answer that is the same as several
            others belongs to the first of these.

    Returns:
        (questions, answers).
    """
    return np.array([_numbered(row, same) for row in answers], np.intp).reshape(len(answers), -1)


def _numbered(answers: Sequence[str | None], same: Callable[[str, str], bool] | None) -> list[int]:
    found: list[str] = []
    numbers = []
    for answer in answers:
        if answer is None or not answer.strip():
            numbers.append(-1)
            continue
        form = normal_form(answer) if same is None else answer
        number = next(
            (n for n, known in enumerate(found) if (known == form if same is None else same(known, form))), -1
        )
        if number < 0:
            number = len(found)
            found.append(form)
        numbers.append(number)
    return numbers


def _rows(known: Mapping[str, tuple[Any, ...]], indexes: Ints) -> dict[str, tuple[Any, ...]]:
    return {key: tuple(each[indexes] for each in arrays) for key, arrays in known.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a policy is made from. Every policy of a comparison gets the same lesson."""

    fit: Table
    """Where scores and costs are learned."""
    validation: Table
    """Where what was learned is compared: shrinkage, settings, probes. The same arms as `fit`."""
    budget: float
    """What a question may cost on average where the policy will be used, in the unit of the tables."""
    seed: int = 0
    judged: bool = False
    """Whether the validation part judges the policies afterwards: then no cascade is searched and no mean taken there,
    because both flatter themselves on the questions that they were found on."""

    @property
    def searched(self) -> Table:
        """The questions on which cascades are searched and means are taken."""
        return self.fit if self.judged else joined(self.fit, self.validation)

    @property
    def wrong_costs(self) -> float:
        """See `Table.wrong_costs`; both parts have the same."""
        return self.fit.wrong_costs

    def __post_init__(self) -> None:
        if self.fit.wrong_costs != self.validation.wrong_costs:
            raise UsageError("the two parts of a lesson must price a wrong answer alike; see `valued`")
        if self.fit.gaps or self.validation.gaps:
            raise UsageError(
                "a lesson has the outcome of every arm on every question; where arms were not run on some, "
                "make a lesson of each of `lessons_from` and fit with `fit_each`"
            )


def question_of(task: Task) -> Question:
    """What a policy may know of a task."""
    return Question(task.task_id, task.question, task.family)
