"""Roles that an app never asked for: a misspelt name, or a model that only some questions need."""

from __future__ import annotations

from ...graphs.plan import Plan
from ...graphs.resolved import resolve
from ...graphs.space import Space
from ...records.protocols import StudyStore

__all__ = ["unasked_roles"]


def unasked_roles(store: StudyStore, study_id: str, space: Space, plan: Plan) -> list[str]:
    """A line for each node that runs on demand, has a model, and did not run once on validation.

    Args:
        store: has the books of the study.
        study_id: of the study.
        space: of its graph.
        plan: whose runs are looked at.
    """
    roles = [name for name, step in resolve(space, plan).steps.items() if step.kind.on_demand and step.models]
    if not roles:
        return []
    store.flush()
    trials = [t for t in store.trials(study_id) if t.plan_hash == plan.hash and t.part == "validation"]
    runs = [run.run_id for trial in trials for run in store.runs(trial_id=trial.trial_id)]
    asked = {span.node for run in runs for span in store.spans(run)}
    return [
        f"role {name!r} was never asked for in {len(runs)} runs of the chosen plan, so nothing chose its model; "
        "see that the app asks for it by this name, or leave it out"
        for name in roles
        if runs and name not in asked
    ]
