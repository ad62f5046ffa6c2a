"""Questions to SQL on a small SQLite file: two prompts and a vote over samples, graded by the rows that a query gives.

The embedded models write no SQL, so recorded replies answer: python examples/text_to_sql.py
To ask a model of your own, give it a pool file:              python examples/text_to_sql.py POOL.toml
"""

import shutil
import sqlite3
import sys
from pathlib import Path

from apportion import Cap, Graph, Pool, Prompt, Solver, choose, load_tasks, optimize
from apportion.testing.recorded import RecordedEndpoint

DATA = Path(__file__).parent / "data"
DATABASE = Path("shop.sqlite")
"""Of the folder where this runs: tasks name their database, and are the same tasks wherever that folder is."""

short = Prompt("Answer by one SELECT in SQLite.", name="short")
careful = Prompt(
    "Answer by one SELECT in SQLite. Before you write it, say in a line each: which tables it needs, what must be "
    "counted or listed once, and which columns were asked for.",
    name="careful",
)
graph = Graph("text-to-sql")
graph.add(
    "write",
    Solver(
        output="code",
        prompt=choose(short, careful),
        samples=choose(1, 3),
        style="direct",
        max_output_tokens=192,
    ),
)


def tables() -> str:
    """The statements that made the tables of the database."""
    connection = sqlite3.connect(DATABASE)
    try:
        return "\n".join(sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql <> ''"))
    finally:
        connection.close()


def main(pool: Pool) -> None:
    """Searches the plans on forty questions; prints the frontier, and a query of the policy with its rows."""
    shutil.copy(DATA / "shop.sqlite", DATABASE)
    tasks = [task.model_copy(update={"context": (tables(),)}) for task in load_tasks(DATA / "shop.jsonl")]
    report = optimize(graph, tasks, pool, cap=Cap(total=40_000), spend=150_000, metric="sql")
    for plan in report.frontier:
        values = plan.plan["values"]
        setting = f"prompt {values['write.prompt']}, {values['write.samples']} samples"
        print(f"{plan.validation.score:.2f} for {plan.validation.cost:5.1f} tokens a question: {setting}")
    if report.policy is not None:
        print(report.policy.invoke(tasks[0]).answer)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Pool.from_toml(sys.argv[1]))
    else:
        with RecordedEndpoint(DATA / "shop.replies.jsonl") as endpoint:
            main(Pool([endpoint.model()]))
