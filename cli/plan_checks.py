"""Whether a plan that is asked for can be had, before anything is opened or called for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PlanError, UsageError

if TYPE_CHECKING:
    from ..graphs.blueprint import HasBlueprint
    from ..graphs.plan import Plan
    from ..models.pool import Pool

__all__ = ["check_models", "check_plan_is_somewhere"]


def check_plan_is_somewhere(plan: str | None, db: str) -> None:
    """Refuses to look for a plan in a database that is not there; a run without a plan may begin a new one.

    Raises:
        UsageError: the plan is no file, and there is no such database.
    """
    if plan is not None and not Path(plan).is_file() and not Path(db).exists():
        raise UsageError(f"there is no database {db!r} to look up plan {plan!r} in; --db names the one of the search")


def check_models(graph: HasBlueprint, plan: Plan | None, pool: Pool) -> None:
    """Refuses a plan that was made for another pool.

    Raises:
        GraphError: the graph is not valid.
        PlanError: the plan gives a node a model that the pool lacks.
    """
    for name, node in graph.blueprint.nodes.items() if plan is not None else ():
        for knob, value in plan.settings(name).items() if plan is not None else ():
            if knob in node.model_knobs() and value not in pool.names:
                raise PlanError(
                    f"the plan gives {name!r} the model {value!r}, and the pool has {', '.join(pool.names)}; "
                    "name the pool file of its search with --models"
                )
