from __future__ import annotations

import asyncio

from apportion import Cap, Graph, Pool, Solver, Task, choose
from apportion.budgets.books import MemoryStore
from apportion.graphs.run import Runner
from apportion.optimizers.search.base import Proposal
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.study.accounts import StudyAccounts
from apportion.optimizers.study.reporter import Calling, Progress, Silent
from apportion.optimizers.study.spec import StudySpec
from apportion.optimizers.study.telling import Telling
from apportion.optimizers.study.trials import TrialEvaluator
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

TASKS = tuple(Task(question=f"Is it {number}?", gold="yes") for number in range(3))


def test_the_first_run_of_a_phase_is_told_with_what_is_known_and_paid() -> None:
    store, pool = MemoryStore(), Pool([ScriptedModel(lambda request: "Answer: yes", name="m")])
    graph = Graph("one").add("solve", Solver(style="direct", max_output_tokens=choose(20, 30)))
    runner = Runner(graph, pool, store)
    spec = StudySpec(
        graph=graph,
        space=runner.space,
        tasks=TASKS,
        pool=pool,
        cap=Cap(total=1e6),
        spend=1e6,
        store=store,
        seed=0,
        scorer=resolve_metric("auto"),
        metric="auto",
        make_optimizer=Racing,
        optimizer="racing",
    )
    told: list[Progress] = []
    accounts = StudyAccounts(spec)
    telling = Telling(spec.spend, accounts, Calling(told.append, Silent()))

    async def main() -> None:
        async with runner:
            accounts.open(runner)
            evaluator = TrialEvaluator(runner, spec, {"fit": TASKS}, accounts, telling.finished)
            telling.follow(evaluator)
            first, second = (Proposal(plan, len(TASKS)) for plan in runner.space)
            await evaluator.measure([first], "fit")
            telling.enter("edges")
            await evaluator.measure([second], "fit")

    asyncio.run(main())
    assert telling.runs == 6
    assert (told[0].phase, told[0].runs, told[0].spend, told[0].plans, told[0].best) == ("fit", 1, 1e6, 0, None)
    edges = next(each for each in told if each.phase == "edges")
    assert (edges.runs, edges.plans, edges.best) == (4, 1, 1.0)
    assert edges.paid > told[0].paid > 0
