"""How long one waits who looks into a database: `python -m benchmarks inspecting` from the repository's root.

Writes a study of many runs and calls, and one run of many spans, then prints the milliseconds of what is asked most.
`write` is for others who need such a file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    Limit,
    PartRow,
    PlanRow,
    RunRow,
    SpanRow,
    Status,
    StudyRow,
    TaskRow,
    TrialRow,
    Usage,
)
from apportion.stores import Store, open_store
from apportion.stores.questions import PLAN_PAIRS, STUDIES, RunFilter, matching_runs, tokens_by

LONG = "run of many spans"
NODES, MODELS, PLANS = ("split", "solve", "search", "judge"), ("small", "large"), 20
TOKENS, NOTHING = Amount(120, 120_000_000, 36_000), Amount()


def main() -> None:
    """Writes the file, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=20, help="in each run")
    parser.add_argument("--spans", type=int, default=10_000, help="in the long run")
    parser.add_argument("--db", help="write the file here and keep it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(arguments.db or Path(folder) / "much.db")
        began = time.perf_counter()
        write(path, arguments.runs, arguments.calls, arguments.spans)
        print(f"written in {time.perf_counter() - began:.1f} s, {path.stat().st_size / 1e6:.0f} MB")
        with open_store(path, read_only=True) as store:
            for name, milliseconds in measured(store).items():
                print(f"  {name:<44} {milliseconds:10,.1f} ms")


def measured(store: Store) -> dict[str, float]:
    """The median milliseconds of three askings, by what is asked."""
    page, family = matching_runs(RunFilter(), 50), matching_runs(RunFilter(family="odd", question="37"), 50)
    one = matching_runs(RunFilter(plan=plan_hash(1), status="ok"), 50)
    counted = tokens_by(("node", "model", "plan"), RunFilter())
    asked: dict[str, Callable[[], object]] = {
        "the first page of runs": lambda: store.query(page.sql, page.parameters),
        "runs of a plan": lambda: store.query(one.sql, one.parameters),
        "runs of a family, by a word": lambda: store.query(family.sql, family.parameters),
        "a run of many spans": lambda: store.query("SELECT * FROM spans_read WHERE run_id = ?", (LONG,)),
        "the calls of a run": lambda: store.query("SELECT * FROM calls_read WHERE run_id = ?", ("run7",)),
        "studies": lambda: store.query(STUDIES),
        "tokens by node, model and plan": lambda: store.query(counted.sql, counted.parameters),
        "two plans, question by question": lambda: store.query(PLAN_PAIRS, (plan_hash(1), plan_hash(2))),
        "a word in all texts": lambda: store.query("SELECT count(*) FROM text WHERE content LIKE '%reply 77 %'"),
    }
    return {name: statistics.median(milliseconds(ask) for _ in range(3)) for name, ask in asked.items()}


def milliseconds(ask: Callable[[], object]) -> float:
    """Of one asking."""
    began = time.perf_counter()
    ask()
    return 1e3 * (time.perf_counter() - began)


def plan_hash(number: int) -> str:
    """The hash of a plan of the study."""
    return f"{number % PLANS:04x}" * 4


def write(path: Path, runs: int, calls: int, spans: int) -> None:
    """A study of so many runs with so many calls each, and one run of so many spans."""
    with open_store(path) as store:
        store.open_account(AccountRow("study/much", None, Limit("tokens", 10**12), "paid", "study much"))
        store.record(StudyRow("much", "graph", "study/much", json.dumps({"seed": 0}), 1.7e9, "running"))
        for number in range(PLANS):
            plan = plan_hash(number)
            content = {"graph": "graph", "values": {"solve.model": MODELS[number % 2]}, "edges": []}
            store.record(PlanRow(plan, "graph", json.dumps(content), "flowchart LR"))
            trial = (plan, "much", plan, "validation", 0, runs // PLANS, 0.5, 1.0, TOKENS, NOTHING, "complete")
            store.record(TrialRow(*trial))
        for number in range(runs):
            write_run(store, f"run{number}", number, calls, calls)
        write_run(store, LONG, runs, spans, 0)


def write_run(store: Store, run_id: str, number: int, spans: int, calls: int) -> None:
    """A run of a plan on a question, each of its spans with a call as far as these reach."""
    plan, question, moment = plan_hash(number), number // PLANS, 1.7e9 + 10 * number
    task, family, score = f"task{question}", ("even", "odd")[question % 2], float(number * 7 % 3 > 0)
    store.record(TaskRow(task, family, json.dumps({"question": f"What is {question} + 1?", "gold": "1"})))
    store.record(PartRow(0, task, "validation"))
    status = Status.OK if score else Status.PARSE_ERROR
    account = ("study/much/validation", moment, moment + 9)
    store.record(
        RunRow(run_id, plan, task, plan, "graph", *account, status, "complete", "1", score, TOKENS, NOTHING, 9.0)
    )
    for place in range(spans):
        span, node, began = f"{run_id}/{place}", NODES[place % len(NODES)], moment + place / spans
        made = (span, run_id, node, "solver", 0, "", began, began + 0.3, Status.OK, TOKENS, NOTHING, "1")
        store.record(SpanRow(*made, evidence=json.dumps([f"passage {place}"])))
        if place < calls:
            store.record(call(run_id, span, question, place, began, MODELS[number % 2]))


def call(run_id: str, span: str, question: int, place: int, began: float, model: str) -> CallRow:
    """A call: one prompt for a question and node, one reply a model."""
    prompt = [{"role": "user", "content": f"What is {question} + 1? " + f"Step {place}. " * 40}]
    return CallRow(
        span, run_id, span, span, 1, "ab" * 32, "chat", "openai", model, 256, 0.7, None, 0, json.dumps(prompt), began,
        began + 0.3, Status.OK, TOKENS, TOKENS, usage=Usage(100, 20),
        output_text=f"The reply {question} of {model} at {place} is " + "so " * 60,
    )  # fmt: skip


if __name__ == "__main__":
    main()
