"""The governor with policies that decide after looking."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import CallFailed, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.policies.base import Assignment
from apportion.optimizers.policies.sequential_policy import STOP, Seen
from apportion.optimizers.serving.governor import Governor
from apportion.optimizers.serving.replay_batch import serve_on_table
from apportion.optimizers.serving.service import Service
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.knapsack import allocate
from apportion.optimizers.tables.table import Arm, Batch, Question, Table
from apportion.records import Status, StudyStore, Task
from apportion.stores.opening import open_store
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2, attempts=1)
TASKS = [Task(question=f"Is {number} fine?", gold="yes") for number in range(24)]
GRAPH = Graph("sized").add("solve", Solver(style="think", max_output_tokens=choose(20, 40, 90), samples=choose(1, 3)))
PLANS: tuple[dict[str, Any], ...] = (
    {},
    {"solve.max_output_tokens": 40},
    {"solve.max_output_tokens": 90},
    {"solve.max_output_tokens": 90, "solve.samples": 3},
)


class Wandering:
    """Asks arms as the hash of all that it was told says; what it foresees may be wrong."""

    name = "wandering"
    probe = None

    def __init__(self, arms: tuple[Arm, ...], seed: int, forecast: Sequence[float], stopping: float = 0.3) -> None:
        self.arms, self.seed, self.forecast, self.stopping = arms, seed, np.array(forecast), stopping

    def assign(self, batch: Batch, budget: float) -> Assignment:
        costs = np.tile(self.forecast, (len(batch), 1))
        arms = allocate(np.tile(np.arange(1.0, 1 + len(self.forecast)), (len(batch), 1)), costs, budget)
        expected = costs[np.arange(len(batch)), arms]
        return Assignment(arms, expected, 2 * expected)

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        draw = random.Random(hashlib.sha256(repr((self.seed, question.name, seen, left)).encode()).hexdigest())
        others = [arm for arm in range(len(self.arms)) if arm not in {one.arm for one in seen}]
        return STOP if not others or draw.random() < self.stopping else draw.choice(others)

    def to_json(self) -> Mapping[str, Any]:
        return {}


def arms_of(plans: Sequence[dict[str, Any]], pool: Pool) -> tuple[Arm, ...]:
    space = GRAPH.space(pool)
    return tuple(arm_of(space.plan(values), space) for values in plans)


def serve(policy: Any, pool: Pool, store: StudyStore, cap: Cap, **more: Any) -> Service:
    async def main() -> Service:
        async with Runner(GRAPH, pool, store) as runner:
            governor = Governor(policy, runner, every=more.pop("every", None))
            return await governor.serve(more.pop("tasks", TASKS), cap, scorer=resolve_metric("auto"), **more)

    return asyncio.run(main())


@given(
    seed=st.integers(0, 2**16),
    share=st.floats(0.02, 1.5),
    every=st.sampled_from([1, 5, 24]),
    stopping=st.sampled_from([0.0, 0.3, 0.8]),
)
@settings(max_examples=25, deadline=None)
def test_a_batch_is_never_above_its_cap_whatever_a_policy_asks_for(
    wild: Any, seed: int, share: float, every: int, stopping: float
) -> None:
    """Usage runs from one token to the bound, counts are missing, calls fail billed and unbilled."""
    draw = random.Random(seed)
    store = MemoryStore()
    limit = int(24 * 300 * share) + 1
    seen: list[int] = []
    pool = Pool([ScriptedModel(wild(store, draw, seen), name="m", card=CARD)])
    arms = arms_of(PLANS, pool)
    forecast = [20, draw.uniform(20, 150), draw.uniform(30, 400), draw.uniform(1, 40)]
    service = serve(
        Wandering(arms, seed, forecast, stopping), pool, store, Cap(total=limit), every=every, engine="direct"
    )
    assert service.charged.tokens + service.lost.tokens <= limit
    assert max(seen, default=0) <= limit
    assert store.balance(service.account_id).reserved.tokens == 0
    assert len(service.served) == len(TASKS)
    assert service.costs.sum() == service.charged.tokens


def test_cold_and_warm_cache_decide_and_charge_alike(late: Any, tmp_path: Path) -> None:
    """Later calls answer first when they come from the model."""

    def script(request: Request) -> str:
        number = int("".join(filter(str.isdigit, request.messages[-1].content)) or 0)
        length = request.max_output_tokens
        return "so " * (number * 7 % 5) + "\nAnswer: " + ("yes" if (number + request.sample + length) % 3 else "no")

    pool = Pool([model := late(script, name="m", card=CARD)])
    policy = Wandering(arms_of(PLANS, pool), 5, [60, 75, 90, 190])
    with open_store(tmp_path / "books.db") as store:
        services = []
        for _ in range(3):
            services.append(serve(policy, pool, store, Cap(total=150 * len(TASKS)), every=8))
            sent = len(model.requests)
        assert len(model.requests) == sent
    cold, warm, again = (
        [(s.arm, s.planned, s.answer, s.status, s.charged, s.score, len(s.run_ids)) for s in x.served] for x in services
    )
    assert cold == warm == again
    assert len({one[-1] for one in cold}) >= 3, "some questions are asked once, some several times"


def asking(decide: Callable[[Question, tuple[Seen, ...], float], int], arms: tuple[Arm, ...], high: float) -> Any:
    class Asking(Wandering):
        def assign(self, batch: Batch, budget: float) -> Assignment:
            count = len(batch)
            return Assignment(np.zeros(count, np.intp), np.full(count, high / 2), np.full(count, high))

        def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
            return decide(question, seen, left)

    return Asking(arms, 0, [])


def test_the_next_wave_begins_when_the_last_of_the_wave_before_has_ended() -> None:
    waves: list[int] = []

    class Slow(ScriptedModel):
        async def complete(self, request: Request) -> Reply:
            waves.append(request.max_output_tokens)
            await asyncio.sleep(0.001 * (len(waves) % 7))
            return await super().complete(request)

    pool = Pool([Slow(lambda _: "Answer: yes", name="m", card=CARD)])
    policy = asking(lambda question, seen, left: len(seen) if len(seen) < 3 else STOP, arms_of(PLANS, pool), 400.0)
    service = serve(policy, pool, MemoryStore(), Cap(total=10**6), every=12)
    assert waves == [*[20] * 12, *[40] * 12, *[90] * 12] * 2
    assert [len(one.run_ids) for one in service.served] == [3] * 24
    assert {(one.stop_reason, one.status) for one in service.served} == {("complete", Status.OK)}


def test_the_final_answer_is_the_policy_s_and_what_it_saw_is_what_was_said() -> None:
    looks: dict[str, tuple[Seen, ...]] = {}

    def script(request: Request) -> str:
        return {20: "Answer: no", 40: "Answer: I don't know", 90: "Answer:  NO. "}[request.max_output_tokens]

    pool = Pool([ScriptedModel(script, name="m", card=CARD)])

    def decide(question: Question, seen: tuple[Seen, ...], left: float) -> int:
        looks[question.name] = seen
        return len(seen) if len(seen) < 3 else STOP

    service = serve(asking(decide, arms_of(PLANS, pool), 400.0), pool, MemoryStore(), Cap(total=10**6))
    for seen in looks.values():
        assert [(one.arm, one.answer, one.abstained) for one in seen] == [(0, 0, False), (1, -1, True), (2, 0, False)]
    for one in service.served:
        assert sum(look.cost for look in looks[one.task_id]) == one.charged.tokens
        assert one.answer.strip(" .").lower() == "no"


@pytest.mark.parametrize("high", [70.0, 10**6])
def test_a_question_that_has_spent_what_was_planned_ends_between_two_arms(high: float) -> None:
    pool = Pool([ScriptedModel(lambda _: "so so so\nAnswer: yes", name="m", card=CARD)])
    policy = asking(lambda question, seen, left: len(seen), arms_of(PLANS, pool), high)
    service = serve(policy, pool, MemoryStore(), Cap(total=10**6))
    assert {one.answer for one in service.served} == {"yes"}
    if high > 1000:
        assert {(len(one.run_ids), one.stop_reason) for one in service.served} == {(4, "complete")}
    else:
        assert {one.stop_reason for one in service.served} == {"budget"}
        assert all(len(one.run_ids) < 4 for one in service.served)
        assert all("the policy would have looked beyond" in one.reason for one in service.served)


def test_a_failed_look_does_not_undo_an_answer() -> None:
    def script(request: Request) -> str:
        if request.max_output_tokens == 40:
            raise CallFailed(Status.PROVIDER_ERROR, "down", billed=True)
        return "Answer: yes"

    pool = Pool([ScriptedModel(script, name="m", card=CARD)])
    policy = asking(lambda question, seen, left: len(seen) if len(seen) < 2 else STOP, arms_of(PLANS, pool), 400.0)
    service = serve(policy, pool, MemoryStore(), Cap(total=10**6))
    assert {(one.answer, one.status, len(one.run_ids)) for one in service.served} == {("yes", Status.OK, 2)}


def test_nobody_starves_where_a_policy_never_has_enough() -> None:
    """Every question has its cheapest arm, though each would ask all arms."""
    pool = Pool([ScriptedModel(lambda _: "Answer: yes", name="m", card=CARD)])
    arms = arms_of(PLANS, pool)
    once = serve(asking(lambda *_: STOP, arms, 60.0), pool, MemoryStore(), Cap(total=10**6))
    most = max(one.charged.tokens for one in once.served)
    greedy = asking(lambda question, seen, left: len(seen), arms, float(most))
    service = serve(greedy, pool, MemoryStore(), Cap(total=2.0 * most * len(TASKS)))
    assert {one.status for one in service.served} == {Status.OK}
    assert service.charged.tokens <= 2.0 * most * len(TASKS)


@pytest.mark.parametrize("wrong", [9, "no arm", None, 0])
def test_what_is_no_arm_ends_the_batch_with_an_error_that_names_the_policy(wrong: Any) -> None:
    pool = Pool([ScriptedModel(lambda _: "Answer: yes", name="m", card=CARD)])
    policy = asking(lambda *_: wrong, arms_of(PLANS, pool), 400.0)
    with pytest.raises(UsageError, match="policy 'wandering'"):
        serve(policy, pool, MemoryStore(), Cap(total=10**6))


def test_a_cap_for_each_task_holds_for_all_arms_together() -> None:
    pool = Pool([ScriptedModel(lambda _: "so " * 60, name="m", card=CARD)])
    policy = asking(lambda question, seen, left: len(seen), arms_of(PLANS, pool), 10**6)
    for cap in (Cap(per_task=250), Cap(per_task=250, total=10**5)):
        assert max(one.charged.tokens for one in serve(policy, pool, MemoryStore(), cap).served) <= 250


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_replayed_batch_is_never_above_its_cap(data: st.DataObject) -> None:
    count, arms = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    seed = data.draw(st.integers(0, 2**32))
    generator = np.random.default_rng(seed)
    scale = data.draw(st.sampled_from([0.0, 0.3, 1.0, 3.0]))
    forecast = generator.uniform(1, 50, arms)
    real = np.round(forecast * np.exp(scale * generator.normal(size=(count, arms))))
    table = Table(
        tuple(Question(f"q{number}", "?") for number in range(count)),
        tuple(Arm(f"a{number}") for number in range(arms)),
        generator.uniform(0, 1, (count, arms, 1)),
        real[:, :, None],
        answers=generator.integers(-1, 3, (count, arms, 1)),
    )
    policy = Wandering(table.arms, seed, forecast.tolist(), data.draw(st.sampled_from([0.0, 0.4])))
    budget = data.draw(st.floats(0, 60 * count))
    every = data.draw(st.integers(1, count))
    served = serve_on_table(policy, table, budget, every=every)
    assert served.costs.sum() <= budget * (1 + 1e-9)
    assert not served.scores[[not asked for asked in served.asked]].any()
    again = serve_on_table(policy, table, budget, every=every)
    assert (served.asked, served.costs.tolist()) == (again.asked, again.costs.tolist())
    whole = [real[question, list(asked)].sum() for question, asked in enumerate(served.asked)]
    np.testing.assert_allclose(served.costs[~served.cut], np.array(whole)[~served.cut])


def test_what_later_arms_may_need_is_held_for_a_question_too() -> None:
    """As many questions run side by side as have room for all their arms, and none is cut short by its neighbours."""

    def script(request: Request) -> str:
        return "so " * ((request.max_output_tokens - 12) // 3) + "\nAnswer: yes"

    pool = Pool([ScriptedModel(script, name="m", card=CARD)])
    arms = arms_of(PLANS, pool)

    def decide(question: Question, seen: tuple[Seen, ...], left: float) -> int:
        return 2 if len(seen) == 1 else STOP

    ample = serve(asking(decide, arms, 10**4), pool, MemoryStore(), Cap(total=10**6))
    each = max(one.charged.tokens for one in ample.served)
    service = serve(asking(decide, arms, float(each)), pool, MemoryStore(), Cap(total=1.2 * each * len(TASKS)))
    assert [one.charged for one in service.served] == [one.charged for one in ample.served], "no output cap is lowered"
