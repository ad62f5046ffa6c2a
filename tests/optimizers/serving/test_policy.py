from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion import Policy
from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import GraphError, PoolError, UsageError
from apportion.graphs.code import codes_of
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.kinds import KINDS
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.policies.cascade import Cascade
from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.policies.static import StaticMix
from apportion.optimizers.prediction.predictor import fit_predictor
from apportion.optimizers.serving.policy import DeployedPolicy
from apportion.optimizers.tables.table import Arm, Batch, Lesson, Table
from apportion.optimizers.tables.tabulate import tabulate
from apportion.records import Status, Task
from apportion.stores import open_store
from apportion.tasks.families import generate
from apportion.tasks.metrics import resolve_metric
from apportion.testing.hostile import hostile
from apportion.testing.scripted import ScriptedModel

SCORER = resolve_metric("auto")
EASY = [Task(question=f"easy {i}: is {i} fine?", gold="yes", family="easy") for i in range(40)]
HARD = [Task(question=f"HARD, HARD AND LONG {i}! Well?", gold="yes", family="hard") for i in range(40)]
TASKS = [task for pair in zip(EASY, HARD, strict=True) for task in pair]


def script(request: Request) -> str:
    """Right on easy questions at once; on hard ones only at length."""
    hard = "HARD" in request.messages[-1].content
    return f"Answer: {'no' if hard else 'yes'}" if request.max_output_tokens < 50 else "step " * 9 + "\nAnswer: yes"


def planted_pool(**card: Any) -> Pool:
    card = {"name": "m", "provider": "scripted", "template_tokens": 2, "message_tokens": 2, **card}
    return Pool([ScriptedModel(script, name="m", card=ModelCard(**card))])


def graph() -> Graph:
    return Graph("deployable").add("solve", Solver(style="think", max_output_tokens=choose(20, 90)))


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    async def main() -> Table:
        async with Runner(graph(), planted_pool(), MemoryStore()) as runner:
            return await tabulate(runner, list(runner.space), TASKS, SCORER)

    table = asyncio.run(main())
    easy, hard = table.mean_costs[::2].mean(axis=0).min(), table.mean_costs[1::2].mean(axis=0).max()
    return Lesson(table.take(np.arange(50)), table.take(np.arange(50, 80)), 1.1 * float(easy + hard) / 2)


@pytest.fixture(scope="module")
def deployed(lesson: Lesson) -> DeployedPolicy:
    policy = Joint.from_predictor(lesson, fit_predictor(lesson, head="clusters", probes=False))
    reference = lesson.validation.batch()
    return DeployedPolicy(graph(), planted_pool(), policy, reference, budget=lesson.budget)


def plan_values(policy: DeployedPolicy, arm: str) -> dict[str, Any]:
    (found,) = (json.loads(each.plan)["values"] for each in policy.arms if each.name == arm)
    return dict(found)


def test_a_served_answer_in_json_has_its_value() -> None:
    from apportion.optimizers.serving.answer import served
    from apportion.records.output import JsonOutput

    towns = Graph("towns").add("read", Solver(output=JsonOutput({"type": "object"}), style="direct"))
    read = towns.run("Where?", pool=Pool([ScriptedModel(lambda request: '{"town": "Graz"}')]))
    assert served("t", "a", "a", [read], read, cut=False, nothing=Status.SKIPPED).data == {"town": "Graz"}
    assert served("t", "", "a", [], None, cut=False, nothing=Status.SKIPPED).data is None


def test_a_file_is_all_it_takes(deployed: DeployedPolicy, tmp_path: Path) -> None:
    deployed.save(tmp_path / "policy.json")
    loaded = Policy.load(tmp_path / "policy.json", pool=planted_pool())
    assert loaded.name == "joint"
    easy, hard = loaded.invoke("easy 77: is 77 fine?"), loaded.invoke("HARD, HARD AND LONG 77! Well?")
    assert (easy.answer, hard.answer) == ("yes", "yes")
    assert plan_values(loaded, easy.arm)["solve.max_output_tokens"] == 20
    assert plan_values(loaded, hard.arm)["solve.max_output_tokens"] == 90
    assert easy.charged.tokens < hard.charged.tokens
    again = tmp_path / "again.json"
    loaded.save(again)
    assert again.read_text() == (tmp_path / "policy.json").read_text()


def test_single_questions_are_decided_like_a_batch_of_them_and_the_references(
    deployed: DeployedPolicy, lesson: Lesson
) -> None:
    others = lesson.fit.batch().take(np.arange(20))
    alone = deployed.decide(others)
    both = Batch((*lesson.validation.questions, *others.questions))
    together = deployed._policy.assign(both, deployed.budget * len(both))
    assert np.mean(alone.arms == together.arms[-20:]) >= 0.9


def test_the_dial_goes_from_the_cheapest_to_the_dearest(deployed: DeployedPolicy) -> None:
    asked = [deployed.question_of(task) for task in TASKS[:20]]
    costs = [float(deployed.dial(x).decide(Batch(tuple(asked))).expected.sum()) for x in (0, 0.25, 0.5, 0.75, 1)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
    cheapest = deployed.dial(0).decide(Batch(tuple(asked))).arms
    assert len(set(cheapest.tolist())) == 1
    low, high = deployed.span
    assert deployed.dial(0).budget == pytest.approx(low)
    assert deployed.dial(1).budget == pytest.approx(high)
    assert deployed.dial(0.5).budget == pytest.approx((low * high) ** 0.5)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="dial goes from 0"):
            deployed.dial(wrong)


def test_of_questions_that_look_alike_a_share_is_served_better_as_in_a_batch(deployed: DeployedPolicy) -> None:
    hard = Batch(tuple(deployed.question_of(task) for task in HARD))
    budgets = np.linspace(deployed.span[0], deployed.budget, 6)
    shares = [float((deployed.at(budget).decide(hard).arms == 1).mean()) for budget in budgets]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert any(0.2 < share < 0.8 for share in shares)


def test_a_question_of_no_known_family_counts_among_the_one_that_it_resembles(deployed: DeployedPolicy) -> None:
    assert deployed.question_of(Task(question="easy 5: is 5 fine?")).family == "easy"
    assert deployed.question_of(Task(question="HARD, LONG 9! Well?", family="other")).family == "hard"
    assert deployed.question_of(HARD[0].model_copy(update={"family": "easy"})).family == "easy"


def test_a_cap_on_one_question_buys_a_cheaper_arm_and_holds(deployed: DeployedPolicy) -> None:
    free = deployed.invoke(HARD[0])
    room = deployed.invoke(HARD[0], cap=Cap(total=2000))
    assert (room.arm, room.charged) == (free.arm, free.charged)
    tight = deployed.invoke(HARD[0], cap=Cap(total=330))
    assert tight.arm != free.arm
    assert tight.charged.tokens <= 330
    starved = deployed.invoke(HARD[0], cap=Cap(total=40))
    assert (starved.status, starved.charged.tokens) == (Status.BUDGET, 0)


def test_a_batch_shares_one_hard_cap(deployed: DeployedPolicy) -> None:
    mixed: list[str | Task] = [*TASKS[:30], "easy 99: is 99 fine?"]
    service = deployed.invoke_batch(mixed, Cap(total=deployed.budget * 31), scorer=SCORER)
    assert service.charged.tokens <= deployed.budget * 31
    assert service.scores[:30].mean() > 0.7
    assert service.served[-1].answer == "yes"


def test_many_questions_share_what_was_opened_and_the_store_keeps_them(deployed: DeployedPolicy) -> None:
    store = MemoryStore()

    async def main() -> None:
        async with deployed.opened(store=store) as policy:
            for task in TASKS[:4]:
                await policy.ainvoke(task)

    asyncio.run(main())
    assert [run.task_id for run in reversed(store.runs())] == [task.task_id for task in TASKS[:4]]


@pytest.mark.parametrize("cap", [None, Cap(per_task=500), Cap(total=500)])
def test_a_reply_from_the_cache_is_charged_like_the_first(
    deployed: DeployedPolicy, tmp_path: Path, cap: Cap | None
) -> None:
    with open_store(tmp_path / "books.db") as store:
        first, again = (deployed.invoke(EASY[0], cap=cap, store=store) for _ in range(2))
        batches = [deployed.invoke_batch(EASY[:4], cap, store=store) for _ in range(2)] if cap is not None else []
    assert first.charged.tokens > 0
    assert (again.charged, again.lost) == (first.charged, first.lost)
    assert len({batch.charged for batch in batches}) <= 1
    assert all(batch.charged.tokens > 0 for batch in batches)


def test_where_there_is_no_answer_the_reason_is_said(deployed: DeployedPolicy) -> None:
    served = deployed.invoke(EASY[0], cap=Cap(total=3))
    assert (served.answer, served.status) == ("", Status.BUDGET)
    assert "cap" in served.reason
    assert deployed.invoke(EASY[0]).reason == ""


def test_a_model_that_has_changed_is_named_with_what_to_do(deployed: DeployedPolicy, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    deployed.save(path)
    with pytest.raises(PoolError, match=r"model 'm' is not the one .* run optimize again"):
        Policy.load(path, pool=planted_pool(revision="2"))
    with pytest.raises(PoolError, match=r"uses model 'm', which is not in the embedded models .*Pool.from_toml"):
        Policy.load(path)
    Policy.load(path, pool=planted_pool(weight=3.0))
    weighted = DeployedPolicy(
        graph(), planted_pool(), deployed._policy, deployed._reference.batch, budget=9.0, unit="weighted"
    )
    weighted.save(path)
    with pytest.raises(PoolError, match=r"model 'm': weight was 1 .* is 3"):
        Policy.load(path, pool=planted_pool(weight=3.0))
    thought = planted_pool(efforts={"low": {"budget": 1}})
    DeployedPolicy(graph(), thought, deployed._policy, deployed._reference.batch, budget=9.0, unit="tokens").save(path)
    Policy.load(path, pool=planted_pool(efforts={"low": {"budget": 1}, "high": {}}))
    with pytest.raises(PoolError, match=r"model 'm': effort 'low' is not what it was .* run optimize again"):
        Policy.load(path, pool=planted_pool(efforts={"low": {"budget": 2}}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content | {"format": "x"}, "no policy file"),
        (lambda content: {"policy": "joint"}, "learned from a log"),
        (lambda content: content | {"budget": -1}, "'budget'"),
        (lambda content: content | {"budget": float("nan")}, "'budget': a number must be finite"),
        (lambda content: content | {"budget": 10**400}, "'budget'"),
        (lambda content: content | {"unit": "x\ud83d"}, "'unit': half of a surrogate pair"),
        (lambda content: content | {"reference": {**content["reference"], "probes": {"p": [1.0]}}}, "'reference'"),
        (lambda content: content | {"version": 2}, "'version'"),
        (lambda content: content | {"policy": {"policy": "jiont"}}, "did you mean 'joint'"),
        (lambda content: content | {"graph": {"name": "g"}}, "graph"),
        (lambda content: content | {"reference": {"questions": [], "probes": {}}}, "'reference.questions'"),
    ],
)
def test_a_file_that_is_no_policy_is_told_where_it_is_wrong(
    deployed: DeployedPolicy, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    path = tmp_path / "policy.json"
    deployed.save(path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UsageError, match=message):
        Policy.load(path, pool=planted_pool())
    path.write_text("{")
    with pytest.raises(UsageError, match=r"policy\.json:1: not valid JSON"):
        Policy.load(path)
    with pytest.raises(UsageError, match=r"nowhere\.json: cannot be read"):
        Policy.load(tmp_path / "nowhere.json")


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_hostile_files_are_refused_or_harmless(
    deployed: DeployedPolicy, tmp_path_factory: pytest.TempPathFactory, generator: random.Random
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "policy.json"
    deployed.save(path)
    path.write_text(json.dumps(hostile(json.loads(path.read_text()), generator)))
    with contextlib.suppress(UsageError):
        policy = Policy.load(path, pool=planted_pool())
        assert policy.dial(0.5).invoke("easy 3: is 3 fine?").status


def test_a_plan_of_another_graph_is_refused(deployed: DeployedPolicy) -> None:
    other = Graph("other").add("solve", Solver(style="direct", max_output_tokens=choose(20, 90)))
    with pytest.raises(UsageError, match="graph"):
        DeployedPolicy(other, planted_pool(), deployed._policy, deployed._reference.batch, budget=1.0)


def test_models_that_no_arm_needs_may_be_gone_and_pocket_models_need_no_pool(planted: Any, tmp_path: Path) -> None:
    """Three policies over pocket models; one leaves a model unused, one has cascades, one takes a probe."""
    pipeline = Graph("pocket")
    pipeline.add("solve", Solver(style=choose("direct", "think"), samples=choose(1, 3), max_output_tokens=48))
    pipeline.add("judge", Verifier(method=choose("vote", "score"), max_output_tokens=16))
    pipeline.connect("solve", "judge")
    pool = Pool([*load_pocket_models(), ScriptedModel(lambda _: "1", name="unused")])
    tasks = [task for steps in (1, 4) for task in generate("chains", 14, 3, steps)]

    async def main() -> Table:
        async with Runner(pipeline, pool, MemoryStore()) as runner:
            plans = [
                runner.space.plan({"solve.model": "pocket-30k", "judge.model": "pocket-30k", "solve.samples": 3}),
                runner.space.plan({"solve.model": "pocket-100k", "judge.model": "pocket-30k", "solve.style": "think"}),
            ]
            return await tabulate(runner, plans, tasks, SCORER, probes=("entropy/pocket-30k",))

    table = asyncio.run(main())
    lesson = Lesson(table.take(np.arange(0, 28, 2)), table.take(np.arange(1, 28, 2)), float(table.mean_costs.mean()))
    for policy in (StaticMix.fit(lesson), Cascade.fit(lesson)):
        made = DeployedPolicy(pipeline, pool, policy, lesson.validation.batch(), budget=lesson.budget)
        made.save(tmp_path / "policy.json")
        loaded = Policy.load(tmp_path / "policy.json")
        answers = [loaded.dial(1).invoke(task) for task in tasks[:3]]
        assert [one.arm for one in answers] == [made.dial(1).invoke(task).arm for task in tasks[:3]]
        assert all(one.status is Status.OK for one in answers)
    names = [task.task_id for task in tasks]
    probing = planted(
        table.arms,
        dict.fromkeys(names, np.array([0.5, 0.6])),
        dict.fromkeys(names, np.array([50.0, 60.0])),
        probe="entropy/pocket-30k",
    )
    looked = DeployedPolicy(pipeline, pool, probing, lesson.validation.batch(), budget=60.0).invoke(tasks[0])
    plain = DeployedPolicy(pipeline, pool, StaticMix.fit(lesson), lesson.validation.batch(), budget=60.0)
    assert looked.charged.tokens > 0
    assert plain.dial(1).invoke(tasks[0]).status is Status.OK
    with pytest.raises(UsageError, match="needs the probe"):
        DeployedPolicy(pipeline, pool, probing, Batch(lesson.validation.questions), budget=60.0)


def test_policies_from_logs_cannot_be_deployed(planted: Any, lesson: Lesson) -> None:
    with pytest.raises(UsageError, match="policies from logs only advise"):
        DeployedPolicy(graph(), planted_pool(), planted((Arm("gpt"),), {}, {}), lesson.validation.batch(), budget=1.0)


def test_code_that_has_changed_since_is_named_or_refused(deployed: DeployedPolicy, tmp_path: Path) -> None:
    deployed.save(tmp_path / "policy.json")
    content = json.loads((tmp_path / "policy.json").read_text())
    assert content["code"] == {}
    own = Graph("own", kinds={**KINDS, "solver": replace(KINDS["solver"], oracle=own_oracle)}).add("solve", Solver())
    assert list(codes_of(own)) == ["kind 'solver'"]
    content["code"] = {"kind 'solver'": "source 0123"}
    (tmp_path / "policy.json").write_text(json.dumps(content))
    # Of what comes with the package nothing is said: its versions are in the graph.
    Policy.load(tmp_path / "policy.json", pool=planted_pool())
    kinds = {**KINDS, "solver": replace(KINDS["solver"], oracle=own_oracle)}
    with pytest.warns(UserWarning, match="code of kind 'solver' .then source 0123, now source .* has changed"):
        Policy.load(tmp_path / "policy.json", pool=planted_pool(), kinds=kinds)
    with pytest.raises(GraphError, match="has changed since the policy was fitted"):
        Policy.load(tmp_path / "policy.json", pool=planted_pool(), kinds=kinds, strict=True)


async def own_oracle(*_: Any) -> None:
    """Knows nothing."""
