"""What a run can cost at most, known before any call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from ..budgets.cap import Cap, in_unit, pick, smallest
from ..errors import Infeasible, UsageError
from ..models.pool import Pool
from ..nodes.base import CallBound, Speakers
from ..nodes.prompts import dialect_named
from ..records.message import Forward, MessageSize
from ..records.rows import Unit
from ..records.task import Task
from ..records.usage import ZERO, Amount
from .blueprint import HasBlueprint
from .channels import asked_of, incoming_of, message_sizes, speakers_of
from .finishing import direct_call, output_of_graph
from .plan import Plan
from .resolved import ResolvedPlan, Step, resolve
from .space import Space

__all__ = ["Bound", "BoundTerm", "Bounds", "cheapest_bound", "check_allowance", "check_feasible", "worst_case"]

_ENUMERATED = 64
"""Spaces of at most so many plans are enumerated for the cheapest; in larger ones knobs are lowered one by one."""


@dataclass(frozen=True, slots=True)
class BoundTerm:
    """A part of a bound."""

    name: str
    """For people, for example "output cap of node 'solve'"."""
    amount: Amount
    node: str = ""
    """The node that it belongs to; empty for the finishing allowance."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a run of a plan can be charged, retries excepted: each of those needs room of its own."""

    plan: Plan
    terms: tuple[BoundTerm, ...]
    allowance: Amount = ZERO
    """Of the terms, the finishing allowance."""
    call: Amount = ZERO
    """The most that one call can be charged, in each unit."""
    unbounded: bool = False
    """Whether nobody can foresee the calls of the graph: the terms are what a call of each node usually takes at most,
    and the bound of a run is its allowance."""

    @property
    def total(self) -> Amount:
        """The sum of the terms."""
        return sum((term.amount for term in self.terms), ZERO)

    def value(self, unit: Unit) -> int:
        """The total in the smallest unit of a cap."""
        return pick(self.total, unit)

    def largest(self, unit: Unit) -> str:
        """The name of the largest term in a unit."""
        return max(self.terms, key=lambda term: pick(term.amount, unit)).name

    @property
    def largest_term(self) -> str:
        """The name of the largest term in weighted tokens, which fits all units where models have different prices."""
        return self.largest("weighted")


def worst_case(graph: HasBlueprint, plan: Plan, task: Task, pool: Pool, *, unit: Unit = "tokens") -> Bound:
    """The most that a run can be charged: every loop to its last round, every decomposition into all its parts.

    Args:
        graph: the graph.
        plan: of this graph.
        task: what is asked; its text is part of every prompt.
        pool: the models.
        unit: in which the model of the finishing allowance is the cheapest.

    Raises:
        PlanError, UnknownName: the plan does not belong to the graph.
    """
    return Bounds(Space(graph, pool), unit).of(plan, task)


class Bounds:
    """Bounds of many plans and tasks.

    Args:
        space: of the plans.
        unit: in which the model of the finishing allowance is the cheapest.
    """

    def __init__(self, space: Space, unit: Unit = "tokens") -> None:
        self._space = space
        self._unit: Unit = unit
        self._resolve = lru_cache(maxsize=256)(lambda plan: resolve(space, plan))

    def of(self, plan: Plan, task: Task, output_cap: int | None = None) -> Bound:
        """As `worst_case`; with an output cap, where no call may write more than that."""
        return _bound(self._resolve(plan), task, self._space.pool, self._unit, output_cap)


def cheapest_bound(space: Space, task: Task, pool: Pool, unit: Unit = "tokens") -> Bound:
    """The bound of the plan whose bound is the lowest in a unit.

    Small spaces are enumerated. In others each arrangement of edges starts from the first values, and its knobs are
    lowered one after another; that is exact where the bound rises with every knob whatever the others are, as it does
    for counts, output caps and forward policies.
    """

    def bound(plan: Plan) -> Bound:
        return _bound(resolve(space, plan), task, pool, unit)

    if space.size <= _ENUMERATED:
        return min(map(bound, space), key=lambda found: found.value(unit))
    lowered = (_lowered(space, active.optional, unit, bound) for active in space.arrangements)
    return min(lowered, key=lambda found: found.value(unit))


def check_feasible(space: Space, task: Task, pool: Pool, cap: Cap) -> None:
    """Makes sure that at least the cheapest plan fits under a cap on one task.

    Raises:
        Infeasible: it does not; nothing was called.
        UsageError: nobody can foresee the calls of the graph, and the cap gives no allowance for a task.
    """
    if space.graph.unbounded:
        check_allowance(space.graph, cap)
        return
    least = cheapest_bound(space, task, pool, cap.unit)
    for ceiling in (cap.per_task, cap.total):
        if ceiling is not None and least.value(cap.unit) > smallest(ceiling, cap.unit):
            remedy = _remedy(least, space, task, cap.unit)
            raise Infeasible(ceiling, in_unit(least.total, cap.unit), cap.unit, least.largest(cap.unit), remedy)


def check_allowance(graph: HasBlueprint, cap: Cap | None) -> None:
    """Makes sure that a run of a graph whose calls nobody can foresee has an allowance, which is then its bound.

    Raises:
        UsageError: it has none; nothing was called.
    """
    if graph.blueprint.unbounded and (cap is None or cap.per_task is None):
        raise UsageError(
            f"{graph.blueprint.name!r} is an app whose calls nobody can foresee, so its bound is the allowance of a "
            "task: give cap=Cap(per_task=...), alone or with a total; on the command line --per-task, --per-question "
            "of `serve`, or --cap of `run` for one question"
        )


def _remedy(least: Bound, space: Space, task: Task, unit: Unit) -> str:
    """The setting that lowers a bound most, and the bound that it gives; an empty text where none does.

    Tried are one half of every whole number of a node, and answers alone on every edge.
    """
    resolved = resolve(space, least.plan)
    found: list[tuple[float, str]] = []

    def tried(setting: str, name: str, step: Step) -> None:
        changed = replace(resolved, steps={**resolved.steps, name: step})
        bound = _bound(changed, task, space.pool, unit)
        if bound.value(unit) < least.value(unit):
            found.append((in_unit(bound.total, unit), setting))

    for name, step in resolved.steps.items():
        for field, value in step.node:
            if type(value) is int and value > 1:
                half = value // 2
                node = step.node.model_copy(update={field: half})
                tried(f"{field}={half} of node {name!r}, now {value}", name, replace(step, node=node))
        for source, policy in step.sources:
            if policy is not Forward.ANSWER:
                others = tuple((s, Forward.ANSWER if s == source else p) for s, p in step.sources)
                tried(f'forward="answer" on edge {source}->{name}', name, replace(step, sources=others))
    value, setting = min(found, default=(0.0, ""))
    return f"{setting}, gives {value:,g}" if setting else ""


def _lowered(space: Space, edges: tuple[str, ...], unit: Unit, bound: Callable[[Plan], Bound]) -> Bound:
    best = bound(space.plan(edges=edges))
    for name in best.plan.values:
        for value in space.knobs[name]:
            if value != best.plan.values[name]:
                found = bound(space.nearest({**best.plan.values, name: value}, edges, keep=name))
                best = min(best, found, key=lambda each: each.value(unit))
    return best


def _bound(resolved: ResolvedPlan, task: Task, pool: Pool, unit: Unit, output_cap: int | None = None) -> Bound:
    terms: list[BoundTerm] = []
    largest = ZERO
    speakers = speakers_of(resolved, pool)
    sizes = message_sizes(resolved, task, speakers)
    for step in resolved.steps.values():
        found, call = _terms(step, resolved, task, pool, sizes, speakers, output_cap)
        terms += found
        largest = _most(largest, call)
    if resolved.active.blueprint.unbounded:
        return Bound(resolved.plan, tuple(terms), call=largest, unbounded=True)
    output = output_of_graph(resolved.active.blueprint)
    _, allowance = direct_call(task, pool, dialect_named, unit, output_cap, output=output)
    finishing = BoundTerm("the finishing allowance (see direct_output_tokens of the models)", allowance)
    return Bound(resolved.plan, (*terms, finishing), allowance, largest)


def _terms(
    step: Step,
    resolved: ResolvedPlan,
    task: Task,
    pool: Pool,
    sizes: Mapping[str, MessageSize],
    speakers: Speakers,
    output_cap: int | None,
) -> tuple[list[BoundTerm], Amount]:
    """A node's prompts, output caps and tools, over all rounds and parts; and the most that one of its calls takes."""
    times = 1 if step.loop is None else step.loop.high
    if step.split is not None:
        times *= resolved.steps[step.split].most_parts
    calls: tuple[CallBound, ...] = step.kind.worst_case(
        step.node, asked_of(step, task), incoming_of(step, sizes), speakers
    )
    prompts, outputs, largest = ZERO, ZERO, ZERO
    for call in calls:
        prompt, output = _call(call, pool, output_cap)
        largest = _most(largest, prompt + output)
        prompts += _times(prompt, call.times * times)
        outputs += _times(output, call.times * times)
    terms = [
        BoundTerm(f"the prompts of node {step.name!r}", prompts, step.name),
        BoundTerm(f"the output caps of node {step.name!r}", outputs, step.name),
    ]
    fee = step.kind.fee(step.node)
    if fee.usd:
        one = Amount(usd=fee.usd)
        largest = _most(largest, one)
        terms.append(BoundTerm(f"the tools of node {step.name!r}", _times(one, fee.times * times), step.name))
    return terms, largest


def _call(call: CallBound, pool: Pool, output_cap: int | None) -> tuple[Amount, Amount]:
    """The bounds of a call's prompt and of its output."""
    card = pool.card(call.model)
    prompt = call.prompt_bytes + card.template_tokens + card.message_bound_tokens * call.messages
    prompt += card.extra_bound_tokens
    if card.exact_tokenizer:
        prompt = min(prompt, card.context_tokens)  # a longer one is refused before anything is billed
    output = min(call.output_tokens, card.max_output_tokens, output_cap or call.output_tokens)
    output += card.output_slack_tokens
    return card.amount(prompt, 0), card.amount(0, output)


def _most(one: Amount, other: Amount) -> Amount:
    return Amount(max(one.tokens, other.tokens), max(one.weighted, other.weighted), max(one.usd, other.usd))


def _times(amount: Amount, times: int) -> Amount:
    return Amount(amount.tokens * times, amount.weighted * times, amount.usd * times)
