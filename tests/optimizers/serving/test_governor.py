from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import BudgetBreach, CallFailed, SpendExhausted, UsageError
from apportion.graphs.bounds import Bounds
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.serving.governor import Governor
from apportion.optimizers.serving.service import Service
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.cascades import cascade_arm
from apportion.optimizers.tables.table import UNANSWERED, Arm, Batch, Stage, question_of
from apportion.records import AccountRow, Limit, Status, StudyStore, Task, Usage
from apportion.stores.opening import open_store
from apportion.tasks.families import generate
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

SCORER = resolve_metric("auto")
CARD = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2, attempts=2)
TASKS = [Task(question=f"Is {number} fine?", gold="yes") for number in range(24)]
CHAINS = [task for steps in (1, 3, 5) for task in generate("chains", 12, 7, steps)]


def sized(model: str = "*") -> Graph:
    graph = Graph("sized")
    return graph.add(
        "solve", Solver(model=model, style="think", max_output_tokens=choose(20, 90), samples=choose(1, 3))
    )


class Bench:
    """Serves tasks with a planted policy over some plans of a graph."""

    def __init__(self, planted: Any, graph: Graph, pool: Pool, store: StudyStore, plans: Sequence[dict[str, Any]]):
        self.planted, self.graph, self.pool, self.store = planted, graph, pool, store
        space = graph.space(pool)
        self.arms = tuple(arm_of(space.plan(values), space) for values in plans)

    def policy(self, tasks: Sequence[Task], costs: Sequence[float], values: Sequence[float], **more: Any) -> Any:
        names = [task.task_id for task in tasks]
        arms = more.pop("arms", self.arms)
        return self.planted(arms, dict.fromkeys(names, np.array(values)), dict.fromkeys(names, np.array(costs)), **more)

    def serve(self, policy: Any, tasks: Sequence[Task], cap: Cap, **more: Any) -> Service:
        async def main() -> Service:
            async with Runner(self.graph, self.pool, self.store) as runner:
                parent = more.pop("parent", None)
                if parent is not None:
                    runner.open_account(parent)
                    more["parent_account"] = parent.account_id
                made = {name: more.pop(name) for name in ("arms", "every") if name in more}
                governor = Governor(policy, runner, **made)
                return await governor.serve(tasks, cap, scorer=SCORER, **more)

        return asyncio.run(main())


@given(seed=st.integers(0, 2**16), share=st.floats(0.02, 1.5), every=st.sampled_from([1, 5, 24]))
@example(seed=2451, share=0.06, every=1)
@settings(max_examples=25)
def test_a_live_batch_is_never_above_its_cap_whatever_the_models_use(
    planted: Any, wild: Any, seed: int, share: float, every: int
) -> None:
    """Usage runs from one token to the bound, counts are missing or absurd, calls fail billed and unbilled."""
    draw = random.Random(seed)
    store = MemoryStore()
    limit = int(24 * 300 * share) + 1
    seen: list[int] = []
    pool = Pool([ScriptedModel(wild(store, draw, seen), name="m", card=CARD)])
    plans = [{}, {"solve.max_output_tokens": 90}, {"solve.max_output_tokens": 90, "solve.samples": 3}]
    bench = Bench(planted, sized(), pool, store, plans)
    policy = bench.policy(TASKS, [20, draw.uniform(20, 150), draw.uniform(30, 400)], [0.3, 0.6, 0.9])
    service = bench.serve(policy, TASKS, Cap(total=limit), every=every, engine="direct")
    assert service.charged.tokens + service.lost.tokens <= limit
    assert max(seen, default=0) <= limit
    assert store.balance(service.account_id).reserved.tokens == 0
    assert len(service.served) == len(TASKS)
    assert service.costs.sum() == service.charged.tokens


@pytest.mark.parametrize("per_question", [35, 60, 140])
def test_with_pocket_models_the_cap_holds_and_more_room_buys_more(planted: Any, per_question: float) -> None:
    pool = Pool(load_pocket_models())
    plans: list[dict[str, Any]] = [
        {"solve.model": "pocket-30k"},
        {"solve.model": "pocket-100k", "solve.max_output_tokens": 90},
    ]
    bench = Bench(planted, sized(), pool, MemoryStore(), plans)
    policy = bench.policy(CHAINS, [25, 50], [0.4, 0.8])
    service = bench.serve(policy, CHAINS, Cap(total=per_question * len(CHAINS)))
    assert service.charged.tokens + service.lost.tokens <= per_question * len(CHAINS)
    dear = [one for one in service.served if one.arm == bench.arms[1].name]
    assert {35: len(dear) < 24, 60: len(dear) > 20, 140: len(dear) == 36}[int(per_question)]
    assert sum(one.status is Status.BUDGET for one in service.served) <= 2


def test_nobody_starves_where_dear_arms_cost_far_more_than_was_forecast(planted: Any) -> None:
    """The dear arm writes 90 tokens and was forecast to write next to nothing; the cheap one always has room."""

    def script(request: Request) -> str:
        return "yes " * 90 if request.max_output_tokens > 20 else "Answer: yes"

    store = MemoryStore()
    plans = [{}, {"solve.max_output_tokens": 90, "solve.samples": 3}]
    bench = Bench(planted, sized(), Pool([ScriptedModel(script, name="m", card=CARD)]), store, plans)
    cheap = bench.serve(bench.policy(TASKS, [1, 1000], [0.9, 0.5]), TASKS, Cap(total=10**6))
    each = cheap.charged.tokens / len(TASKS)
    policy = bench.policy(TASKS, [each, 1.2 * each], [0.5, 0.9])
    service = bench.serve(policy, TASKS, Cap(total=1.6 * each * len(TASKS) + 500), every=4)
    assert {one.status for one in service.served if one.arm == bench.arms[0].name} == {Status.OK}
    assert sum(one.status is Status.BUDGET for one in service.served) == 0
    assert any(one.arm != one.planned for one in service.served)


@pytest.mark.parametrize("failing", [False, True])
def test_whoever_comes_later_is_served_however_little_room_there_is(planted: Any, failing: bool) -> None:
    """Dear arms write all that they may, or are lost; the last question is long, and was forecast to cost nothing."""
    asked = [*(f"Is {number} fine?" for number in range(10, 70)), f"Is {'this, and that, ' * 8} fine?"]
    tasks = [Task(question=question, gold="yes") for question in asked]

    def script(request: Request) -> str:
        if request.max_output_tokens > 20:
            if failing:
                raise CallFailed(Status.PROVIDER_ERROR, "down", billed=True)
            return "so " * ((request.max_output_tokens - 12) // 3) + "\nAnswer: yes"
        return "Answer: yes"

    def bench() -> Bench:
        pool = Pool([ScriptedModel(script, name="m", card=CARD.model_copy(update={"attempts": 1}))])
        return Bench(planted, sized(), pool, MemoryStore(), [{}, {"solve.max_output_tokens": 90}])

    alone = bench().serve(bench().policy(tasks, [1, 10**6], [0.9, 0.5]), tasks, Cap(total=10**6))
    floors = [*(float(one.charged.tokens) for one in alone.served[:-1]), 0.01]
    names = [task.task_id for task in tasks]
    # What is held back is half as much again as the forecast, see `Planted`: just what the cheap arm charges.
    costs = {name: np.array([floor / 1.5, floor]) for name, floor in zip(names, floors, strict=True)}
    values = dict.fromkeys(names, np.array([0.5, 0.9]))
    space, longest = bench().graph.space(bench().pool), tasks[-1]
    bound = Bounds(space, "tokens").of(space.plan({}), longest)
    least = sum(floors) + bound.call.tokens + bound.allowance.tokens
    for more in (0, 60, 120, 240):
        tight = bench()
        cheap, dear = (arm.name for arm in tight.arms)
        service = tight.serve(planted(tight.arms, values, costs), tasks, Cap(total=least + more), every=15)
        served = {(one.arm, one.status, one.stop_reason) for one in service.served}
        ways = {(cheap, Status.OK), (dear, Status.PROVIDER_ERROR if failing else Status.OK)}
        assert served <= {(*way, "complete") for way in ways}, f"{more} more than the least"
    assert dear in {arm for arm, *_ in served}


def test_cold_and_warm_cache_decide_and_charge_alike(planted: Any, late: Any, tmp_path: Path) -> None:
    """Later calls answer first when they come from the model; a cap so tight that many arms are swapped."""

    def script(request: Request) -> str:
        number = int("".join(filter(str.isdigit, request.messages[-1].content)) or 0)
        return "so " * (number * 7 % 25) + "\nAnswer: " + ("yes" if (number + request.sample) % 3 else "no")

    model = late(script, name="m", card=CARD)
    plans = [{}, {"solve.max_output_tokens": 90}, {"solve.max_output_tokens": 90, "solve.samples": 3}]
    with open_store(tmp_path / "books.db") as store:
        bench = Bench(planted, sized(), Pool([model]), store, plans)
        policy = bench.policy(TASKS, [60, 75, 190], [0.4, 0.6, 0.9])
        services = []
        for _ in range(3):
            services.append(bench.serve(policy, TASKS, Cap(total=130 * len(TASKS)), every=8))
            sent = len(model.requests)
        assert len(model.requests) == sent
    cold, warm, again = (
        [(s.arm, s.planned, s.answer, s.status, s.charged, s.score) for s in x.served] for x in services
    )
    assert cold == warm == again
    assert len({one[0] for one in cold}) == 3


def test_stages_of_a_cascade_run_in_order_until_one_is_sure(planted: Any) -> None:
    def script(request: Request) -> str:
        number = int("".join(filter(str.isdigit, request.messages[-1].content)) or 0)
        unsure = number % 2 and request.max_output_tokens == 20 and request.sample == 1
        return "Answer: no" if unsure else "Answer: yes"

    store = MemoryStore()
    plans = [{"solve.samples": 3}, {"solve.max_output_tokens": 90}]
    bench = Bench(planted, sized(), Pool([ScriptedModel(script, name="m", card=CARD)]), store, plans)
    cascade = cascade_arm((Stage(bench.arms[0].name, 0.9), Stage(bench.arms[1].name, 0.0)))
    policy = bench.policy(TASKS, [300], [0.9], arms=(cascade,))
    service = bench.serve(policy, TASKS, Cap(total=10**5), arms=bench.arms)
    assert [len(one.run_ids) for one in service.served] == [1, 2] * 12
    for one in service.served:
        runs = [store.run(run_id) for run_id in one.run_ids]
        assert [run.plan_hash for run in runs if run is not None] == [arm.name for arm in bench.arms][: len(runs)]
        assert one.charged.tokens == sum(run.charged.tokens for run in runs if run is not None)
    assert service.scores.mean() == 1.0
    with pytest.raises(UsageError, match=f"arm '{bench.arms[0].name}' has no plan"):
        bench.serve(policy, TASKS, Cap(total=10**5))


def test_what_the_policy_leaves_unanswered_costs_nothing_and_says_so(planted: Any) -> None:
    bench = Bench(planted, sized(), Pool([ScriptedModel(lambda _: "Answer: yes", card=CARD)]), MemoryStore(), [{}])
    policy = bench.policy(TASKS, [100], [0.5], unanswered=True)
    service = bench.serve(policy, TASKS, Cap(total=500))
    skipped = [one for one in service.served if not one.arm]
    assert 0 < len(skipped) < len(TASKS)
    assert {(one.status, one.score, one.charged.tokens) for one in skipped} == {(Status.SKIPPED, 0.0, 0)}
    assert service.charged.tokens <= 500
    assert service.unspent == 500 - service.charged.tokens - service.lost.tokens
    told = {Status.SKIPPED: f"the policy leaves {len(skipped)} questions", Status.BUDGET: "questions found no room"}
    assert all(told[one.status] in service.why_unspent for one in service.served if one.status in told)
    ample = bench.serve(bench.policy(TASKS, [100], [0.5]), TASKS, Cap(total=10**6))
    assert "they cost less than the cap allows" in ample.why_unspent
    assert bench.serve(bench.policy(TASKS, [100], [0.5]), TASKS, Cap(per_task=10**5)).unspent is None


def test_where_wrong_answers_cost_something_nobody_is_answered_against_the_policy(planted: Any) -> None:
    """Without a price a question that the policy left out gets a cheap arm; with one, no answer may be worth more."""
    bench = Bench(planted, sized(), Pool([ScriptedModel(lambda _: "Answer: yes", card=CARD)]), MemoryStore(), [{}])
    policy = bench.policy(TASKS, [100], [0.5], unanswered=True)
    left_out = int((policy.assign(Batch(tuple(map(question_of, TASKS))), 500.0).arms == UNANSWERED).sum())
    policy.wrong_costs = 1.0
    service = bench.serve(policy, TASKS, Cap(total=500))
    assert sum(not one.arm for one in service.served) >= left_out
    assert service.values(1.0).sum() == service.scores.sum()
    assert sum(service.shares.model_dump().values()) == pytest.approx(1.0)
    assert service.shares.unanswered == pytest.approx(1 - service.coverage)


def test_a_cap_for_each_task_holds_beside_that_for_all_and_alone(planted: Any) -> None:
    def script(request: Request) -> str:
        return "so " * 60

    bench = Bench(planted, sized(), Pool([ScriptedModel(script, card=CARD)]), MemoryStore(), [{}, {"solve.samples": 3}])
    policy = bench.policy(TASKS, [50, 150], [0.5, 0.9])
    for cap in (Cap(per_task=170), Cap(per_task=170, total=10**5)):
        service = bench.serve(policy, TASKS, cap)
        assert max(one.charged.tokens for one in service.served) <= 170
    plans = [{}, {"solve.samples": 3}, {"solve.max_output_tokens": 90}]
    more = Bench(planted, sized(), bench.pool, MemoryStore(), plans)
    cascade = cascade_arm(tuple(Stage(arm.name, 0.0, "always") for arm in more.arms))
    whole = more.policy(TASKS, [150], [0.9], arms=(cascade,))
    for cap in (Cap(per_task=170), Cap(per_task=170, total=10**5)):
        service = more.serve(whole, TASKS, cap, arms=more.arms)
        assert max(one.charged.tokens for one in service.served) <= 170, "all stages are one question's"
    alone = Bench(planted, sized(), bench.pool, MemoryStore(), [{}]).policy(TASKS, [50], [0.5])
    assert bench.serve(alone, TASKS, Cap(total=1000, per_task=400), of=48).charged.tokens <= 500


def test_a_study_that_cannot_pay_for_the_batch_says_so(planted: Any) -> None:
    bench = Bench(planted, sized(), Pool([ScriptedModel(lambda _: "Answer: yes", card=CARD)]), MemoryStore(), [{}])
    study = AccountRow("study", limit=Limit("tokens", 700), measure="paid")
    with pytest.raises(SpendExhausted):
        bench.serve(bench.policy(TASKS, [50], [0.5]), TASKS, Cap(total=10**5), parent=study)


def test_a_breach_ends_the_batch_and_is_told_as_such(planted: Any) -> None:
    model = ScriptedModel(lambda _: Reply("Answer: yes", "stop", Usage(10, 5000)), card=CARD)
    bench = Bench(planted, sized(), Pool([model]), MemoryStore(), [{}])
    with pytest.raises(BudgetBreach):
        bench.serve(bench.policy(TASKS, [50], [0.5]), TASKS, Cap(total=10**5))


def test_the_probe_is_taken_first_and_paid_by_the_batch(planted: Any) -> None:
    pool, store = Pool(load_pocket_models()[:1]), MemoryStore()
    bench = Bench(planted, sized(), pool, store, [{}])
    policy = bench.policy(CHAINS, [40], [0.5], probe="entropy/pocket-30k")
    service = bench.serve(policy, CHAINS, Cap(total=10**4))
    kinds = [span.kind for run in reversed(store.runs()) for span in store.spans(run.run_id)]
    assert kinds == ["look"] * 36 + ["solver"] * 36
    assert (service.looks > 0).all()
    assert service.costs.sum() == service.charged.tokens
    runs = sum(one.charged.tokens for one in service.served)
    assert service.charged.tokens == runs + service.looks.sum()


def test_a_log_s_arm_cannot_be_run(planted: Any) -> None:
    bench = Bench(planted, sized(), Pool([ScriptedModel(lambda _: "Answer: yes", card=CARD)]), MemoryStore(), [])
    with pytest.raises(UsageError, match="'gpt' has no plan"):
        bench.serve(bench.policy(TASKS, [1], [1], arms=(Arm("gpt"),)), TASKS, Cap(total=10))


@pytest.mark.parametrize("output_cap", [16, 255])
def test_a_tight_batch_is_answered_by_the_cheaper_arm_before_anybody_is_skipped(planted: Any, output_cap: int) -> None:
    graph = Graph("styles").add(
        "solve", Solver(model="pocket-800k", style=choose("direct", "think"), max_output_tokens=output_cap)
    )
    tasks = generate("chains", 30, seed=77, difficulty=1)
    bench = Bench(
        planted, graph, Pool(load_pocket_models()), MemoryStore(), [{"solve.style": "direct"}, {"solve.style": "think"}]
    )
    policy = bench.policy(tasks, [10, 16], [0.4, 0.9], unanswered=True)
    service = bench.serve(policy, tasks, Cap(total=300))
    assert sum(not one.status.failed for one in service.served) >= 27
    assert service.charged.tokens <= 300
