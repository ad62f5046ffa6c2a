"""Outcome tables from anybody's logs: Parquet, CSV or JSONL, one row for each sample of an arm on a question."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from ...errors import UsageError
from ...records.files import JsonFault, parse_json
from ...records.rows import Unit
from ..arrays import Bools, Floats, Ints
from .log_columns import read_columns
from .table import Arm, Question, Table, answer_numbers

__all__ = ["COLUMNS", "Outcomes", "Same", "load_outcomes"]

COLUMNS: Mapping[str, str] = {
    "question": "what the question is called; the same in all its rows",
    "arm": "what the way of answering is called",
    "score": "how good the answer is, in [0, 1]: 1 is right, 0 is wrong",
    "cost": "what it cost, 0 or more, in one unit in all rows",
    "sample": "a whole number that tells samples of one arm on one question apart; may be left out where there is one",
    "text": "the question itself",
    "family": "the group of like questions that it belongs to",
    "confidence": "how sure the arm was, in [0, 1]",
    "answer": "what it answered; empty where it gave no answer",
    "abstained": "1 where the reply says that it has no answer, 0 where not",
    "thinking_tokens": "how many tokens the reply thought, 0 or more",
    "output_tokens": "how many tokens the reply has, 0 or more, thinking included",
    "cluster_id": "the template or source that a question shares with others",
    "model": "which model the arm calls; its name where left out",
    "setting": "everything else about the arm",
}
"""The columns that are read, and what they hold; the first four are required."""

_REQUIRED = ("question", "arm", "score", "cost")
_STAND_INS = {"text": "question"}
_SIGNS = {"confidence": 1.0, "abstained": 1.0, "thinking_tokens": np.inf, "output_tokens": np.inf}
"""Columns of numbers that may be empty, and the largest that they may hold."""
_NUMBERS = ("score", "cost", "sample", *_SIGNS)

Same = Literal["form", "words"] | Callable[[str, str], bool]
"""When two answers are one: their normal forms are equal, their words overlap, or what a function of yours says."""
_NEARLY = 0.75
"""From which likeness on a name is taken for one that is spelt wrongly."""
_OVERLAP = 0.6
"""The least share of common words in all words (Jaccard)."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """A table as it was read."""

    table: Table
    dropped: int
    """Questions that were left out because some arm has no outcome for them."""
    repeated: int
    """Cells with fewer samples than others, whose samples count several times."""
    absent: tuple[tuple[str, str], ...] = ()
    """(arm, family) where the arm was run on no question of the family: a gap in the table, where it is neither chosen
    nor counted."""
    texts: bool = True
    """Whether the questions' own texts were found; without them policies know questions by their families alone."""
    unread: tuple[tuple[str, str], ...] = ()
    """(column, what it may be meant for): columns of the file whose names are not known, and were not named for one
    that is; beside each the column of `COLUMNS` that is missing and is spelt nearly so, or an empty text."""


def load_outcomes(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    incomplete: Literal["refuse", "drop"] = "refuse",
    unit: Unit = "tokens",
    same: Same = "form",
) -> Outcomes:
    """Reads a file of outcomes.

    Every arm must have an outcome for every question of those families that it was run on; a row with neither score nor
    cost is no outcome. Texts are taken from the column `text`, else from `question`, where that holds more than names.
    Where cells have different numbers of samples, there are as many replicates as the largest has, and smaller ones
    take their samples in turn.

    Args:
        path: ends in `.parquet`, `.csv`, `.jsonl` or `.ndjson`.
        columns: what the file calls columns, where that is not as in `COLUMNS`: by our name, theirs.
        incomplete: what to do with questions that some arm has no outcome for.
        unit: of the costs.
        same: when two answers to a question are one, for cascades that stop where answers agree: "form", their normal
            forms are equal; "words", at least 0.6 of their words are common to both; or a function of both.

    Raises:
        UsageError: the file cannot be read or lacks a column, or a row is at fault; file, row and column are named,
            rows counted from 1 without a header.
    """
    found, unread = read_columns(Path(path), COLUMNS, _REQUIRED, _NUMBERS, columns or {}, _STAND_INS)
    outcomes = _Rows(str(path), found).outcomes(incomplete, unit, _alike if same == "words" else same)
    missing = COLUMNS.keys() - found.keys()
    near = [next(iter(get_close_matches(name, missing, n=1, cutoff=_NEARLY)), "") for name in unread]
    return replace(outcomes, unread=tuple(zip(unread, near, strict=True)))


class _Rows:
    """The rows of a file, checked column by column."""

    def __init__(self, path: str, columns: Mapping[str, Any]) -> None:
        self._path = path
        outcomes = np.flatnonzero(~(_empty(columns["score"]) & _empty(columns["cost"])))
        self._columns: Mapping[str, Any] = {
            name: values[outcomes] if isinstance(values, np.ndarray) else [values[row] for row in outcomes]
            for name, values in columns.items()
        }
        self._places = outcomes
        if not len(outcomes):
            raise UsageError(
                f"{path}: there are no rows" + (" with a score and a cost" if len(columns["score"]) else "")
            )
        self._questions, self._question_names = self._named("question")
        self._arms, self._arm_names = self._named("arm")
        self._samples = self._sample_numbers()

    def outcomes(self, incomplete: Literal["refuse", "drop"], unit: Unit, same: Same) -> Outcomes:
        """Sorts the rows into a table."""
        shape = (len(self._question_names), len(self._arm_names))
        order, counts = self._sorted(shape)
        texts, families = self._texts()
        absent, pairs = self._absent(counts, families)
        complete: Bools = np.all((counts > 0) | absent, axis=1)
        if not complete.all() and (incomplete == "refuse" or not complete.any()):
            self._refuse(np.where(absent, 1, counts), complete)
        replicates = int(counts[complete].max())
        # Row r of a cell with n samples is its sample r mod n.
        begins = np.append(0, counts.ravel().cumsum()[:-1]).reshape(shape)[complete]
        turns = np.arange(replicates) % np.maximum(counts[complete], 1)[:, :, None]
        cells = order[np.minimum(begins[:, :, None] + turns, len(order) - 1)]
        nowhere = absent[complete][:, :, None]
        signs = {
            name: np.where(nowhere, np.nan, self._numbers(name, 0, most, empty=True)[cells])
            for name, most in _SIGNS.items()
            if name in self._columns
        }
        self._check_abstained()
        clusters = self._constant("cluster_id", self._questions, self._question_names, "question")
        table = Table(
            questions=tuple(
                Question(*row)
                for row, kept in zip(zip(self._question_names, texts, families, strict=True), complete, strict=True)
                if kept
            ),
            arms=self._described(),
            scores=np.where(nowhere, np.nan, self._numbers("score", 0, 1)[cells]),
            costs=np.where(nowhere, np.nan, self._numbers("cost", 0, np.inf)[cells]),
            unit=unit,
            confidences=signs.get("confidence"),
            answers=self._answers(cells, nowhere, same),
            abstained=signs.get("abstained"),
            thinking_tokens=signs.get("thinking_tokens"),
            output_tokens=signs.get("output_tokens"),
            clusters=tuple(np.array(clusters, object)[complete]) if "cluster_id" in self._columns else None,
            ran=~nowhere[:, :, 0] if nowhere.any() else None,
        )
        short = int(((counts < replicates) & ~absent)[complete].sum())
        return Outcomes(table, int((~complete).sum()), short, pairs, any(texts))

    def _answers(self, cells: Ints, nowhere: Bools, same: Same) -> Ints | None:
        """(questions, arms, replicates): which answers are one, see `Table.answers`."""
        if "answer" not in self._columns:
            return None
        said = np.array(self._columns["answer"], object)[cells]
        said[np.broadcast_to(nowhere, said.shape)] = None
        rows = said.reshape(len(said), -1).tolist()
        return answer_numbers(rows, same if callable(same) else None).reshape(said.shape)

    def _check_abstained(self) -> None:
        if "abstained" not in self._columns:
            return
        told = self._numbers("abstained", 0, 1, empty=True)
        halfway = ~np.isnan(told) & (told != np.round(told))
        if halfway.any():
            row = int(np.argmax(halfway))
            self._fail(row, "abstained", f"{told[row]:g} is neither 0 nor 1; write 1 where the reply has no answer")

    def _absent(self, counts: Ints, families: list[str]) -> tuple[Bools, tuple[tuple[str, str], ...]]:
        """(questions, arms): whether the arm was run on no question of the same family; and these arms and families."""
        absent, pairs = np.zeros(counts.shape, bool), []
        of = np.array(families, object)
        for family in dict.fromkeys(filter(None, families)):
            here = of == family
            missing = ~(counts[here] > 0).any(axis=0)
            absent[np.ix_(here, missing)] = True
            pairs += [(self._arm_names[arm], family) for arm in np.flatnonzero(missing)]
        return absent, tuple(pairs)

    def _sorted(self, shape: tuple[int, int]) -> tuple[Ints, Ints]:
        """The rows by question, arm and sample, and (questions, arms): how many there are of each."""
        cells = self._questions * shape[1] + self._arms
        order = np.lexsort((self._samples, cells))
        twice = (np.diff(cells[order]) == 0) & (np.diff(self._samples[order]) == 0)
        if twice.any():
            first, second = sorted(order[int(np.argmax(twice)) :][:2])
            name = self._question_names[self._questions[second]]
            remedy = (
                "number them differently" if "sample" in self._columns else "add a column 'sample' that numbers them"
            )
            self._fail(
                second,
                "sample",
                f"question {name!r} has this sample of this arm in row {self._row(first)} too; {remedy}",
            )
        return np.asarray(order, np.intp), np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)

    def _refuse(self, counts: Ints, complete: Bools) -> NoReturn:
        question = int(np.argmin(complete))
        arm = self._arm_names[int(np.argmin(counts[question]))]
        what = (
            "no question has an outcome of every arm"
            if not complete.any()
            else (f"{(~complete).sum():,} of {len(complete):,} questions lack an outcome of some arm")
        )
        raise UsageError(
            f"{self._path}: {what}; question {self._question_names[question]!r}, for example, has none of arm {arm!r}. "
            "Add what is missing, or have such questions dropped (--drop-incomplete)"
        )

    def _named(self, column: str) -> tuple[Ints, list[str]]:
        """(rows,): the number of each row's name, and the names in the order in which they come."""
        codes, names = _coded(self._columns[column])
        if (codes < 0).any():
            self._fail(int(np.argmin(codes)), column, "it is empty")
        return codes, names

    def _texts(self) -> tuple[list[str], list[str]]:
        """The texts of the questions, and their families."""
        texts = self._constant("text", self._questions, self._question_names, "question")
        families = self._constant("family", self._questions, self._question_names, "question")
        if not any(texts) and 2 * sum(map(_is_text, self._question_names)) > len(self._question_names):
            texts = self._question_names
        return texts, families

    def _described(self) -> tuple[Arm, ...]:
        models = self._constant("model", self._arms, self._arm_names, "arm")
        settings = self._constant("setting", self._arms, self._arm_names, "arm")
        return tuple(
            Arm(name, models=(("answer", model or name),), setting=_canonical(setting))
            for name, model, setting in zip(self._arm_names, models, settings, strict=True)
        )

    def _constant(self, column: str, owners: Ints, names: list[str], what: str) -> list[str]:
        """What a column says of each owner; it must say the same in all rows of one, or nothing."""
        if column not in self._columns:
            return [""] * len(names)
        codes, values = _coded(self._columns[column])
        said = np.flatnonzero(codes >= 0)
        first = np.full(len(names), len(owners))
        np.minimum.at(first, owners[said], said)
        differs = said[codes[said] != codes[first[owners[said]]]]
        if len(differs):
            row, owner = int(differs[0]), int(owners[differs[0]])
            self._fail(
                row, column, f"{what} {names[owner]!r} has another in row {self._row(first[owner])}; make them the same"
            )
        return [values[codes[row]] if row < len(owners) else "" for row in first]

    def _sample_numbers(self) -> Floats:
        if "sample" not in self._columns:
            return np.zeros(len(self._questions))
        samples = self._numbers("sample", 0, np.inf)
        broken = samples != np.floor(samples)
        if broken.any():
            self._fail(int(np.argmax(broken)), "sample", f"{samples[broken][0]:g} is no whole number")
        return samples

    def _numbers(self, column: str, low: float, high: float, *, empty: bool = False) -> Floats:
        """(rows,): a column as numbers; NaN where it is empty and may be."""
        found = self._columns[column]
        if not isinstance(found, np.ndarray):
            found = np.array([self._number(row, column, value) for row, value in enumerate(found)], np.float64)
        numbers: Floats = found
        wrong = ~((numbers >= low) & (numbers <= high) & np.isfinite(numbers))
        if empty:
            wrong &= ~np.isnan(numbers)
        if wrong.any():
            row = int(np.argmax(wrong))
            shown = "it is empty" if np.isnan(numbers[row]) else f"{numbers[row]:g} is not right"
            self._fail(row, column, f"{shown}; write a number, {COLUMNS[column]}")
        return numbers

    def _number(self, row: int, column: str, value: str | None) -> float:
        if value is None:
            return np.nan
        text = value.strip().lower()
        try:
            return float({"true": "1", "false": "0"}.get(text, text))
        except ValueError:
            self._fail(row, column, f"{value!r} is no number; write {COLUMNS[column]}")

    def _fail(self, row: int, column: str, reason: str) -> NoReturn:
        raise UsageError(f"{self._path}, row {self._row(row)}, column {column!r}: {reason}")

    def _row(self, number: int) -> int:
        """The row in the file."""
        return int(self._places[number]) + 1


def _alike(one: str, other: str) -> bool:
    """Whether two answers have most of their words in common."""
    words, others = (set(re.findall(r"\w+", answer.lower())) for answer in (one, other))
    return len(words & others) >= _OVERLAP * max(1, len(words | others)) if words and others else one == other


def _empty(column: Floats | list[str | None]) -> Bools:
    """(rows,): where a column of numbers says nothing."""
    if isinstance(column, np.ndarray):
        return np.asarray(np.isnan(column), np.bool_)
    return np.array([value is None or value.strip().lower() in ("", "nan") for value in column], np.bool_)


def _is_text(name: str) -> bool:
    """Whether this looks like what somebody asks, and not like what somebody calls it."""
    return any(not (character.isascii() and (character.isalnum() or character in "-_.:/#@")) for character in name)


def _coded(values: Sequence[Any]) -> tuple[Ints, list[str]]:
    """(rows,): the number of each row's value, -1 where there is none; and the values in the order of their numbers."""
    numbers: dict[str, int] = {}
    codes = (-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values)
    return np.fromiter(codes, np.intp, len(values)), list(numbers)


def _canonical(setting: str) -> str:
    """JSON in one spelling; text that is no JSON as a JSON string."""
    if not setting:
        return ""
    try:
        value = parse_json(setting)
    except JsonFault:
        value = setting
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
