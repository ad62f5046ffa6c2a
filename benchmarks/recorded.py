"""`python -m benchmarks recorded [--data FOLDER]`: policies on recorded answers of large models.

Four sets, each in random halves, of which one is learned from and the other answered: thinking_levels (models and how
much they think; cascades; and with a price on wrong answers), RouteLLM's MMLU and GSM8K (two models),
reasoning_gym_easy (seven models, one or three votes) and intercode_sql (models and numbers of rounds). Goals come
first, those that were missed before the others. The records are not part of the project; without them nothing is run.
See `recorded_files` for their format.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.recorded_guessing import guessing
from benchmarks.recorded_reasoning import reasoning
from benchmarks.recorded_report import Section, report
from benchmarks.recorded_routellm import routellm, without_families
from benchmarks.recorded_sql import sql
from benchmarks.recorded_tables import reasoning_table, routellm_table, sql_table
from benchmarks.recorded_thinking import thinking, thinking_table

__all__ = ["DATA", "absent", "main", "sections"]

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
SETS = ("thinking", "guessing", "gsm8k", "mmlu", "reasoning", "sql")
_FOLDERS = {
    "thinking": "thinking_levels",
    "guessing": "thinking_levels",
    "gsm8k": "routellm",
    "mmlu": "routellm",
    "reasoning": "reasoning_gym_easy",
    "sql": "intercode_sql",
}


def main(arguments: Sequence[str]) -> int:
    """Runs the benchmark and prints what it found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks recorded", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the records")
    parser.add_argument("--halves", type=int, default=20, help="how many random halves")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="which sets")
    asked = parser.parse_args(arguments)
    if missing := absent(asked.data, asked.sets):
        print(f"skipped: there is no {missing}; give the folder of the recorded outcomes with --data")
        return 0
    began = time.process_time()

    def tick(what: str) -> None:
        print(f"{time.process_time() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    found = list(sections(asked.data, asked.sets, asked.halves, tick))
    print(f"recorded models, {asked.halves} random halves, {time.process_time() - began:.0f} s of one core")
    for line in report(found):
        print(line)
    return 0


def absent(data: Path, sets: Sequence[str]) -> Path | None:
    """The first folder that is needed and missing."""
    needed = [data / _FOLDERS[name] for name in sets]
    return next((folder for folder in needed if not folder.is_dir()), None)


def sections(data: Path, sets: Sequence[str], halves: int, tick: Callable[[str], None]) -> Iterator[Section]:
    """What came of each set."""
    if "thinking" in sets:
        table = thinking_table(data / "thinking_levels")
        yield thinking(table, True, halves, tick)
        yield thinking(table, False, halves, tick)
    if "guessing" in sets:
        yield guessing(thinking_table(data / "thinking_levels"), halves, tick)
    if "gsm8k" in sets:
        table = without_families(routellm_table(data / "routellm", "gsm8k"))
        yield routellm("GSM8K", table, 0.618, halves, tick)
    if "mmlu" in sets:
        table = routellm_table(data / "routellm", "mmlu")
        yield routellm("MMLU without the subject", without_families(table), 0.664, halves, tick)
        yield routellm("MMLU with the subject", table, 0.688, halves, tick)
    if "reasoning" in sets:
        yield reasoning(reasoning_table(data / "reasoning_gym_easy"), halves, tick)
    if "sql" in sets:
        recorded = sql_table(data / "intercode_sql")
        yield from sql(recorded, "mUSD", halves, tick)
        yield from sql(recorded, "tokens", max(1, halves // 4), tick)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
