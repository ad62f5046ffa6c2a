"""Replies that gave no answer are counted, shown and held against the choices that hung on them."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.cli.terminal import TerminalReporter
from apportion.errors import CallFailed
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes.asks import ask_of, bound_of, request_of
from apportion.nodes.base import CallBound, Context, Incoming, Inputs, Kind, Node, Speakers
from apportion.nodes.depth import Depth
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import ANY_MODEL, ModelKnob, choose
from apportion.nodes.prompts.base import Ask, Style
from apportion.nodes.solver import Solver
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import ReadingReport, StudyReport
from apportion.records import Status, Task
from apportion.records.message import Message
from apportion.records.protocols import StudyStore
from apportion.records.rows import TrialRow
from apportion.records.usage import ZERO
from apportion.stores import open_store
from apportion.testing.scripted import ScriptedModel

TASKS = [Task(question=f"What is {number} and 1?", gold=str(number + 1)) for number in range(40)]


class Asker(Node):
    """A kind of a user's own: it reads its replies by itself, and says of each what its message says."""

    kind: ClassVar[str] = "asker"

    by: ModelKnob = ANY_MODEL


async def _run(node: Asker, inputs: Inputs, context: Context) -> Message:
    prompt = context.dialect(node.by).solve(ask_of(inputs), Style.DIRECT)
    request = request_of(context, node.by, prompt, max_output_tokens=40, temperature=0.0, sample=0)
    reply = await context.call(request)
    head, _, answer = reply.text.partition("Answer: ")
    return Message(answer=answer) if answer else Message(status=Status.PARSE_ERROR, reason=f"what is {head!r}?")


def _worst_case(node: Asker, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    return (bound_of(node.by, lambda filled: speakers(node.by).solve(filled, Style.DIRECT), ask, incoming, 40),)


ASKER = Kind(Asker, _run, _worst_case, depth=lambda node: Depth(1, "offhand"))


def _number(request: Request) -> int:
    return int("".join(filter(str.isdigit, request.messages[-1].content.partition("and 1")[0])))


def _clear(request: Request) -> str:
    return f"Answer: {_number(request) + 1}"


def _mute(request: Request) -> str:
    """Right, in words that no reader knows; readable for a quarter of the questions."""
    return _clear(request) if _number(request) % 4 == 0 else "~~ ... ~~"


def _model(name: str, script: Any) -> ScriptedModel:
    return ScriptedModel(script, name=name, card=ModelCard(name=name, provider="scripted", attempts=1))


def _study(graph: Graph, pool: Pool, store: StudyStore | None = None, policies: Sequence[str] = ()) -> StudyReport:
    return optimize(graph, TASKS, pool, cap=Cap(total=1e6), spend=1e7, store=store, policies=tuple(policies))


def _printed(report: StudyReport) -> str:
    out = io.StringIO()
    TerminalReporter(Console(width=200, file=out)).finish(report)
    return out.getvalue()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StudyStore]:
    """Both kinds of books."""
    books: StudyStore = MemoryStore() if request.param == "memory" else open_store(tmp_path / "study.db")
    yield books
    books.close()


def _by_model(report: StudyReport) -> dict[str, ReadingReport]:
    assert len({found.model for found in report.readings}) == len(report.readings)
    return {found.model: found for found in report.readings}


def _consistent(report: StudyReport, store: StudyStore) -> None:
    """Counts agree with the calls on the books but those of the yardstick, and examples are what they say."""
    for found in report.readings:
        calls = [
            call
            for trial in store.trials(report.study_id)
            if trial.part != "headroom"
            for run in store.runs(trial_id=trial.trial_id)
            for call in store.calls(run.run_id)
            if call.request_model == found.model
        ]
        assert found.replies == len(calls) > 0
        assert found.unread == sum(call.output_text.startswith("~~") for call in calls)
        assert found.answered == found.replies - found.unread
        example = found.examples["unread"] if found.unread else found.examples["answered"]
        assert example.text in [call.output_text for call in store.calls(example.run_id)]


@pytest.mark.parametrize("own", [False, True], ids=["solver", "own kind"])
def test_a_model_that_nobody_can_read_is_named_with_an_example_and_so_is_the_choice(
    own: bool, store: StudyStore
) -> None:
    pool = Pool([_model("clear", _clear), _model("mute", _mute)])
    graph = Graph("ask", kinds=kinds_with(ASKER)).add("solve", Asker() if own else Solver(style="think", temperature=0))
    report = _study(graph, pool, store, ("static",) if not own else ())
    found = _by_model(report)
    _consistent(report, store)
    mute = found["mute"]
    assert (mute.node, mute.style) == ("solve", "offhand" if own else "think")
    assert mute.unread / mute.replies == pytest.approx(0.75, abs=0.2)
    assert (mute.examples["unread"].text, found["clear"].unread) == ("~~ ... ~~", 0)
    (plan,) = report.unread_plans
    assert report.chosen not in (None, plan.plan_hash)
    assert (plan.model, plan.unread, plan.replies) == ("mute", mute.unread, mute.replies)
    for text in (mute.warning, *report.notes[-1:]):
        assert all(part in text for part in (plan.plan_hash[:8], "'~~ ... ~~'", plan.example.run_id[:8]))
        assert f"the chosen plan {report.chosen[:8]} was chosen over it" in text
    told = json.loads(report.model_dump_json())
    assert told["unread_plans"][0]["example"]["run_id"] == plan.example.run_id
    assert StudyReport.model_validate_json(report.model_dump_json()).readings == report.readings
    printed = _printed(report)
    assert "\nunread " in printed
    assert f"{100 * mute.unread / mute.replies:.0f} %" in printed
    assert printed.count("could not be read") == 1


def test_a_study_that_reads_everything_prints_nothing_of_it(store: StudyStore) -> None:
    graph = Graph("ask").add("solve", Solver(style=choose("direct", "think"), temperature=0))
    report = _study(graph, Pool([_model("clear", _clear)]), store)
    assert {found.style for found in report.readings} == {"direct", "think"}
    assert all(found.answered == found.replies and not found.warning for found in report.readings)
    assert (report.unread_plans, [note for note in report.notes if "read" in note]) == ((), [])
    assert "unread" not in _printed(report)


def test_a_model_of_which_nothing_is_read_may_be_better_than_its_score_also_where_it_is_chosen() -> None:
    pool = Pool([_model("mute", lambda request: "<think>Let me see.</think>\n~~ ~~")])
    report = _study(Graph("ask").add("solve", Solver(style="think")), pool)
    (found,) = report.readings
    assert found.examples["unread"].text == "~~ ~~"
    assert found.unread == found.replies
    assert f"the chosen plan {str(report.chosen)[:8]} uses it" in found.warning


def test_samples_of_a_vote_that_is_ok_are_counted_one_by_one(store: StudyStore) -> None:
    """The span says ok; of its five samples two could not be read and one was refused."""

    def script(request: Request) -> str | Reply:
        said: list[str | Reply] = ["~~ no ~~", "~~ no ~~", Reply("I will not.", "refusal", None)]
        return said[request.sample] if request.sample < 3 else _clear(request)

    report = _study(Graph("ask").add("solve", Solver(style="think", samples=5)), Pool([_model("m", script)]), store)
    (found,) = report.readings
    assert report.best is not None
    assert report.best.validation.score == 1.0
    assert [found.unread * 5, found.refused * 5, found.answered * 5] == [share * found.replies for share in (2, 1, 2)]
    assert {example.text for name, example in found.examples.items() if name != "answered"} == {
        "~~ no ~~",
        "I will not.",
    }


def test_what_failed_counts_once_and_not_where_another_attempt_was_answered(store: StudyStore) -> None:
    asked: set[int] = set()

    def script(request: Request) -> str:
        number = _number(request)
        if number == 3 and number not in asked:
            asked.add(number)
            raise CallFailed(Status.PROVIDER_ERROR, "once", retryable=True, billed=False, retry_after=0.0)
        if number == 4:
            raise CallFailed(Status.TIMEOUT, "never", billed=False)
        return _clear(request)

    card = ModelCard(name="m", provider="scripted", attempts=2)
    pool = Pool([ScriptedModel(script, name="m", card=card)])

    async def run() -> None:
        graph = Graph("ask").add("solve", Solver(style="direct", temperature=0))
        async with Runner(graph, pool, store) as runner:
            for task in TASKS[:6]:
                await runner.run(task, runner.space.default(), trial_id="trial")

    store.record(TrialRow("trial", "study", "plan", "fit", 0, 6, 1.0, 1.0, ZERO, ZERO, "complete"))
    asyncio.run(run())
    counts = {count.outcome: count.replies for count in store.reply_counts("study")}
    assert counts == {Status.OK: 5, Status.TIMEOUT: 1}
    assert store.reply_counts("another") == []


@pytest.mark.parametrize("stored", [False, True])
def test_abstentions_are_counted_beside_what_is_unread(stored: bool, tmp_path: Path) -> None:
    def script(request: Request) -> str:
        return "Answer: I don't know" if _number(request) % 2 else _clear(request)

    graph = Graph("silent").add("solve", Solver(model="*", style="direct", max_output_tokens=40))
    store = open_store(tmp_path / "books.db") if stored else MemoryStore()
    report = _study(graph, Pool([_model("odd", script)]), store)
    (reading,) = report.readings
    assert reading.replies == reading.answered + reading.abstained
    assert 0.3 < reading.abstained / reading.replies < 0.7
    assert reading.examples["abstained"].text == "Answer: I don't know"
    assert reading.examples["answered"].text != "Answer: I don't know"
    assert "abstained" in _printed(report)
    store.close()
