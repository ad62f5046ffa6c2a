"""A study whose metric is a judge, whose answers have a planted quality, and whose judge has planted faults."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from apportion import (
    Cap,
    Function,
    Graph,
    Judge,
    Pool,
    Prompt,
    Solver,
    StudyReport,
    Task,
    choose,
    open_store,
    optimize,
)
from apportion.budgets.books import MemoryStore
from apportion.errors import BudgetBreach, CallFailed, UnknownName, UsageError
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.records import StudyStore
from apportion.records.status import Status
from apportion.records.usage import Usage
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2, max_output_tokens=256, attempts=1)
RUBRIC = Prompt("Grade the essay.\n{question}\n{answer}\n{format}", name="essay")
JUDGE = Judge("grader", RUBRIC)


def quality(number: int) -> float:
    return random.Random(number).uniform(0.3, 0.7)


def writer(better: float) -> Callable[[Request], str]:
    def script(request: Request) -> str:
        number = int(re.findall(r"essay (\d+)", request.messages[-1].content)[-1])
        return f"Answer: essay {number}, worth {quality(number) + better:.3f}"

    return script


def grader(
    noise: float = 0.3, *, length: float = 0.0, order: float = 0.0, silent: float = 0.0
) -> Callable[[Request], str]:
    """Marks with noise, so much more for padding and for a scale told in reverse; a share of them cannot be read."""

    def script(request: Request) -> str:
        asked = request.messages[-1].content
        drawn = random.Random(repr((asked, request.sample)))
        mark = 10 * float(re.findall(r"worth (\d\.\d+)", asked)[-1]) + drawn.gauss(0, noise)
        mark += length * ("only make it longer" in asked) + order * ("0 (worst)>" in asked)
        return "It is hard to say." if drawn.random() < silent else f"Read.\nScore: {min(10, max(0, mark)):.2f}"

    return script


@dataclass
class Bench:
    """Two writers, one better, a judge, and 90 tasks."""

    script: Callable[[Request], str | Reply] = field(default_factory=grader)
    gold: bool = False

    def __post_init__(self) -> None:
        self.judge = ScriptedModel(self.script, name="grader", card=CARD)
        self.models = [
            ScriptedModel(writer(0.0), name="poor", card=CARD),
            ScriptedModel(writer(0.2), name="good", card=CARD),
            self.judge,
        ]
        self.graph = Graph("essays")
        self.graph.add("write", Solver(model=choose("poor", "good"), style="direct", max_output_tokens=64))
        self.tasks = [
            Task(question=f"Write essay {number}.", gold=f"essay {number}, worth {quality(number) + 0.2:.3f}")
            if self.gold
            else Task(question=f"Write essay {number}.")
            for number in range(90)
        ]

    def optimize(self, *, spend: float = 1e6, store: StudyStore | None = None, judge: Judge = JUDGE) -> StudyReport:
        pool, cap = Pool(self.models), Cap(total=1e6)
        return optimize(self.graph, self.tasks, pool, cap=cap, spend=spend, store=store, metric=judge, policies=())

    @property
    def requests(self) -> int:
        return sum(len(model.requests) for model in self.models)


def test_the_better_writer_wins_without_any_gold_and_the_judge_has_a_line_of_its_own() -> None:
    store = MemoryStore()
    report = Bench().optimize(store=store)
    best, judge = report.best, report.judge
    assert best is not None
    assert best.plan["values"] == {"write.model": "good"}
    assert best.validation.score == pytest.approx(0.7, abs=0.06)
    assert best.test is not None
    assert judge is not None
    assert (judge.model, judge.rubric, judge.scale, judge.votes) == ("grader", "essay", (0.0, 10.0), 1)
    assert judge.unscored == 0
    assert judge.answers == judge.replies.replies == judge.replies.answered  # type: ignore[union-attr]
    phases = ("search", "edges", "validation", "policies", "test", "gates", "headroom", "controls")
    accounts = [store.balance(f"study/{report.study_id}/{phase}/judge").paid.tokens for phase in phases]
    assert judge.paid == sum(accounts)
    assert 0 < judge.paid < report.paid == store.balance(f"study/{report.study_id}").paid.tokens
    # What plans cost is what they were charged, and no verdict is part of it.
    assert best.validation.cost < 150
    assert StudyReport.model_validate_json(report.model_dump_json()).judge == judge


def test_verdicts_of_the_nodes_replies_are_told_apart() -> None:
    report = Bench().optimize()
    assert {found.node for found in report.readings} == {"write"}
    assert any("headroom, votes: the metric grades the results" in note for note in report.notes)


def test_agreement_with_itself_and_planted_biases_are_found() -> None:
    fair = Bench().optimize().judge
    assert fair is not None
    assert fair.itself is not None
    assert fair.itself.correlation is not None
    assert fair.itself.correlation.mean > 0.8
    assert fair.itself.difference.mean < 0.08
    assert [shift.control for shift in fair.controls] == ["position", "length"]
    for shift in fair.controls:
        assert shift.answers == 36
        assert shift.shift is not None
        assert abs(shift.shift.mean) < 0.03
    assert fair.notes == ()
    biased = Bench(grader(length=0.8, order=-0.5)).optimize().judge
    assert biased is not None
    position, length = (shift.shift for shift in biased.controls)
    assert position is not None
    assert length is not None
    assert position.low < -0.05 < position.high < 0
    assert 0 < length.low < 0.08 < length.high
    assert [note.partition(" of the scale")[0].split()[-1] for note in biased.notes] == [
        f"{position.mean:+.3f}",
        f"{length.mean:+.3f}",
    ]


def test_agreement_with_gold_is_told_where_some_exists() -> None:
    judge = Bench(gold=True).optimize().judge
    assert judge is not None
    gold = judge.gold
    assert gold is not None
    assert (gold.metric, gold.answers) == ("exact", 36)
    assert 0 < gold.right < 36
    assert gold.score_right is not None
    assert gold.score_wrong is not None
    assert gold.score_right > gold.score_wrong + 0.1
    assert Bench().optimize().judge.gold is None  # type: ignore[union-attr]
    other = Bench(gold=True).optimize(judge=Judge("grader", RUBRIC, against="contains")).judge
    assert other is not None
    assert other.gold is not None
    assert other.gold.metric == "contains"


def test_a_metric_of_gold_that_cannot_grade_is_told_and_stops_nothing() -> None:
    judge = Bench(gold=True).optimize(judge=Judge("grader", RUBRIC, against="constraints")).judge
    assert judge is not None
    assert judge.gold is None
    assert any(note.startswith("agreement with gold answers is not told: ") for note in judge.notes)


def test_a_study_that_goes_on_pays_for_no_verdict_twice(tmp_path: Path) -> None:
    bench, store = Bench(), open_store(tmp_path / "study.db")
    first = bench.optimize(store=store)
    store.close()
    paid = bench.requests
    store = open_store(tmp_path / "study.db")
    again = bench.optimize(store=store)
    store.close()
    assert bench.requests == paid
    assert again.judge == first.judge
    assert (again.paid, again.frontier, again.chosen) == (first.paid, first.frontier, first.chosen)


def test_another_judge_makes_another_study_and_the_same_one_does_not() -> None:
    ids = [
        Bench().optimize(judge=judge, spend=20_000).study_id
        for judge in (JUDGE, Judge("grader", RUBRIC, against="exact"), Judge("grader", RUBRIC, scale=(0, 5)))
    ]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("spend", [300, 2_000, 8_000, 20_000, 60_000])
def test_nothing_passes_a_spend_that_stops_the_study_in_the_middle(spend: int) -> None:
    bench, store = Bench(), MemoryStore()
    report = bench.optimize(spend=spend, store=store)
    billed = sum(model.count_tokens(request.messages) for model in bench.models for request in model.requests)
    paid = store.balance(f"study/{report.study_id}").paid.tokens
    assert billed <= paid <= spend
    assert report.paid == paid
    assert report.stopped_early
    assert report.judge is not None
    assert report.judge.paid < paid
    assert report.judge.unscored == 0  # what could not be paid for is no verdict that failed
    assert report.notes
    assert report.judge.notes
    assert report.policy is not None


def test_a_stopped_study_goes_on_with_a_larger_spend_from_what_is_paid() -> None:
    bench, store = Bench(), MemoryStore()
    bench.optimize(spend=30_000, store=store)
    before = bench.requests
    report = bench.optimize(spend=1e6, store=store)
    asked = [request.key(model.card.name) for model in bench.models for request in model.requests]
    assert report.best is not None
    assert len(asked) > before
    assert len(set(asked)) == len(asked)


def test_verdicts_that_cannot_be_read_are_counted_beside_the_scores() -> None:
    report = Bench(grader(silent=0.3)).optimize()
    best, judge = report.best, report.judge
    assert best is not None
    assert judge is not None
    assert 0.15 < judge.unscored / judge.answers < 0.45
    assert 0 < best.validation.unscored < best.validation.tasks
    assert best.validation.coverage == 1.0  # the answers are there
    assert best.validation.score + best.validation.unscored / best.validation.tasks > 0.6
    replies = judge.replies
    assert replies is not None
    assert (replies.unread, replies.answered) == (judge.unscored, judge.answers - judge.unscored)
    assert replies.examples["unread"].text == "It is hard to say."
    assert "could not be read" in replies.warning
    assert report.judge is not None
    assert report.judge.told[0].startswith(f"judge: no verdict on {judge.unscored}")
    assert f"no verdict on {judge.unscored}" in report._repr_html_()


def test_a_judge_that_never_answers_leaves_a_study_with_answers_and_no_scores() -> None:
    def fail(request: Request) -> str:
        raise CallFailed(Status.REFUSED, "it will not judge", billed=False)

    report = Bench(fail).optimize()
    judge = report.judge
    assert judge is not None
    assert judge.unscored == judge.answers > 0
    assert (judge.itself, judge.gold, judge.controls) == (None, None, ())
    assert "no answer has a verdict" in judge.notes[0]
    assert report.frontier[0].validation.unscored == report.frontier[0].validation.tasks


def test_verdicts_that_failed_for_a_place_are_asked_again_by_a_study_that_goes_on() -> None:
    down = True

    def script(request: Request) -> str:
        if down:
            raise CallFailed(Status.PROVIDER_ERROR, "down", billed=False)
        return grader()(request)

    bench, store = Bench(script), MemoryStore()
    first = bench.optimize(store=store)
    down = False
    second = bench.optimize(store=store)
    assert first.judge is not None
    assert second.judge is not None
    assert first.judge.unscored == first.judge.answers
    assert second.judge.unscored == 0
    assert second.best is not None
    assert second.best.validation.score > 0.6


def test_policies_are_fitted_to_verdicts_and_serve_under_the_cap() -> None:
    store, bench = MemoryStore(), Bench(grader(silent=0.1))
    bench.models[1] = ScriptedModel(lambda request: f"{writer(0.2)(request)}{' indeed' * 4}", name="good", card=CARD)
    report = optimize(
        bench.graph,
        bench.tasks,
        Pool(bench.models),
        cap=Cap(total=90 * 160),
        spend=1e6,
        store=store,
        metric=JUDGE,
        policies=("static", "static_mix", "joint"),
    )
    assert report.policies is not None
    tested = report.policies.test
    assert tested is not None
    assert 0 < tested.score.unscored < tested.score.tasks
    assert tested.shares is not None
    assert tested.shares.abstained == pytest.approx(tested.score.unscored / tested.score.tasks)
    # Verdicts take nothing of the cap for serving: eight of them would have used it up.
    batches = [account for account in store._chains if "/test/" not in account and account.startswith("batch-")]
    assert [store.balance(batch).charged.tokens <= 27 * 160 for batch in batches] == [True]
    assert report.policy is not None
    service = report.policy.invoke_batch(bench.tasks[:5], Cap(total=20_000), scorer=JUDGE, store=store)
    assert any(one.score is not None and 0 < one.score < 1 for one in service.served)
    assert service.charged.tokens + service.lost.tokens <= 20_000
    alone = report.policy.invoke_batch(bench.tasks[:5], Cap(total=20_000), store=store)
    assert service.charged.tokens > alone.charged.tokens  # where nobody pays for a search, verdicts are in the cap


def test_a_study_that_broke_off_pays_for_no_verdict_twice(tmp_path: Path) -> None:
    verdicts = 0

    def script(request: Request) -> str:
        nonlocal verdicts
        verdicts += 1
        if verdicts == 40:
            raise RuntimeError("the process is stopped here")
        return grader()(request)

    bench = Bench(script)
    store = open_store(tmp_path / "study.db")
    with pytest.raises(RuntimeError, match="stopped here"):
        bench.optimize(store=store)
    store.close()
    broke = bench.judge.requests[39].key("grader")
    before = len(bench.judge.requests)
    store = open_store(tmp_path / "study.db")
    report = bench.optimize(store=store)
    store.close()
    asked = [request.key("grader") for request in bench.judge.requests]
    assert len(asked) > before
    assert sorted(key for key in set(asked) if asked.count(key) > 1) in ([], [broke])
    assert report.judge is not None
    assert report.judge.unscored == 0


def test_the_judge_that_answers_itself_is_named() -> None:
    bench = Bench()
    bench.models[1] = ScriptedModel(
        lambda request: grader()(request) if "You grade" in request.messages[0].content else writer(0.2)(request),
        name="grader",
        card=CARD,
    )
    del bench.models[2]
    bench.graph = Graph("own").add("write", Solver(style="direct", max_output_tokens=64))
    judge = bench.optimize().judge
    assert judge is not None
    assert any("grader also answers in plan" in note and "choose(...)" in note for note in judge.notes)


def test_a_breach_of_the_judges_cap_ends_the_study() -> None:
    with pytest.raises(BudgetBreach, match="'grader'"):
        Bench(lambda request: Reply("Score: 5", "stop", Usage(10**6, 1))).optimize()


def length(task: Task, answer: str) -> float:
    return min(1.0, len(answer) / 100)


def test_what_cannot_be_is_told_before_anything_is_paid() -> None:
    bench = Bench()
    for judge, told in (
        (Judge("nobody", RUBRIC), "unknown model 'nobody'"),
        (Judge("grader", RUBRIC, against="exat"), "unknown metric 'exat'; did you mean 'exact'"),
    ):
        with pytest.raises(UnknownName, match=told):
            bench.optimize(judge=judge)
    with pytest.raises(UsageError, match=r"no task has a gold answer.*metric=Judge"):
        optimize(bench.graph, bench.tasks, Pool(bench.models), cap=Cap(total=1e6), spend=1e6, metric=length)
    assert bench.requests == 0


def test_scores_follow_the_plant_over_three_hundred_answers_and_votes_reduce_their_variance() -> None:
    tasks = [Task(question=f"Write essay {number}.") for number in range(300)]
    planted = [quality(number) for number in range(300)]
    graph = Graph("essays").add("write", Solver(model="poor", style="direct", temperature=0.0, max_output_tokens=64))
    variances: dict[int, float] = {}

    for votes in (1, 4, 9):
        model = ScriptedModel(grader(1.0), name="grader", card=CARD)
        pool, store = Pool([ScriptedModel(writer(0.0), name="poor", card=CARD), model]), MemoryStore()

        async def scores(judge: Judge, pool: Pool = pool, store: MemoryStore = store) -> list[float]:
            async with Runner(graph, pool, store) as runner:
                plan = runner.space.default()
                runs = (runner.run(task, plan, metric=judge, engine="direct") for task in tasks)
                return [found.score or 0.0 for found in await asyncio.gather(*runs)]

        judge = Judge("grader", RUBRIC, votes=votes)
        found = asyncio.run(scores(judge))
        assert len(model.requests) == 300 * votes
        assert asyncio.run(scores(judge)) == found
        assert len(model.requests) == 300 * votes  # the second run pays nothing
        variances[votes] = sum((score - plant) ** 2 for score, plant in zip(found, planted, strict=True)) / 300
        assert spearmanr(found, planted).statistic > {1: 0.65, 4: 0.85, 9: 0.93}[votes]

    assert variances[1] / variances[4] == pytest.approx(4, rel=0.3)
    assert variances[1] / variances[9] == pytest.approx(9, rel=0.3)


def test_an_answer_without_a_verdict_is_no_wrong_one() -> None:
    from apportion.budgets.cap import in_unit
    from apportion.optimizers.search.measurement import Measurement, Outcome
    from apportion.optimizers.tables.tabulate import tabulate
    from apportion.optimizers.tables.value import valued

    bench = Bench(grader(silent=0.5))
    graph = Graph("one").add("write", Solver(model="poor", style="direct", temperature=0.0, max_output_tokens=64))

    async def main() -> tuple[list[bool], list[float], list[float]]:
        async with Runner(graph, Pool(bench.models), MemoryStore()) as runner:
            plan, tasks = runner.space.default(), bench.tasks[:20]
            table = await tabulate(runner, [plan], tasks, JUDGE)
            found = [await runner.run(task, plan, metric=JUDGE, engine="direct") for task in tasks]
        outcomes = tuple(
            Outcome(
                each.task_id,
                each.status,
                each.score or 0.0,
                in_unit(each.charged, "tokens"),
                0.0,
                unscored=bool(each.unscored),
            )
            for each in found
        )
        values = Measurement(plan, outcomes).values(2.0)
        return [each.score is None for each in found], values.tolist(), valued(table, 2.0).scores[:, 0, 0].tolist()

    missing, values, tabulated = asyncio.run(main())
    assert 3 < sum(missing) < 17
    assert values == tabulated
    assert [value == 0 for value in values] == missing
    assert any(value < 0 for value in values)


def test_functions_alone_are_graded_too() -> None:
    def essay(question: str, inputs: object, task: object) -> str:
        number = int(re.findall(r"essay (\d+)", question)[-1])
        return f"essay {number}, worth {quality(number):.3f}"

    bench = Bench()
    bench.graph = Graph("function").add("write", Function(essay))
    report = bench.optimize()
    assert report.judge is not None
    assert report.judge.paid == report.paid > 0
    assert report.best is not None
    assert (report.best.validation.cost, report.best.validation.unscored) == (0, 0)
    assert 0.4 < report.best.validation.score < 0.6
