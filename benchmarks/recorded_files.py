"""Reads recorded outcomes of language models: a folder for each set, with `outcomes.parquet` and `queries.csv.gz`.

`outcomes.parquet` has a row a sample: query_id, model, sample, correct, prompt_tokens, completion_tokens, answer;
`queries.csv.gz` a row a question: query_id, text and what else is known of it. `prices.csv`, beside the folders,
has list prices in USD per million tokens.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apportion.errors import UsageError

__all__ = ["Price", "Sample", "read_prices", "read_queries", "read_samples"]

_COLUMNS = ("query_id", "model", "sample", "correct", "prompt_tokens", "completion_tokens", "answer")


@dataclass(frozen=True, slots=True)
class Sample:
    """One recorded answer."""

    score: float
    prompt_tokens: int
    completion_tokens: int
    answer: str | None
    """None where it could not be read."""

    @property
    def tokens(self) -> float:
        """Prompt and completion."""
        return float(self.prompt_tokens + self.completion_tokens)


@dataclass(frozen=True, slots=True)
class Price:
    """What a model charges, in USD per million tokens."""

    prompt: float
    completion: float

    def of(self, sample: Sample) -> float:
        """What a sample costs, in thousandths of a USD."""
        return (self.prompt * sample.prompt_tokens + self.completion * sample.completion_tokens) / 1000


def read_samples(folder: Path) -> dict[str, dict[str, dict[int, Sample]]]:
    """Recorded answers by question, model and number of the sample.

    Raises:
        UsageError: the file or a column is missing, or a sample is there twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "outcomes.parquet"
    try:
        rows = pq.read_table(path, columns=list(_COLUMNS))
        columns = [rows.column(name).to_pylist() for name in _COLUMNS]
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path}: the outcomes cannot be read: {error}") from None
    found: dict[str, dict[str, dict[int, Sample]]] = {}
    for query, model, number, score, prompt, completion, answer in zip(*columns, strict=True):
        samples = found.setdefault(query, {}).setdefault(model, {})
        if number in samples:
            raise UsageError(f"{path}: sample {number} of {model!r} on {query!r} is there twice")
        samples[number] = Sample(float(score), int(prompt), int(completion), answer)
    return found


def read_queries(folder: Path) -> dict[str, Mapping[str, str]]:
    """What is known of each question, by its name.

    Raises:
        UsageError: the file or a column is missing.
    """
    path = folder / "queries.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise UsageError(f"{path}: the questions cannot be read: {error}") from None
    if rows and not {"query_id", "text"} <= set(rows[0]):
        raise UsageError(f"{path}: the columns query_id and text are needed; the file has {', '.join(rows[0])}")
    return {row["query_id"]: row for row in rows}


def read_prices(folder: Path) -> dict[str, Price]:
    """List prices by model; models without one are left out.

    Raises:
        UsageError: there is no such file, or a price is no number.
    """
    path = folder / "prices.csv"
    found = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["usd_per_M_in"] and row["usd_per_M_out"]:
                    found[row["model"]] = Price(float(row["usd_per_M_in"]), float(row["usd_per_M_out"]))
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{path}: the prices cannot be read: {error}") from None
    return found
