from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apportion.errors import UsageError
from benchmarks.recorded import DATA, absent
from benchmarks.recorded_thinking import read_at, thinking_table

real = pytest.mark.skipif(absent(DATA, ["thinking"]) is not None, reason=f"there are no recorded outcomes in {DATA}")


def test_levels_are_arms_and_the_last_answer_is_what_was_said(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "queries.csv.gz", "wt", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerows([["query_id", "family", "text", "gold"], ["a", "f", "What?", "4"], ["b", "g", "Who?", "Ann"]])
    tails = {
        ("a", "low"): "Answer: 3, no.\n**Answer:** 4<|im_end|>",
        ("a", "high"): "so it is\n4.0",
        ("b", "low"): "I do not know",
        ("b", "high"): "Answer: Ann",
    }
    rows = [
        {
            "query_id": question,
            "family": "f",
            "model": "m",
            "level": level,
            "correct": int(question == "a" or level == "high"),
            "abstained": tail.startswith("I do"),
            "completion_tokens": 9,
            "thinking_tokens": None if level == "low" else 5,
            "usd": 0.002,
            "answer_tail": tail,
        }
        for (question, level), tail in tails.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "outcomes.parquet")
    table = thinking_table(tmp_path)
    assert [arm.name for arm in table.arms] == ["m#high", "m#low"]
    assert [question.family for question in table.questions] == ["f", "g"]
    assert table.answers is not None
    assert table.thinking_tokens is not None
    assert table.answers[:, :, 0].tolist() == [[0, 0], [0, -1]]
    assert table.mean_costs[0].tolist() == [2.0, 2.0]
    assert np.array_equal(table.thinking_tokens[0, :, 0], np.array([5, np.nan]), equal_nan=True)
    pq.write_table(pa.table({"query_id": ["a"]}), tmp_path / "outcomes.parquet")
    with pytest.raises(UsageError, match="cannot be read"):
        thinking_table(tmp_path)


def test_a_dial_is_read_where_its_cost_is_met() -> None:
    dialled = np.array([[[0.2, 1.0]], [[0.6, 3.0]], [[0.1, 2.0]], [[0.7, 5.0]]])
    assert read_at(dialled, 2.0)[0].tolist() == pytest.approx([0.4, 2.0])
    assert read_at(dialled, 4.0)[0].tolist() == pytest.approx([0.65, 4.0])
    assert read_at(dialled, 0.5)[0].tolist() == [0.2, 1.0]
    assert read_at(dialled, 9.0)[0].tolist() == [0.7, 5.0]


@real
def test_the_records_have_their_known_figures() -> None:
    table = thinking_table(DATA / "thinking_levels")
    assert table.scores.shape == (804, 27, 1)
    gemini = table.arm("gemini-2_5-flash#budget1024")
    assert table.mean_scores[:, gemini].mean() == pytest.approx(0.381, abs=0.001)
    assert table.mean_costs[:, gemini].mean() == pytest.approx(1.34, abs=0.01)
    dear = table.arm("claude-sonnet-4#budget4096")
    assert table.mean_costs[:, dear].mean() == pytest.approx(23.1, abs=0.1)
