from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from itertools import permutations

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
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.base import Inputs
from apportion.nodes.decomposer import Decomposer
from apportion.nodes.kinds import KINDS
from apportion.nodes.knob import Adaptive, choose
from apportion.nodes.merger import Merger
from apportion.nodes.solver import Solver
from apportion.nodes.stopping import StopRule
from apportion.nodes.symbolic_solver import SymbolicSolver
from apportion.nodes.votes import VoteRule, normal_form
from apportion.optimizers.analysis.vote_curves import MOST_DRAWS, Draw, VotePoint, recorded_draws, vote_curves
from apportion.records.task import Task
from apportion.records.usage import Usage
from apportion.tasks.metric_text import exact
from apportion.testing.node import NodeBench
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="What is it?", gold="a")
CARD = ModelCard(name="m", provider="scripted", attempts=1, logprobs=True, template_tokens=0, message_tokens=0)


def drawn(
    answers: str, *, costs: list[float] | None = None, confidences: list[float | None] | None = None
) -> list[Draw]:
    """A letter a draw, `a` is right and `.` could not be read."""
    return [
        Draw(
            None if answer == "." else answer,
            float(answer == "a"),
            costs[place] if costs else 1.0,
            confidences[place] if confidences else None,
        )
        for place, answer in enumerate(answers)
    ]


def by_running(order: tuple[Draw, ...], samples: int | Adaptive, vote: VoteRule, stop: StopRule) -> tuple[float, float]:
    """What the solver itself does when it draws in this order."""

    def script(request: Request) -> Reply:
        draw = order[request.sample]
        mean = None if draw.confidence is None else math.log(draw.confidence)
        return Reply(draw.answer or "", "stop", None, mean_logprob=mean)

    model = ScriptedModel(script, name="m", card=CARD)
    node = Solver(model="m", style="direct", samples=samples, vote=vote, stop=stop)
    outcome = NodeBench([model]).run(node, Inputs(TASK, TASK.question, {}))
    return exact(TASK, outcome.message.answer), sum(order[request.sample].cost for request in model.requests)


WAYS: list[tuple[int | Adaptive, StopRule]] = [
    (1, "beta"),
    (3, "beta"),
    (4, "beta"),
    (Adaptive(low=1, high=4), "beta"),
    (Adaptive(low=1, high=3), "ahead_by_2"),
    (Adaptive(low=1, high=4), "ahead_by_3"),
    (Adaptive(low=1, high=4), "agree_2"),
    (Adaptive(low=1, high=4), "ahead_by_1"),
]


def point_of(
    draws: Sequence[Sequence[Draw]], samples: int | Adaptive, vote: VoteRule = "majority", stop: StopRule = "beta"
) -> VotePoint:
    wanted = (samples, None) if isinstance(samples, int) else (samples.high, stop)
    return next(p for p in vote_curves(draws, vote=vote, stops=[stop]) if (p.most, p.stop) == wanted)


@pytest.mark.parametrize("vote", ["majority", "confidence", "first"])
@pytest.mark.parametrize(
    "draws",
    [
        drawn("aabb", costs=[1.0, 2.0, 4.0, 8.0]),
        drawn("ab.c", costs=[1.0, 2.0, 4.0, 8.0]),
        drawn("aab.", confidences=[0.5, 0.25, 0.8, 0.1]),
        drawn("abca", confidences=[0.5, None, 0.8, None]),
        drawn("....", costs=[1.0, 2.0, 4.0, 8.0]),
    ],
    ids=["two answers", "one unread", "confidences", "some confidences", "none read"],
)
def test_the_mean_over_all_orders_in_which_the_solver_might_draw(draws: list[Draw], vote: VoteRule) -> None:
    for samples, stop in WAYS:
        runs = [by_running(order, samples, vote, stop) for order in permutations(draws)]
        point = point_of([draws], samples, vote, stop)
        assert (point.score, point.cost) == pytest.approx(tuple(np.mean(runs, axis=0))), (samples, stop)


@given(st.text("aabc.", min_size=1, max_size=9), st.sampled_from(["majority", "confidence", "first"]))
@settings(max_examples=40, deadline=None)
def test_curves_begin_at_the_mean_and_end_at_the_vote_over_all(answers: str, vote: VoteRule) -> None:
    draws = drawn(answers)
    curves = vote_curves([draws], vote=vote)
    fixed = {point.most: point for point in curves if point.stop is None}
    assert list(fixed) == list(range(1, len(answers) + 1))
    assert fixed[1].score == pytest.approx(answers.count("a") / len(answers))
    for samples, point in fixed.items():
        assert point.cost == pytest.approx(samples)
    for point in curves:
        assert 0 <= point.score <= 1 + 1e-12
        assert point.least - 1e-9 <= point.cost <= point.most + 1e-9


def test_three_votes_are_the_binomial_for_many_draws_without_replacement() -> None:
    """With 6 of 10 right and one wrong answer: hypergeometric, not binomial."""
    point = point_of([drawn("aaaaaabbbb")], 3)
    expected = (math.comb(6, 3) + math.comb(6, 2) * 4) / math.comb(10, 3)
    assert point.score == pytest.approx(expected)


def test_tasks_stay_apart_and_have_an_interval() -> None:
    draws = [drawn("aaab"), drawn("bbba"), drawn("aaaa")]
    assert [point_of([task], 3).score for task in draws] == pytest.approx([1.0, 0.0, 1.0])
    point = point_of(draws, 3)
    assert point.score == pytest.approx(2 / 3)
    assert point.low < point.score < point.high


def test_stopping_early_is_cheaper_and_decides_alike_where_the_rest_could_not_change_it() -> None:
    points = {(p.most, p.stop): p for p in vote_curves([drawn("aaaaaaab")])}
    fixed, stopped = points[7, None], points[7, "beta"]
    assert stopped.score == pytest.approx(fixed.score)
    assert stopped.cost < fixed.cost


def test_too_few_and_too_many_draws_are_named() -> None:
    with pytest.raises(UsageError, match=f"has {MOST_DRAWS + 1} draws; at most {MOST_DRAWS} "):
        vote_curves([drawn("a" * (MOST_DRAWS + 1)), drawn("a")])
    for draws in ([], [drawn("a"), []]):
        with pytest.raises(UsageError, match="at least one task, and a draw of every task"):
            vote_curves(draws)


async def measured(graph: Graph, models: list[ScriptedModel], tasks: list[Task]) -> tuple[MemoryStore, Runner]:
    store = MemoryStore()
    async with Runner(graph, Pool(models), store) as runner:
        for task in tasks:
            await runner.run(task, runner.space.default(), metric=exact)
    return store, runner


def test_one_run_with_many_samples_serves_all_others_without_a_call() -> None:
    """From the store of one run, the curve has the very scores and costs of the plans that it stands for."""
    tasks = [Task(question=f"Question {number}?", gold=f"{number % 3}") for number in range(12)]

    def script(request: Request) -> str:
        number = int("".join(filter(str.isdigit, request.messages[-1].content)))
        return f"{(number + (request.sample % 3 > 1)) % 3}" if request.sample != 4 else ""

    def graph(samples: object) -> Graph:
        node = Solver.model_validate({"model": "m", "style": "direct", "samples": samples, "max_output_tokens": 8})
        return Graph("one").add("solve", node)

    model = ScriptedModel(script, name="m")
    store, _ = asyncio.run(measured(graph(6), [model], tasks))
    sent = len(model.requests)
    draws = recorded_draws(store, store.runs(), tasks, "solve", exact)
    assert recorded_draws(store, store.runs(), [TASK], "solve", exact) == {}
    assert len(model.requests) == sent == 6 * 12
    assert set(draws) == {task.task_id for task in tasks}
    whole = point_of(list(draws.values()), 6)
    other, _ = asyncio.run(measured(graph(6), [ScriptedModel(script, name="m")], tasks))
    runs = other.runs()
    assert whole.score == pytest.approx(sum(run.score or 0.0 for run in runs) / 12)
    assert whole.cost == pytest.approx(sum(run.charged.tokens for run in runs) / 12)
    assert sum(draw.answer is None for task in draws.values() for draw in task) == 12
    # The first draws are those that a plan with fewer samples would make.
    fewer, _ = asyncio.run(measured(graph(2), [ScriptedModel(script, name="m")], tasks))
    first = point_of([task[:2] for task in draws.values()], 2)
    assert first.cost == pytest.approx(sum(run.charged.tokens for run in fewer.runs()) / 12)


def test_a_sample_that_was_asked_for_twice_costs_both_calls() -> None:
    def script(request: Request) -> str:
        if request.messages[0].content.startswith("Reply with the answer only"):
            return "a"
        return "thinking about it at length" if request.sample == 1 else "Answer: a"

    model = ScriptedModel(script, name="m")
    graph = Graph("one").add("solve", Solver(model="m", samples=2, thinking_tokens=12, max_output_tokens=40))
    store, _ = asyncio.run(measured(graph, [model], [TASK]))
    (draws,) = recorded_draws(store, store.runs(), [TASK], "solve", exact).values()
    prompts = [model.count_tokens(request.messages) for request in model.requests]
    assert [draw.cost for draw in draws] == [prompts[0] + 9, prompts[1] + 12 + prompts[2] + 1]


def test_runs_without_samples_of_the_node_are_named() -> None:
    one = Graph("one").add("solve", Solver(model="m", style="direct"))
    store, _ = asyncio.run(measured(one, [ScriptedModel(lambda request: "a", name="m")], [TASK]))
    with pytest.raises(UsageError, match="no samples of node 'solve'"):
        recorded_draws(store, store.runs(), [TASK], "solve", exact)
    parts = Graph("parts").add("split", Decomposer(model="m", max_parts=1)).add("part", Solver(model="m", samples=3))
    parts.add("merge", Merger(model="m")).each("split", "part", "merge")
    store, _ = asyncio.run(measured(parts, [ScriptedModel(lambda request: "Answer: a", name="m")], [TASK]))
    assert len(recorded_draws(store, store.runs(), [TASK], "part", exact)) == 1  # the whole question, as its only part


def thinker(request: Request) -> Reply:
    """Thinks 9 tokens for each sample before it, and says where it ended; its truncation is exact."""
    if request.messages[0].content.startswith("Reply with the answer only"):
        whole = f"{request.sample % 2}"
    else:
        whole = "thinking " * request.sample + "Answer: a"
    pieces = (*whole, "")[: request.max_output_tokens]
    finish = "stop" if len(pieces) > len(whole) else "length"
    usage = Usage(sum(len(message.content) for message in request.messages), len(pieces))
    return Reply("".join(pieces), finish, usage, pieces=pieces)  # type: ignore[arg-type]


@pytest.mark.parametrize("per_task", [None, 300, 500, 600])
def test_one_long_trace_serves_every_limit_on_thinking_and_cold_and_warm_decide_alike(per_task: int | None) -> None:
    solver = Solver(model="m", samples=3, thinking_tokens=choose(None, 4, 12, 24), max_output_tokens=60)
    graph = Graph("nested").add("solve", solver)
    card = CARD.model_copy(update={"truncation": "exact", "exact_tokenizer": True, "logprobs": False})
    cap = None if per_task is None else Cap(per_task=per_task)

    class Counting(ScriptedModel):
        def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
            return sum(len(message.content) for message in messages)

    async def run(plans: Sequence[Plan], store: MemoryStore) -> tuple[list[tuple[object, ...]], list[Request]]:
        model = Counting(thinker, name="m", card=card)
        found: list[tuple[object, ...]] = []
        async with Runner(graph, Pool([model]), store) as runner:
            for plan in plans:
                result = await runner.run(TASK, plan, cap=cap, metric=exact)
                found.append((result.answer, result.status, result.stop_reason, result.charged, result.score))
        return found, list(model.requests)

    plans = list(graph.space(Pool([Counting(thinker, name="m", card=card)])))
    assert [plan.values["solve.thinking_tokens"] for plan in plans] == [None, 4, 12, 24]
    alone = [asyncio.run(run([plan], MemoryStore()))[0][0] for plan in plans]
    store = MemoryStore()
    together, asked = asyncio.run(run(plans, store))
    assert together == alone
    again, asked_again = asyncio.run(run(plans, store))
    assert (again, asked_again) == (alone, [])
    backwards, _ = asyncio.run(run(plans[::-1], MemoryStore()))
    assert backwards[::-1] == alone
    assert any(reason == "budget" for _, _, reason, _, _ in alone) is (per_task is not None)
    if per_task is None:
        assert len({charged for _, _, _, charged, _ in alone}) == 4
        thinking = [request for request in asked if not request.messages[0].content.startswith("Reply with the answer")]
        assert [request.max_output_tokens for request in thinking] == [60, 60, 60]
        # Cut off at 4 are all three, at 12 the second and the third, at 24 the third: each is asked for what its own
        # thought leads to.
        assert len(asked) == 3 + 3 + 2 + 1


def test_what_counts_as_the_same_draw_is_for_the_node_to_say() -> None:
    draws = [Draw("A = 1", 0.0, 1.0), Draw("a = 1", 1.0, 1.0), Draw("a = 1", 1.0, 1.0), Draw("a =  1", 0.0, 1.0)]

    def last(form: Callable[[str], str]) -> VotePoint:
        return next(point for point in vote_curves([draws], form=form) if point.most == 4)

    assert last(normal_form).score == pytest.approx(0.5)
    assert last(str).score == 1.0


def test_all_calls_of_a_draw_count_where_they_have_numbers_of_their_own() -> None:
    """A problem that is mended once is one draw with two calls."""
    problem = json.dumps({"variables": [{"type": "int", "name": "a", "low": 1, "high": 1}], "constraints": []})
    model = ScriptedModel(lambda request: "no" if request.sample == 2 else problem, name="m")
    node = SymbolicSolver(model="m", samples=3, temperature=0.7)
    store, _ = asyncio.run(measured(Graph("one").add("solve", node), [model], [TASK]))
    said = KINDS["symbolic_solver"].draws(node)
    assert said is not None
    (draws,) = recorded_draws(store, store.runs(), [TASK], "solve", exact, numbers=said.numbers).values()
    assert [request.sample for request in model.requests] == [0, 2, 4, 3]
    assert [draw.answer for draw in draws] == ["a=1"] * 3
    prompts = {request.sample: model.count_tokens(request.messages) for request in model.requests}
    whole = len(problem)
    assert [draw.cost for draw in draws] == [
        prompts[0] + whole,
        prompts[2] + 2 + prompts[3] + whole,
        prompts[4] + whole,
    ]
