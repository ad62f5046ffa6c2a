"""Which models should answer an unchanged LangGraph app? Three roles, six embedded models, one hard cap, offline.

The app is `sums_and_codes.py`, which knows nothing of apportion. Printed is the plan that the search finds, beside the
best single model for all roles, both on questions that the search did not see; and what the same app is charged as a
command, which reaches its models through `OPENAI_BASE_URL`.
"""

import sys
from pathlib import Path

import numpy as np
from sums_and_codes import build

from apportion import (
    Cap,
    Graph,
    Plan,
    Pool,
    Role,
    Task,
    Workflow,
    generate,
    load_pocket_models,
    openai_client,
    optimize,
)
from apportion.optimizers.bootstrap import mean_interval
from apportion.tasks.metrics import resolve_metric
from apportion.tasks.split import split

ROLES = {"splitter": Role(), "worker": Role(), "reader": Role()}
CAP = Cap(per_task=1_500, unit="weighted")
APP = Graph.from_langgraph(build(openai_client()), roles=ROLES)
COMMAND = Workflow([sys.executable, str(Path(__file__).with_name("sums_and_codes.py"))], roles=ROLES)

TASKS = [task for n in (2, 3) for task in generate("composites", 40, seed=5, difficulty=n)]
TASKS += [task for n in (1, 2) for task in generate("extraction", 40, seed=5, difficulty=n)]


def measured(workflow: Workflow, plan: Plan, pool: Pool, tasks: tuple[Task, ...]) -> tuple[list[float], list[float]]:
    """The score and the weighted tokens of a plan on each task."""
    metric = resolve_metric("auto")
    results = [workflow.run(task, plan, pool=pool, cap=CAP, metric=metric) for task in tasks]
    return [result.score or 0.0 for result in results], [result.charged.weighted / 1e6 for result in results]


def main() -> None:
    """Searches, and compares what was found on the test part."""
    pool = Pool(load_pocket_models())
    report = optimize(APP, TASKS, pool, cap=CAP, spend=1_000_000, policies=())
    space = APP.space(pool)
    found = next(space.plan(plan.plan["values"]) for plan in report.frontier if plan.plan_hash == report.chosen)
    print("plan found:", {name.partition(".")[0]: value for name, value in found.values.items()})
    parts = split(TASKS, 0)
    singles = {name: space.plan({f"{role}.models": name for role in ROLES}) for name in pool.names}
    seen = {name: sum(measured(APP, plan, pool, parts["validation"])[0]) for name, plan in singles.items()}
    best = max(seen, key=seen.__getitem__)
    scores, costs = measured(APP, found, pool, parts["test"])
    rivals, dearer = measured(APP, singles[best], pool, parts["test"])
    gain = mean_interval(np.array(scores) - np.array(rivals))
    share = sum(costs) / sum(dearer)
    print(
        f"on {len(scores)} test questions: {sum(scores) / len(scores):.3f} for {sum(costs) / len(costs):.1f} weighted"
    )
    print(
        f"best single model for all roles, {best}: {sum(rivals) / len(rivals):.3f} for {sum(dearer) / len(dearer):.1f}"
    )
    print(f"difference {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) at {share:.0%} of its weighted tokens")
    first = parts["test"][:3]
    _, outside = measured(COMMAND, COMMAND.space(pool).plan(found.values), pool, first)
    print(f"as a command, on {len(first)} of them: {sum(outside):.2f} weighted; in this process {sum(costs[:3]):.2f}")


if __name__ == "__main__":
    main()
