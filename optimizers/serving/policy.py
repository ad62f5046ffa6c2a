"""What a search leaves behind for use: a graph, its arms, and a policy that chooses among them, in one file."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...budgets.books import MemoryStore
from ...budgets.cap import Cap
from ...errors import GraphError, PoolError, UsageError
from ...graphs.code import codes_of
from ...graphs.graph import Graph
from ...graphs.portal import run_closing
from ...graphs.result import Metric
from ...graphs.run import Runner
from ...models.pocket import load_pocket_models
from ...models.pool import Pool
from ...nodes.kinds import Kinds
from ...records.display import json_escaped
from ...records.files import write_text
from ...records.protocols import StudyStore
from ...records.rows import Unit
from ...records.task import Task
from ..policies.base import ArmPolicy, Assignment, MakePolicy
from ..policies.registry import policy_from_json, policy_to_json
from ..policies.stratified import prepared, wrong_costs_of
from ..tables.table import Arm, Batch, Question, question_of
from .answer import Menu, Served
from .open_policy import OpenPolicy
from .policy_file import PolicyFile, Reference, SavedModel, read_policy_file
from .service import Service

__all__ = ["DeployedPolicy", "OpenPolicy"]

_NO_LIMIT = 1e12
"""A budget per question that no arm reaches."""


class DeployedPolicy:
    """Decides for each question which plan of a graph answers it, and has it answered. Immutable.

    For example::

        policy = Policy.load("policy.json")
        print(policy.invoke("47+83=").answer)
        thrifty = policy.dial(0.2)

    A single question is decided as if it came in a batch with the reference questions at the dial's budget for each,
    so it gets what it would get there: a hard one may cost several times the average, an easy one a fraction of it.
    A question whose family is not known counts among that of the reference question that it resembles most.

    Args:
        graph: that the arms' plans belong to.
        pool: the models.
        policy: chooses among its arms.
        reference: questions like those to come, with the policy's probe; the first 200 are kept.
        budget: what a question may cost on average, in `unit`.
        unit: of the policy's costs.
        others: arms that only the stages of the policy's cascades name.

    Raises:
        UsageError: an arm has no plan, or the reference questions lack the policy's probe.
        PlanError: a plan does not belong to the graph.
    """

    def __init__(
        self,
        graph: Graph,
        pool: Pool,
        policy: ArmPolicy,
        reference: Batch,
        *,
        budget: float,
        unit: Unit = "tokens",
        others: Sequence[Arm] = (),
    ) -> None:
        if not 0 < budget < _NO_LIMIT:
            raise UsageError(f"a budget per question must be a number above 0, not {budget:g}")
        if policy.probe is not None and policy.probe not in reference.probes:
            raise UsageError(f"policy {policy.name!r} needs the probe {policy.probe!r} of every reference question")
        if not len(reference):
            raise UsageError("a policy needs at least one reference question, to decide single questions beside it")
        self._graph = graph
        self._pool = pool
        self._policy = policy
        self._menu = Menu(policy.arms, others)
        self._reference = Reference.of(reference, policy.probe)
        self._budget = float(budget)
        self._unit: Unit = unit
        self._others = tuple(others)
        space = graph.space(pool)
        for arm in range(len(policy.arms)):
            for plan in self._menu.plans(arm):
                space.canonical(plan)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        pool: Pool | None = None,
        kinds: Kinds = (),
        policies: Iterable[MakePolicy] = (),
        allow: Collection[str] = (),
        strict: bool = False,
    ) -> DeployedPolicy:
        """Reads a policy file. It needs neither a store nor a dev set, only the models.

        The file is data: a module that it names is imported only where it is admitted.

        Args:
            path: what `save` wrote.
            pool: has the models that the policy uses, unchanged; the embedded models where it is left out.
            kinds: of the graph's nodes, where it has some that neither come with the package nor are installed.
            policies: likewise, classes of policies.
            allow: modules that are admitted with all that is below them, for what the file names: "my_app" admits
                `my_app.sub`, not `my_apple`; and commands of MCP servers and apps, see `Graph.from_json`.
            strict: whether a changed kind or function of the user's own is an error; it is a warning otherwise.

        Raises:
            UsageError: it is no such file, or names a module that is not admitted; the message names the field, or the
                option.
            PoolError: the pool lacks a model, or has another one under its name.
            GraphError, PlanError: the graph or a plan was written by another version of a node kind.
        """
        content = read_policy_file(Path(path))
        given = Pool(load_pocket_models()) if pool is None else pool
        missing = [model.name for model in content.models if model.name not in given.names]
        if missing:
            where = "the embedded models" if pool is None else "the pool"
            raise PoolError(
                f"{path}: the policy uses model {missing[0]!r}, which is not in {where} ({', '.join(given.names)}); "
                "give a pool that has it: pool=Pool.from_toml(...), or --models on the command line"
            )
        for model in content.models:
            model.check(given.card(model.name), content.unit)
        graph = Graph.from_json(json.dumps(content.graph), kinds=kinds, allow=allow)
        _check_code(str(path), content.code, codes_of(graph), strict=strict)
        return cls(
            graph,
            Pool(given.model(model.name) for model in content.models),
            policy_from_json(content.policy, policies=policies, allow=allow),
            content.reference.batch,
            budget=content.budget,
            unit=content.unit,
            others=content.arms,
        )

    def save(self, path: str | Path) -> None:
        """Writes the policy to a file that `load` reads.

        Raises:
            UsageError: the file cannot be written.
        """
        content = PolicyFile(
            unit=self._unit,
            budget=self._budget,
            graph=json.loads(self._graph.to_json()),
            arms=self._others,
            policy=policy_to_json(self._policy),
            models=tuple(SavedModel.of(card) for card in self._pool.cards if card.name in self._used()),
            code=dict(codes_of(self._graph)),
            reference=self._reference,
        )
        try:
            write_text(Path(path), json_escaped(content.model_dump_json()) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from error

    @property
    def modules(self) -> tuple[str, ...]:
        """What whoever loads its file must admit, modules and commands, see `load`."""
        home = policy_to_json(self._policy).get("class", "")
        return tuple(sorted({*self._graph.blueprint.modules, *([home.partition(":")[0]] if home else [])}))

    @property
    def graph(self) -> Graph:
        """That the plans belong to."""
        return self._graph

    @property
    def name(self) -> str:
        """Of the policy in the registry, for example "joint"."""
        return self._policy.name

    @property
    def arms(self) -> tuple[Arm, ...]:
        """What it chooses from."""
        return self._policy.arms

    @property
    def budget(self) -> float:
        """What a question may cost on average, in `unit`."""
        return self._budget

    @property
    def unit(self) -> Unit:
        """Of the budget."""
        return self._unit

    @property
    def wrong_costs(self) -> float:
        """What a wrong answer cost where it was fitted; above 0, answers that are not sure enough are withheld."""
        return wrong_costs_of(self._policy)

    @cached_property
    def span(self) -> tuple[float, float]:
        """The budgets per question at the ends of the dial: the cheapest arm for everybody, and no limit."""
        count = len(self._known)
        lowest = float(self._policy.assign(self._known, 0.0).expected.mean())
        highest = float(self._policy.assign(self._known, _NO_LIMIT * count).high.mean())
        return lowest, max(lowest, highest)

    def dial(self, x: float) -> DeployedPolicy:
        """The same policy at another budget; nothing is fitted anew.

        Args:
            x: from 0, the cheapest arm for every question, to 1, whatever the policy would choose without a limit.
                Between them the budget grows by equal factors.

        Raises:
            UsageError: x is not in [0, 1].
        """
        if not 0 <= x <= 1:
            raise UsageError(f"the dial goes from 0 (cheapest) to 1 (dearest), not to {x:g}")
        low, high = self.span
        return self.at(low * (high / low) ** x if low > 0 else max(x * high, 1e-9))

    def at(self, budget: float) -> DeployedPolicy:
        """The same policy at a budget per question, in `unit`.

        Raises:
            UsageError: it is not a number above 0.
        """
        return DeployedPolicy(
            self._graph,
            self._pool,
            self._policy,
            self._reference.batch,
            budget=budget,
            unit=self._unit,
            others=self._others,
        )

    @asynccontextmanager
    async def opened(self, *, store: StudyStore | None = None) -> AsyncIterator[OpenPolicy]:
        """Opens what answering needs, such as an index for searches, once for many questions.

        Args:
            store: keeps accounts, replies and traces; in memory, and then gone, where it is left out. Programs that
                run for long should give one, because memory grows with every question.
        """
        async with Runner(self._graph, self._pool, MemoryStore() if store is None else store) as runner:
            yield OpenPolicy(self, self._policy, self._menu, self._others, runner)

    async def aclose(self) -> None:
        """Lets go of its models' connections in the running loop; it may be used again afterwards."""
        await self._pool.aclose()

    async def ainvoke(self, question: str | Task, *, cap: Cap | None = None, store: StudyStore | None = None) -> Served:
        """Answers one question; see `OpenPolicy.ainvoke`."""
        async with self.opened(store=store) as policy:
            return await policy.ainvoke(question, cap=cap)

    async def ainvoke_batch(
        self, tasks: Sequence[str | Task], cap: Cap, *, scorer: Metric | None = None, store: StudyStore | None = None
    ) -> Service:
        """Answers a batch under one hard cap; see `OpenPolicy.ainvoke_batch`."""
        async with self.opened(store=store) as policy:
            return await policy.ainvoke_batch(tasks, cap, scorer=scorer)

    def invoke(self, question: str | Task, *, cap: Cap | None = None, store: StudyStore | None = None) -> Served:
        """`ainvoke` for sync code, also where an event loop is running."""
        return run_closing(self._pool.aclose, self.ainvoke, question, cap=cap, store=store)

    def invoke_batch(
        self, tasks: Sequence[str | Task], cap: Cap, *, scorer: Metric | None = None, store: StudyStore | None = None
    ) -> Service:
        """`ainvoke_batch` for sync code, also where an event loop is running."""
        return run_closing(self._pool.aclose, self.ainvoke_batch, tasks, cap, scorer=scorer, store=store)

    def question_of(self, task: Task) -> Question:
        """The question as the policy sees it; of a family that it does not know, that of the nearest reference."""
        question = question_of(task)
        references = self._reference.questions
        if any(question.family == other.family for other in references):
            return question
        own = _shape(question.text)
        nearest = max(references, key=lambda other: _likeness(own, _shape(other.text)))
        return replace(question, family=nearest.family)

    def decide(self, batch: Batch) -> Assignment:
        """Decides each question of a batch as if it came alone, beside the reference questions."""
        known, alone = self._known, prepared(self._policy, batch)
        count = len(known)
        arms, expected, high = np.empty(len(batch), np.intp), np.empty(len(batch)), np.empty(len(batch))
        for i, question in enumerate(batch.questions):
            # Of questions that look alike the first in line are served best, so no place in it may be a rule.
            place = int(hashlib.sha256(question.name.encode()).hexdigest(), 16) % (count + 1)
            found = self._policy.assign(_inserted(known, alone.take(np.array([i])), place), self._budget * (count + 1))
            arms[i], expected[i], high[i] = found.arms[place], found.expected[place], found.high[place]
        return Assignment(arms, expected, high)

    @cached_property
    def _known(self) -> Batch:
        """The reference questions with what the policy makes of them."""
        return prepared(self._policy, self._reference.batch)

    def _used(self) -> set[str]:
        """The models that any arm, pinned node or probe names."""
        plans = [plan for arm in range(len(self._policy.arms)) for plan in self._menu.plans(arm)]
        named = {value for plan in plans for value in plan.values.values() if isinstance(value, str)}
        for node in self._graph.nodes.values():
            named |= {value for _, value in node if isinstance(value, str)}
        if self._policy.probe is not None:
            named.add(self._policy.probe.partition("/")[2])
        return named


def _check_code(path: str, then: Mapping[str, str], now: Mapping[str, str], *, strict: bool) -> None:
    """Tells what has changed since the policy was fitted; of what cannot be looked at without running it, nothing."""
    changed = [
        f"{name} (then {then[name]}, now {now[name]})" for name in then if now.get(name, then[name]) != then[name]
    ]
    if not changed:
        return
    told = (
        f"{path}: the code of {', '.join(changed)} has changed since the policy was fitted, so its forecasts may be off"
    )
    if strict:
        raise GraphError(f"{told}. Bring the former code back, run optimize again, or load it without strict")
    warnings.warn(f"{told}; run optimize again", stacklevel=3)


def _inserted(known: Batch, more: Batch, place: int) -> Batch:
    def within(values: Any, new: Any) -> Any:
        return np.concatenate([values[:place], new, values[place:]])

    return Batch(
        (*known.questions[:place], *more.questions, *known.questions[place:]),
        {name: within(values, more.probes[name]) for name, values in known.probes.items()},
        {key: tuple(map(within, arrays, more.known[key])) for key, arrays in known.known.items()},
    )


_DIGITS = re.compile(r"[0-9]")


def _shape(text: str) -> frozenset[str]:
    """The runs of three characters in a text, all digits alike: what kind of question it is, not which."""
    plain = _DIGITS.sub("0", f" {text} ")
    return frozenset(plain[i : i + 3] for i in range(len(plain) - 2))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of common members in all members (Jaccard)."""
    return len(one & other) / max(1, len(one | other))
