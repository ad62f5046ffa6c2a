"""A kind from outside the package, one file and one line, is worth to a study what the package's own are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.graphs.graph import Graph
from apportion.graphs.space import Space
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.asks import ask_of, bound_of, request_of
from apportion.nodes.base import CallBound, Context, Inputs, Kind, Node
from apportion.nodes.depth import Depth
from apportion.nodes.draws import Draws
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import ANY_MODEL, Knob, ModelKnob, choose
from apportion.nodes.oracles import right_answer
from apportion.nodes.prompts.base import Ask, Dialect, Style
from apportion.nodes.readings import read_all
from apportion.nodes.verifier import Verifier
from apportion.nodes.votes import ballots
from apportion.optimizers.search.capability import Capabilities
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.search.shared_calls import SharedCalls
from apportion.optimizers.study.node_reasons import explain
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import StudyReport
from apportion.optimizers.tables.arms import arm_of
from apportion.records import Task
from apportion.records.message import Candidate, Message
from apportion.records.status import Status
from apportion.testing.node import NodeConformance
from apportion.testing.scripted import ScriptedModel


class Scout(Node):
    """Looks around, then asks as often as it is told to and takes what most say."""

    kind: ClassVar[str] = "scout"

    by: ModelKnob = ANY_MODEL
    tries: Knob[int] = 1
    glances: Knob[int] = 0
    care: Knob[Literal["quick", "slow"]] = "quick"


async def _run(node: Scout, inputs: Inputs, context: Context) -> Message:
    dialect = context.dialect(node.by)
    prompt = dialect.solve(ask_of(inputs), Style.DIRECT)
    tokens = 10 * (node.glances + (2 if node.care == "slow" else 1))
    first = request_of(context, node.by, prompt, max_output_tokens=tokens, temperature=0.7, sample=0)
    requests = [first.with_sample(number) for number in range(node.tries)]
    readings = await read_all(requests, context, lambda text: dialect.read_answer(text, Style.DIRECT))
    if node.tries > 1:
        context.record("asked around", draws=[[reading.value, reading.confidence] for reading in readings])
    answers = [reading.value for reading in readings if reading.value is not None]
    said = ballots([Candidate(answer, checked=True, source=context.node) for answer in answers])
    if not said:
        return Message(status=readings[0].status, reason=readings[0].reason)
    return Message(answer=said[0].candidate.answer, candidates=tuple(each.candidate for each in said))


def _worst_case(node: Scout, ask: Ask, incoming: int, dialect: Callable[[str], Dialect]) -> tuple[CallBound, ...]:
    def render(filled: Ask) -> Any:
        return dialect(node.by).solve(filled, Style.DIRECT)

    return (bound_of(node.by, render, ask, incoming, 10 * (node.glances + 2), times=node.tries),)


KIND = Kind(
    Scout,
    _run,
    _worst_case,
    oracle=right_answer,
    draws=lambda node: Draws("tries", node.tries),
    depth=lambda node: Depth(4, "carefully") if node.care == "slow" else Depth(1.5, "at a glance"),
    repeats=lambda node: node.glances,
    verified=True,
)


class TestScout(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Scout(by="scripted", tries=3, glances=1)

    def reply(self, request: Request) -> str:
        return "42"


TASKS = [Task(question=f"Is {number} fine?", gold="yes") for number in range(64)]
CARD = ModelCard(name="m", provider="scripted", attempts=1, template_tokens=2, message_tokens=2)


def voter(request: Request) -> str:
    """Two of three draws are right, of hard questions only where it may write at length, and of one in eight never."""
    number = int("".join(filter(str.isdigit, request.messages[-1].content)))
    needed = (1000, 10, 30, 10, 20, 10, 40, 10)[number % 8]
    right = (request.sample + number) % 3 < 2 and request.max_output_tokens >= needed
    return ("yes" if right else f"no {request.sample}").ljust(request.max_output_tokens)


def scouted() -> Graph:
    graph = Graph("scouted", kinds=kinds_with(KIND))
    graph.add("scout", Scout(tries=choose(1, 3), glances=choose(0, 2), care=choose("quick", "slow")))
    return graph.add("judge", Verifier(method="vote")).connect("scout", "judge")


def pool() -> Pool:
    return Pool([ScriptedModel(voter, name=name, card=CARD) for name in ("first", "second")])


@pytest.fixture(scope="module")
def space() -> Space:
    return scouted().space(pool())


@pytest.fixture(scope="module")
def report() -> StudyReport:
    return optimize(scouted(), TASKS, pool(), cap=Cap(total=1e6), spend=1e6, policies=(), store=MemoryStore())


def test_it_has_headroom(report: StudyReport) -> None:
    scout = next(each for each in report.headroom if each.node == "scout")
    assert (scout.kind, scout.known) == ("scout", report.tasks["validation"])
    assert scout.score < scout.with_gold == 1.0


def test_it_has_a_vote_curve_without_rules_that_it_cannot_follow(report: StudyReport) -> None:
    (votes,) = report.votes
    assert (votes.node, votes.tasks) == ("scout", report.tasks["fit"])
    assert votes.model in ("first", "second")
    assert votes.style in ("carefully", "at a glance")
    assert [(point.most, point.stop) for point in votes.points] == [(number, None) for number in range(1, 4)]
    assert votes.points[0].score < votes.points[2].score


def test_its_rounds_stand_against_its_depth(report: StudyReport) -> None:
    ways = [way for level in report.iso_cost for way in level.ways]
    assert {way.rounds for way in ways} == {0, 2}
    assert {way.depth for way in ways} == {"at a glance", "carefully"}


def test_what_it_got_is_told_with_its_model_apart_from_its_knobs(space: Space) -> None:
    arms = [arm_of(space.plan({"scout.by": name}), space) for name in ("first", "second")]
    turns = np.array([0, 1, 1, 1])
    scout = explain(space, arms, [""] * 4, served=turns, planned=turns, unlimited=turns)[0]
    assert (scout.node, scout.kind) == ("scout", "scout")
    assert scout.everywhere.models == {"first": 0.25, "second": 0.75}
    assert set(scout.everywhere.knobs) == {"tries", "glances", "care"}


def test_its_arms_are_routed_and_verified(space: Space) -> None:
    arms = [arm_of(space.plan({"scout.by": name, "scout.tries": 3}), space) for name in ("first", "second")]
    assert [arm.models for arm in arms] == [(("scout", "first"),), (("scout", "second"),)]
    assert arms[0].setting == arms[1].setting
    assert json.loads(arms[0].setting)["values"] == {"scout.care": "quick", "scout.glances": 0, "scout.tries": 3}
    assert arms[0].verified
    assert arms[0].single


def test_fewer_of_its_draws_are_shared_with_more(space: Space) -> None:
    calls = SharedCalls(space)
    few, many = (calls.uses(space.plan({"scout.tries": tries})) for tries in (1, 3))
    assert [use.item for use in few] == [use.item for use in many]
    assert [[use.draws for use in uses] for uses in (few, many)] == [[1], [3]]
    other = calls.uses(space.plan({"scout.glances": 2}))
    assert other[0].item != few[0].item


def test_its_model_has_a_capability_card(space: Space) -> None:
    def measured(tries: int, by: str) -> Measurement:
        outcomes = [Outcome(f"t{n}", Status.OK, float(tries == 3 or n % 2), float(tries), 0.0) for n in range(40)]
        return Measurement(space.plan({"scout.tries": tries, "scout.by": by}), tuple(outcomes))

    cards = Capabilities(space, [measured(tries, by) for tries in (1, 3) for by in ("first", "second")]).cards
    assert {(card.model, card.knob, card.less, card.more) for card in cards} == {
        ("first", "scout.tries", 1, 3),
        ("second", "scout.tries", 1, 3),
    }
