"""Makes a study's database and policy file as the present version writes them, for later versions to open.

    python tests/stores/databases/study.py NAME

writes `NAME.sqlite.xz` and `NAME.json` (the figures that later versions must find in it) beside this file, and the
policy as `tests/optimizers/serving/policies/NAME.json`. Run it once for each version whose files must go on to open;
never make one again. `study1` was made by commit d2abc5e, before the folders of `optimizers/`.

Tests run the same study: what is asked must stay as it is.
"""

from __future__ import annotations

import json
import lzma
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from apportion import (
    Cap,
    Graph,
    Pool,
    Search,
    Solver,
    StudyReport,
    Task,
    Verifier,
    choose,
    generate,
    load_pocket_models,
    open_store,
    optimize,
)
from apportion.cli.demo_graph import look_up

MODELS = ("pocket-100k-arithmetic", "pocket-100k-reading")


def graph() -> Graph:
    """A model to choose, an optional edge, passages from a function, and a vote: four plans."""
    made = Graph("kept")
    made.add("solve", Solver(model=choose(*MODELS), style="think", samples=1, max_output_tokens=48))
    made.add("search", Search(model=MODELS[1], retriever=look_up, rounds=3, top_k=2, max_output_tokens=16))
    made.add("judge", Verifier(method="vote"))
    return made.connect("solve", "judge").connect("search", "judge", optional=True)


def tasks() -> list[Task]:
    """Sums and questions on the demo's corpus, 52."""
    return [
        task
        for family in ("chains", "hops")
        for difficulty in (1, 2)
        for task in generate(family, 13, 11, difficulty, part="demo")
    ]


def pool() -> Pool:
    """Two of the embedded models, each of which knows one family."""
    return Pool([model for model in load_pocket_models() if model.card.name in MODELS])


def run(path: Path) -> StudyReport:
    """The study on the database at `path`: started, or gone on with."""
    with open_store(path) as store:
        return optimize(graph(), tasks(), pool(), cap=Cap(total=5_000), spend=60_000, store=store)


def found(report: StudyReport) -> dict[str, Any]:
    """What a study that goes on must report again."""
    assert report.policies is not None
    assert report.policies.test is not None
    return {
        "paid": report.paid,
        "frontier": [plan.model_dump(mode="json") for plan in report.frontier],
        "chosen": report.chosen,
        "policy": report.policies.chosen,
        "test": report.policies.test.score.model_dump(mode="json"),
    }


def main(name: str) -> None:
    """Writes the three files of `name`."""
    here = Path(__file__).parent
    files = (
        here / f"{name}.sqlite.xz",
        here / f"{name}.json",
        here.parents[1] / "optimizers" / "serving" / "policies" / f"{name}.json",
    )
    for file in files:
        if file.exists():
            raise SystemExit(f"{file} exists")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        report = run(path)
        assert report.policy is not None
        report.policy.save(files[2])
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            # Nothing of the machine that it was made on.
            connection.execute("UPDATE owner SET host = 'here', process_id = 1, process_started = '1'")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("VACUUM")
            ((runs,),) = connection.execute("SELECT COUNT(*) FROM run")
            ((calls, charged),) = connection.execute("SELECT COUNT(*), SUM(charged_tokens) FROM call")
        held = {"study_id": report.study_id, "runs": runs, "calls": calls, "charged": charged}
        files[0].write_bytes(lzma.compress(path.read_bytes(), preset=9))
    files[1].write_text(json.dumps({"held": held, "found": found(report)}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
