"""Makes the benchmarks importable, and made-up records in the format of the recorded ones."""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

QUESTIONS = 60
STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
Row = tuple[str, str, int, float, int, int, str | None]


def write_set(folder: Path, queries: Sequence[Mapping[str, str]], rows: Sequence[Row]) -> None:
    folder.mkdir(parents=True)
    with gzip.open(folder / "queries.csv.gz", "wt", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(queries[0]))
        writer.writeheader()
        writer.writerows(queries)
    names = ["query_id", "model", "sample", "correct", "prompt_tokens", "completion_tokens", "answer"]
    columns: dict[str, Any] = dict(zip(names, zip(*rows, strict=True), strict=True))
    pq.write_table(
        pa.table({name: pa.array(list(values)) for name, values in columns.items()}), folder / "outcomes.parquet"
    )


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all three sets: which model is right, the words of a question tell."""
    data = tmp_path_factory.mktemp("records")
    (data / "prices.csv").write_text(
        "model,litellm_key,source,usd_per_M_in,usd_per_M_out\n"
        "big,big,list,10,30\nsmall,small,list,1,1\nnobody,,,,\ngpt-4,gpt-4,list,30,60\ngpt-3.5-turbo,x,list,1.5,2\n"
    )
    _routellm(data / "routellm")
    _reasoning(data / "reasoning_gym_easy")
    _sql(data / "intercode_sql")
    return data


def _routellm(folder: Path) -> None:
    draws = np.random.default_rng(0)
    queries, rows = [], []
    for part in ("mmlu", "gsm8k"):
        for number in range(QUESTIONS):
            name, hard = f"{part}/{number}", number % 2 == 1
            text = f"{'prove the theorem of' if hard else 'name the capital of'} {draws.integers(50)}"
            category = ("algebra" if hard else "places") if part == "mmlu" else part
            left = "1" if number == 7 else "0"
            queries.append(
                {"dataset": part, "query_id": name, "text": text, "category": category, "contaminated": left}
            )
            for model, right in ((STRONG, 0.95), (WEAK, 0.2 if hard else 0.9)):
                rows.append((name, model, 0, float(draws.random() < right), 100, 10, None))
    write_set(folder, queries, rows)


def _reasoning(folder: Path) -> None:
    draws = np.random.default_rng(1)
    queries, rows = [], []
    for number in range(QUESTIONS):
        task = f"task{number % 4}"
        name, text = f"easy/{task}/{number}", f"{task}: what is {draws.integers(100)} and {draws.integers(100)}"
        queries.append({"query_id": name, "text": text, "gold": "1", "category": "made", "task": task})
        for model, right in (("big", 0.9), ("small", 0.9 if number % 4 < 2 else 0.1)):
            for sample in range(3 if (number, model) != (5, "big") else 2):
                correct = float(draws.random() < right)
                rows.append((name, model, sample, correct, 100, 20, str(correct)))
    write_set(folder, queries, rows)


def _sql(folder: Path) -> None:
    draws = np.random.default_rng(2)
    queries, rows = [], []
    for number in range(QUESTIONS):
        hard = number % 2 == 1
        name, text = f"sql/{number}", f"{'join both tables' if hard else 'count the rows'} of table {draws.integers(9)}"
        queries.append({"query_id": name, "text": text, "category": "hard" if hard else "easy"})
        for variant, quick in (
            ("gpt-4#multiturn10", 0.6),
            ("gpt-3.5#react10", 0.05 if hard else 0.5),
            ("old#multiturn10", 0.1),
        ):
            for turn in range(10):
                solved = draws.random() < quick
                rows.append((name, variant, turn, 1.0 if solved else 0.25, 20 + 10 * turn, 10, None))
                if solved:
                    break
        rows.append((name, "gpt-4#multiturn10_handicap", 0, 1.0, 20, 10, None))
    write_set(folder, queries, rows)
