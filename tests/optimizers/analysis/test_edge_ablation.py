from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.run import Runner
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.analysis import edge_ablation
from apportion.optimizers.analysis.edge_ablation import EdgeReport, EdgeWorth, Measure, SamplingEffort, search_edges
from apportion.optimizers.search.base import Proposal
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.study.accounts import StudyAccounts
from apportion.optimizers.study.spec import StudySpec
from apportion.optimizers.study.trials import TrialEvaluator
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.tasks.metric_text import exact
from apportion.testing.scripted import ScriptedModel

PRICE = 1e-5


class Planted:
    """Truthful and lying solvers, and who knows what.

    Every task is known to one of the truthful; the others of them say nothing. A liar is nearly always wrong, always
    in the same way, and comes first, so that a tie is its gain.
    """

    def __init__(self, truthful: int, liars: int, tasks: int, seed: int) -> None:
        generator = random.Random(seed)
        self.tasks = [Task(question=f"Task {number} of {seed}?", gold=f"right {number}") for number in range(tasks)]
        self.liars = [f"liar{number}" for number in range(liars)]
        self.truthful = [f"truth{number}" for number in range(truthful)]
        who = [self.truthful[number % truthful] for number in range(tasks)]
        generator.shuffle(who)
        self.knows = dict(zip((task.question for task in self.tasks), who, strict=True))
        self.lucky = {(name, task.question) for name in self.liars for task in self.tasks if generator.random() < 0.05}
        self.golds = {task.question: task.gold for task in self.tasks}
        self.models = [ScriptedModel(partial(self._says, name), name=name) for name in self.names]

    @property
    def names(self) -> list[str]:
        return [*self.liars, *self.truthful]

    def says(self, name: str, question: str) -> str:
        if self.knows[question] == name or (name, question) in self.lucky:
            return self.golds[question]
        return "" if name in self.truthful else "wrong"

    def _says(self, name: str, request: Request) -> str:
        content = request.messages[-1].content
        return self.says(name, next(question for question in self.golds if question in content))

    def voting(self) -> Graph:
        graph = Graph("voting")
        for name in self.names:
            graph.add(name, Solver(model=name, style="direct", max_output_tokens=20))
        graph.add("judge", Verifier(method="vote"))
        for name in self.names:
            graph.connect(name, "judge", optional=True)
        return graph

    def advising(self) -> Graph:
        """The others' answers are notes of a solver that repeats the first of them."""
        graph = Graph("advising")
        for name in self.names:
            graph.add(name, Solver(model=name, style="direct", max_output_tokens=20))
        graph.add("last", Solver(model="last", style="direct", max_output_tokens=20))
        graph.start("last")
        for name in self.names:
            graph.connect(name, "last", optional=True)
        return graph

    def repeats(self, request: Request) -> str:
        content = request.messages[-1].content
        return content.split("\n- ")[1].splitlines()[0] if "\n- " in content else "no idea"


async def measured_for_real(planted: Planted, graph: Graph, **settings: object) -> tuple[Plan, EdgeReport, int]:
    """Runs every plan through the whole machinery; also tells how many calls reached a model."""
    last = ScriptedModel(planted.repeats, name="last")
    pool = Pool([*planted.models, last])
    async with Runner(graph, pool, MemoryStore()) as runner:
        spec = StudySpec(
            graph=graph,
            space=runner.space,
            tasks=tuple(planted.tasks),
            pool=pool,
            cap=Cap(total=1e9),
            spend=1e9,
            store=runner.store,
            seed=0,
            scorer=exact,
            metric="exact",
            make_optimizer=Racing,
            optimizer="racing",
        )
        accounts = StudyAccounts(spec)
        accounts.open(runner)
        evaluator = TrialEvaluator(runner, spec, {"fit": planted.tasks}, accounts, lambda outcome: None)
        measure = partial(evaluator.measure, part="fit")
        plan, report = await search_edges(runner.space, measure, tasks=len(planted.tasks), price=PRICE, **settings)  # type: ignore[arg-type]
    return plan, report, sum(len(model.requests) for model in [*planted.models, last])


def measured_by_counting(planted: Planted, seen: list[Plan]) -> Measure:
    """The outcomes of the voting graph without running it: most votes, then the first."""
    said = [[planted.says(name, task.question) for task in planted.tasks] for name in planted.names]
    right = np.array([[text == task.gold for text, task in zip(row, planted.tasks, strict=True)] for row in said])
    wrong = np.array([[text == "wrong" for text in row] for row in said])

    def score(asked: list[int]) -> np.ndarray:
        # The first is found by weights that no sum of later ones can reach.
        early = 0.4 ** np.arange(1, len(asked) + 1)[:, None]
        lead = (right[asked] * (1 + early)).sum(axis=0) - (wrong[asked] * (1 + early)).sum(axis=0)
        return np.asarray(lead > 0)

    async def measure(proposals: Sequence[Proposal]) -> Sequence[Measurement]:
        seen.extend(proposal.plan for proposal in proposals)
        found = []
        for proposal in proposals:
            asked = [at for at, name in enumerate(planted.names) if f"{name}->judge" in proposal.plan.edges]
            scores, cost = score(asked), 50.0 * len(asked)
            hit, miss = (Outcome("", Status.OK, value, cost, 0.0) for value in (1.0, 0.0))
            found.append(Measurement(proposal.plan, tuple(hit if one else miss for one in scores[: proposal.tasks])))
        return found

    return measure


def parted(report: EdgeReport) -> tuple[list[EdgeWorth], list[EdgeWorth]]:
    kept, cut = ([found for found in report.edges if found.kept is wanted] for wanted in (True, False))
    assert [*kept, *cut] == [*report.edges]
    return kept, cut


def names(report: EdgeReport) -> tuple[set[str], set[str]]:
    kept, cut = ({found.edge.partition("->")[0] for found in part} for part in parted(report))
    return kept, cut


@pytest.mark.parametrize("method", ["voting", "advising"])
def test_truthful_solvers_stay_and_liars_go_in_a_graph_that_runs(method: str) -> None:
    planted = Planted(truthful=2, liars=2, tasks=30, seed=1)
    graph = planted.voting() if method == "voting" else planted.advising()
    plan, report, _ = asyncio.run(measured_for_real(planted, graph))
    kept, cut = parted(report)
    assert names(report) == (set(planted.truthful), set(planted.liars))
    assert set(plan.edges) == {found.edge for found in kept}
    assert (report.method, report.tasks, report.plans) == ("enumeration", 30, 15 if method == "voting" else 16)
    for found in kept:
        assert found.gain.low > 0
    for found in cut:
        assert found.gain.high <= 0
        # What a liar's prompt and answer would have cost, and what the last solver would have read more.
        assert found.cost.low > 50


def test_a_cut_edge_costs_what_the_plan_with_it_is_charged_more() -> None:
    planted = Planted(truthful=1, liars=1, tasks=20, seed=3)
    _, report, calls = asyncio.run(measured_for_real(planted, planted.voting()))
    (liar,) = planted.models[:1]
    charged = [liar.count_tokens(request.messages) for request in liar.requests]
    answers = [len(planted.says("liar0", task.question)) for task in planted.tasks]
    (cut,) = parted(report)[1]
    assert cut.cost.mean == pytest.approx((sum(charged) + sum(answers)) / 20)
    assert calls == 40  # every answer once, whatever plans it serves


@pytest.mark.parametrize(("truthful", "liars", "tasks"), [(3, 3, 60), (5, 6, 80)])
def test_in_at_least_19_of_20_seeds_exactly_the_liars_are_cut(truthful: int, liars: int, tasks: int) -> None:
    right = 0
    same = Planted(truthful, liars, tasks, seed=0)
    space = same.voting().space(Pool(same.models))
    for seed in range(20):
        planted = Planted(truthful, liars, tasks, seed)
        seen: list[Plan] = []
        measure = measured_by_counting(planted, seen)
        effort = SamplingEffort(steps=100)
        _, report = asyncio.run(search_edges(space, measure, tasks=tasks, price=PRICE, seed=seed, effort=effort))
        right += names(report) == (set(planted.truthful), set(planted.liars))
        assert len({plan.hash for plan in seen}) == len(seen) == report.plans
    assert right >= 19


def test_sampling_finds_what_listing_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(truthful=3, liars=3, tasks=60, seed=5)
    space = planted.voting().space(Pool(planted.models))
    measure = measured_by_counting(planted, [])
    plan, listed = asyncio.run(search_edges(space, measure, tasks=60, price=PRICE))
    monkeypatch.setattr(edge_ablation, "MOST_ENUMERATED", 0)
    again, sampled = asyncio.run(search_edges(space, measure, tasks=60, price=PRICE))
    assert (listed.method, sampled.method) == ("enumeration", "sampling")
    assert again == plan
    assert sampled.plans < listed.plans
    # However short the sampling, the single switches that follow end at the same edges.
    hasty, _ = asyncio.run(search_edges(space, measure, tasks=60, price=PRICE, effort=SamplingEffort(steps=1)))
    assert hasty == plan


def planted_measure(
    worth: Callable[[frozenset[str]], Sequence[float]], cost: Callable[[frozenset[str]], float]
) -> Measure:
    """Scores by task and the cost of a choice of edges."""

    async def measure(proposals: Sequence[Proposal]) -> Sequence[Measurement]:
        found = []
        for proposal in proposals:
            edges = frozenset(proposal.plan.edges)
            outcomes = (Outcome("", Status.OK, score, cost(edges), 0.0) for score in worth(edges)[: proposal.tasks])
            found.append(Measurement(proposal.plan, tuple(outcomes)))
        return found

    return measure


def fan(solvers: int, **settings: object) -> Space:
    graph = Graph("fan")
    for number in range(solvers):
        graph.add(f"s{number}", Solver(model="m", **settings))  # type: ignore[arg-type]
    graph.add("judge", Verifier(method="vote")).start("judge")
    for number in range(solvers):
        graph.connect(f"s{number}", "judge", optional=True)
    return graph.space(Pool([ScriptedModel(lambda request: "", name="m")]))


def test_an_edge_that_costs_nothing_stays_unless_it_harms() -> None:
    generator = np.random.default_rng(0)
    noise = generator.normal(size=50) * 0.2

    def worth(edges: frozenset[str]) -> list[float]:
        return list(0.5 + noise * ("s0->judge" in edges) - 0.3 * ("s1->judge" in edges))

    _, report = asyncio.run(search_edges(fan(2), planted_measure(worth, lambda edges: 10.0), tasks=50, price=0.01))
    (cut,) = parted(report)[1]
    assert (cut.edge, cut.cost.mean) == ("s1->judge", 0)


def test_an_edge_without_a_sure_gain_goes_where_that_saves_tokens() -> None:
    noise = np.random.default_rng(1).normal(size=50)

    def worth(edges: frozenset[str]) -> list[float]:
        lucky = (noise - noise.mean()) * 0.2 + 0.01
        return list(0.5 + lucky * ("s0->judge" in edges) + 0.3 * ("s1->judge" in edges))

    def cost(edges: frozenset[str]) -> float:
        return 10.0 + 5.0 * len(edges)

    _, report = asyncio.run(search_edges(fan(2), planted_measure(worth, cost), tasks=50, price=0.0))
    (cut,) = parted(report)[1]
    assert (cut.edge, cut.cost.mean) == ("s0->judge", 5.0)
    assert cut.gain.low < 0 < cut.gain.mean
    plan, dear = asyncio.run(search_edges(fan(2), planted_measure(worth, cost), tasks=50, price=0.1))
    assert plan.edges == ()
    assert [found.gain.mean for found in dear.edges if found.edge == "s1->judge"] == pytest.approx([0.3])


def test_losses_too_small_to_be_sure_of_do_not_add_up() -> None:
    """Six edges of which each alone is within the noise, and all together are not."""
    noise = np.random.default_rng(2).normal(size=(6, 40)) * 0.5

    def worth(edges: frozenset[str]) -> list[float]:
        on = [number for number in range(6) if f"s{number}->judge" in edges]
        return list(0.1 * len(on) + noise[on].sum(axis=0) - noise.mean(axis=1)[on].sum())

    plan, report = asyncio.run(
        search_edges(fan(6), planted_measure(worth, lambda edges: 5.0 * len(edges)), tasks=40, price=0.0)
    )
    assert 0 < len(parted(report)[0]) < 6
    together = np.array(worth(frozenset(fan(6).optional_edges))) - np.array(worth(frozenset(plan.edges)))
    assert together.mean() < 2.6 * together.std() / 40**0.5


def test_edges_that_need_each_other_are_switched_together() -> None:
    graph = Graph("chain")
    for name in ("first", "second", "side", "judge"):
        graph.add(name, Verifier(method="vote") if name == "judge" else Solver(model="m"))
    graph.connect("first", "judge").connect("first", "second", optional=True).connect("second", "judge", optional=True)
    graph.connect("side", "judge", optional=True)
    space = graph.space(Pool([ScriptedModel(lambda request: "", name="m")]))

    def worth(edges: frozenset[str]) -> list[float]:
        return [0.5 - 0.2 * ("second->judge" in edges) + 0.1 * ("side->judge" in edges)] * 30

    _, report = asyncio.run(
        search_edges(space, planted_measure(worth, lambda edges: 7.0 * len(edges)), tasks=30, price=0)
    )
    kept, cut = parted(report)
    assert [found.edge for found in kept] == ["side->judge"]
    assert {found.edge for found in cut} == {"first->second", "second->judge"}
    # Each of the two would bring the other along.
    assert all(found.cost.mean == 14 for found in cut)
    assert all(found.gain.mean == pytest.approx(-0.2) for found in cut)


def test_the_last_edge_into_the_final_node_is_never_cut() -> None:
    planted = Planted(truthful=1, liars=1, tasks=20, seed=0)
    space = planted.voting().space(Pool(planted.models))
    _, report = asyncio.run(search_edges(space, measured_by_counting(planted, []), tasks=20, price=100.0))
    (kept,), _ = parted(report)
    # Without it there would be no answer, at no cost.
    assert kept.cost.mean == 50


def test_knobs_of_parts_that_only_some_choices_leave_in_have_the_values_that_were_asked_for() -> None:
    seen: list[Plan] = []
    space = fan(2, samples=choose(1, 3, 5))

    async def measure(proposals: Sequence[Proposal]) -> Sequence[Measurement]:
        seen.extend(proposal.plan for proposal in proposals)
        outcomes = (Outcome("", Status.OK, 1.0, 1.0, 0.0),)
        return [Measurement(proposal.plan, outcomes) for proposal in proposals]

    asyncio.run(search_edges(space, measure, tasks=1, price=0, values={"s0.samples": 5, "s1.samples": 3}))
    assert len(seen) == 4
    for plan in seen:
        active = {edge.partition("->")[0] for edge in plan.edges}
        assert dict(plan.values) == {f"{name}.samples": 5 if name == "s0" else 3 for name in active}


@given(st.data())
@settings(max_examples=25)
def test_only_plans_of_the_space_are_proposed_and_none_has_a_cycle(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 7))
    graph = Graph("random")
    for number in range(count):
        graph.add(f"n{number}", Solver(model="m"))
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    edges = set(data.draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1, max_size=12)))
    # A node that leads nowhere is refused, and so is one that nothing leads to.
    edges |= {(a, data.draw(st.integers(a + 1, count - 1))) for a in range(count - 1) if a not in {a for a, _ in edges}}
    fed = {b for _, b in edges}
    starts = {n for n in range(count) if n not in fed or data.draw(st.booleans())}
    # Some way into the final node stays whatever is cut.
    fixed, node = set[tuple[int, int]](), count - 1
    while node not in starts:
        fixed.add(edge := data.draw(st.sampled_from(sorted(edge for edge in edges if edge[1] == node))))
        node = edge[0]
    for edge in sorted(edges):
        optional = edge not in fixed and data.draw(st.integers(0, 3)) > 0
        graph.connect(*(f"n{n}" for n in edge), optional=optional)
    graph.finish(f"n{count - 1}").start(*(f"n{n}" for n in sorted(starts)))
    space = graph.space(Pool([ScriptedModel(lambda request: "", name="m")]))
    worths = {edge: data.draw(st.floats(-1, 1)) for edge in space.optional_edges}
    sampled = data.draw(st.booleans())

    async def measure(proposals: Sequence[Proposal]) -> Sequence[Measurement]:
        found = []
        for proposal in proposals:
            plan = proposal.plan
            assert space.canonical(plan) == plan
            active = space.active(plan.edges)
            assert nx.is_directed_acyclic_graph(nx.DiGraph((edge.source, edge.target) for edge in active.edges))
            assert space.graph.blueprint.final in active.names
            outcomes = (Outcome("", Status.OK, sum(worths[edge] for edge in plan.edges), 1.0, 0.0),) * 3
            found.append(Measurement(plan, outcomes))
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(edge_ablation, "MOST_ENUMERATED", 0 if sampled else 10)
        effort = SamplingEffort(batch=4, steps=10)
        plan, report = asyncio.run(search_edges(space, measure, tasks=3, price=0.1, effort=effort))
    kept, cut = parted(report)
    assert {found.edge for found in (*kept, *cut)} == set(space.optional_edges)
    assert tuple(found.edge for found in kept) == tuple(e for e in space.optional_edges if e in plan.edges)


def test_a_graph_without_optional_edges_has_nothing_to_find() -> None:
    graph = Graph("one").add("solve", Solver(model="m"))
    space = graph.space(Pool([ScriptedModel(lambda request: "", name="m")]))
    _, report = asyncio.run(search_edges(space, planted_measure(lambda _: [1.0], lambda _: 1.0), tasks=1, price=0.1))
    assert (report.edges, report.plans) == ((), 1)


@pytest.mark.parametrize(("tasks", "price"), [(0, 0.1), (5, -0.1), (5, float("nan")), (5, float("inf"))])
def test_bad_arguments_are_named(tasks: int, price: float) -> None:
    with pytest.raises(UsageError, match="at least one task and a price"):
        asyncio.run(search_edges(fan(1), planted_measure(lambda _: [1.0], lambda _: 1.0), tasks=tasks, price=price))
