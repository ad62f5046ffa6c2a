"""Plans made ready to run, and tasks by their hash: what a runner looks up or makes once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..nodes.base import Speakers
from ..nodes.parts import part_bytes
from ..records.message import MessageSize
from ..records.protocols import Recorder
from ..records.rows import PlanRow, TaskRow
from ..records.task import Task
from .active import Active
from .channels import Channels, message_sizes, speakers_of
from .direct import Schedule, schedule_of
from .draw import mermaid
from .plan import Plan
from .resolved import ResolvedPlan, resolve
from .space import Space
from .state import supersteps

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["PreparedPlan", "PreparedPlans"]

_TASKS_KNOWN = 10_000
"""How many tasks are remembered with their hash."""


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A plan that is ready to run."""

    resolved: ResolvedPlan
    schedule: Schedule
    config: RunnableConfig
    speakers: Speakers
    sizes: dict[int, Mapping[str, MessageSize]] = field(default_factory=dict)
    """By the most bytes of a part of the question, all that they depend on."""

    def channels(self, task: Task) -> Channels:
        """What edges carry in a run of the task."""
        part = part_bytes(task.question)
        if part not in self.sizes:
            self.sizes[part] = message_sizes(self.resolved, task, self.speakers)
        return Channels(self.sizes[part], self.speakers.measure)


class PreparedPlans:
    """Makes plans of one graph ready, each once, and records them; plans that differ in knobs only share a schedule.

    Args:
        space: of the plans.
        recorder: where plans and tasks are recorded when they are first met.
    """

    def __init__(self, space: Space, recorder: Recorder) -> None:
        self._space = space
        self._recorder = recorder
        self._plans: dict[str, PreparedPlan] = {}
        self._schedules: dict[tuple[str, ...], Schedule] = {}
        """By the optional edges that are on."""
        self._compiled: dict[tuple[str, ...], Any] = {}
        self._tasks: dict[int, tuple[Task, str]] = {}

    def of(self, plan: Plan) -> PreparedPlan:
        """The plan, ready to run.

        Raises:
            PlanError, UnknownName: it does not belong to the graph.
        """
        known = self._plans.get(plan.hash)
        return self._prepare(plan) if known is None else known

    def compiled(self, active: Active) -> Any:
        """The part of the graph that runs, as compiled by LangGraph."""
        if active.optional not in self._compiled:
            from .compile import to_state_graph  # here, because a search runs without LangGraph and need not load it

            self._compiled[active.optional] = to_state_graph(active).compile(name=self._space.graph.name)
        return self._compiled[active.optional]

    def task_id(self, task: Task) -> str:
        """The task's hash."""
        known = self._tasks.get(id(task))
        if known is None:
            if len(self._tasks) >= _TASKS_KNOWN:
                self._tasks.clear()
            known = self._tasks[id(task)] = (task, task.task_id)  # the reference keeps the object's id its own
            self._recorder.record(TaskRow(known[1], task.family, task.model_dump_json()))
        return known[1]

    def _prepare(self, plan: Plan) -> PreparedPlan:
        resolved = resolve(self._space, plan)
        made, active = resolved.plan, resolved.active
        rounds = {name: round_.high for name, round_ in resolved.rounds.items()}
        if active.optional not in self._schedules:
            self._schedules[active.optional] = schedule_of(active)
        config: RunnableConfig = {"recursion_limit": supersteps(active, rounds)}
        prepared = PreparedPlan(
            resolved, self._schedules[active.optional], config, speakers_of(resolved, self._space.pool)
        )
        self._recorder.record(PlanRow(made.hash, made.graph_hash, made.to_json(), mermaid(self._space.graph, made)))
        self._plans[plan.hash] = self._plans[made.hash] = prepared
        return prepared
