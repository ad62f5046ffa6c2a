"""What a study tells of perfect nodes and of other numbers of votes, without asking more than it needs."""

from __future__ import annotations

import re

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.graphs.graph import Graph
from apportion.graphs.result import Grader, Result
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import choose
from apportion.nodes.search import Search
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import StudyReport
from apportion.records import Task
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", attempts=1, template_tokens=2, message_tokens=2)
TASK_LINE = re.compile(r"Is \d+ fine\?")
TASKS = [Task(question=f"Is {number} fine?", gold="yes") for number in range(120)]


def voter(request: Request) -> str:
    """Of five samples three are right; of one question in four, none is."""
    number = int("".join(filter(str.isdigit, request.messages[-1].content)))
    return "yes" if number % 4 and (request.sample + number) % 5 < 3 else f"no {request.sample}"


async def thrifty(task: Task, result: Result) -> float:
    return float(result.answer == task.gold) * (1 - result.charged.tokens / 10_000)


def study(spend: float, metric: Grader | str = "auto") -> StudyReport:
    graph = Graph("votes").add("solve", Solver(style="direct", samples=choose(1, 3, 5), max_output_tokens=20))
    graph.add("judge", Verifier(method="vote")).connect("solve", "judge")
    pool = Pool([ScriptedModel(voter, name="voter", card=CARD)])
    return optimize(
        graph, TASKS, pool, cap=Cap(total=1e6), spend=spend, policies=(), store=MemoryStore(), metric=metric
    )


@pytest.fixture(scope="module")
def report() -> StudyReport:
    return study(1e6)


def test_vote_curves_come_from_the_runs_with_most_samples(report: StudyReport) -> None:
    (votes,) = report.votes
    assert (votes.node, votes.model, votes.style) == ("solve", "voter", "direct")
    assert votes.tasks == report.tasks["fit"]
    fixed = [point for point in votes.points if point.stop is None]
    assert [point.most for point in fixed] == [1, 2, 3, 4, 5]
    answerable = fixed[-1].score
    assert 0.6 < answerable < 0.9
    assert fixed[0].score == pytest.approx(0.6 * answerable)
    assert [point.score for point in fixed] == sorted(point.score for point in fixed)
    assert fixed[4].cost == pytest.approx(5 * fixed[0].cost)
    ruled = {(point.stop, point.most): point for point in votes.points if point.stop}
    assert set(ruled) == {(rule, most) for rule in ("beta", "ahead_by_2", "ahead_by_3") for most in (2, 3, 4, 5)}
    assert ruled["ahead_by_2", 5].cost < fixed[4].cost


def test_a_perfect_solver_would_answer_everything(report: StudyReport) -> None:
    assert report.best is not None
    solve = next(each for each in report.headroom if each.node == "solve")
    assert (solve.tasks, solve.known) == (report.tasks["validation"], report.tasks["validation"])
    assert solve.score == pytest.approx(report.best.validation.score)
    assert solve.with_gold == 1.0
    assert solve.gain.mean == pytest.approx(1.0 - solve.score)
    assert report.notes == ()


def test_without_the_room_for_it_headroom_is_left_out_and_said_so() -> None:
    report = study(9_000)
    assert report.best is not None
    assert report.headroom == ()
    assert any(note.startswith("headroom: a tenth of the spend") for note in report.notes)
    assert report.paid <= 9_000


def test_a_metric_of_whole_results_scores_a_study_and_tells_nothing_of_single_samples() -> None:
    report = study(4e5, thrifty)
    assert report.best is not None
    assert 0.5 < report.best.validation.score < 1
    assert report.votes == ()
    assert not report.headroom


def look_up(query: str, top_k: int) -> list[str]:
    return [f"{query} is in room 7"]


def seeker(request: Request) -> str:
    """Of five chains three are right, after one query each."""
    number = int("".join(filter(str.isdigit, TASK_LINE.search(request.messages[-1].content)[0])))  # type: ignore[index]
    if "room 7" not in request.messages[-1].content:
        return f"Query: {number}"
    return "Answer: yes" if (request.sample + number) % 5 < 3 else f"Answer: no {request.sample}"


@pytest.mark.parametrize("flags", [(), ("unread",)])
def test_a_study_of_chains_asks_for_the_largest_number_alone_and_tells_of_all(flags: tuple[str, ...]) -> None:
    def studied(samples: int) -> tuple[StudyReport, ScriptedModel]:
        find = Search(retriever=look_up, rounds=1, samples=samples, temperature=0.7, red_flags=flags)
        model = ScriptedModel(seeker, name="seeker", card=CARD)
        report = optimize(
            Graph("chains").add("find", find), TASKS, Pool([model]), cap=Cap(total=1e6), spend=1e6, policies=()
        )
        return report, model

    report, model = studied(choose(1, 3, 5))
    _, largest = studied(5)
    assert set(model.requests) <= set(largest.requests)
    assert len(model.requests) == len(set(model.requests))
    if flags:  # what is discarded is in no curve
        assert report.votes == ()
        return
    (votes,) = report.votes
    fixed = [point for point in votes.points if point.stop is None]
    assert (votes.node, [point.most for point in fixed]) == ("find", [1, 2, 3, 4, 5])
    assert fixed[0].score == pytest.approx(0.6)
    assert fixed[4].score == 1.0
    assert fixed[4].cost == pytest.approx(5 * fixed[0].cost)
