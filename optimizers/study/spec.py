"""What a study is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...budgets.cap import Cap
from ...graphs.graph import Graph
from ...graphs.plan import Plan
from ...graphs.result import Metric
from ...graphs.space import Space
from ...models.pool import Pool
from ...records.protocols import StudyStore
from ...records.rows import RunRow
from ...records.task import Task
from ..policies.base import MakePolicy
from ..search.registry import MakeOptimizer
from .policy_selection import POLICIES_COMPARED

__all__ = ["StudySpec"]

_FIRST_DEFAULT = (
    "static",
    "static_mix",
    "allocate_only",
    "route_only",
    "route_then_allocate",
    "cascade",
    "joint",
    "joint_safe",
)
"""The policies that were compared by default when studies were first stored: the default may change, and a study that
left it to the default goes on all the same."""
_VERSION = 2
"""Of the search; a study of another version is another study."""


@dataclass(frozen=True, slots=True)
class StudySpec:
    """The arguments of a study; equal specs are the same study."""

    graph: Graph
    space: Space
    tasks: tuple[Task, ...]
    pool: Pool
    cap: Cap
    spend: float
    store: StudyStore
    seed: int
    scorer: Metric
    metric: str
    make_optimizer: MakeOptimizer
    optimizer: str
    policies: Mapping[str, MakePolicy] = field(default_factory=dict)
    """The policies to fit and compare, by name; none to leave them out."""
    target_score: float | None = None
    """The mean score for which the smallest cap is looked for, up to `cap`; None where the cap is the question."""
    code: Mapping[str, str] = field(default_factory=dict)
    """What the code of the user's own kinds and functions is, see `codes_of`."""
    wrong_costs: float = 0.0
    """What a wrong answer costs policies, see `valued`."""

    def as_json(self) -> str:
        """What identifies the study, as canonical JSON."""
        content: dict[str, Any] = {
            "version": _VERSION,
            "graph": self.graph.hash,
            "tasks": sorted(task.task_id for task in self.tasks),
            "models": [[card.name, card.fingerprint, card.weight] for card in self.pool.cards],
            "cap": self.cap.model_dump(mode="json"),
            "spend": self.spend,
            "seed": self.seed,
            "metric": self.metric,
            "optimizer": self.optimizer,
            "policies": list(_FIRST_DEFAULT if tuple(self.policies) == POLICIES_COMPARED else self.policies),
        }
        if self.target_score is not None:
            content["target_score"] = self.target_score
        if self.code:
            content["code"] = dict(self.code)
        efforts = {card.name: card.model_dump(mode="json")["efforts"] for card in self.pool.cards if card.efforts}
        if self.wrong_costs:
            content["wrong_costs"] = self.wrong_costs
        if efforts:
            content["efforts"] = efforts
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @property
    def study_id(self) -> str:
        """The hash of the spec."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()[:16]

    def runs(self, plan: Plan, part: str) -> Iterator[RunRow]:
        """The runs of a plan on a part, as they are stored."""
        self.store.flush()
        for trial in self.store.trials(self.study_id):
            if (trial.plan_hash, trial.part) == (plan.hash, part):
                yield from self.store.runs(trial_id=trial.trial_id)
