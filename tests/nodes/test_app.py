from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apportion import Cap, Graph, Pool, Role, Task, Workflow, open_store, openai_client, skippable
from apportion.errors import GraphError, UsageError
from apportion.models.card import ModelCard
from apportion.records.status import Status
from apportion.testing.scripted import ScriptedModel

CAP = Cap(per_task=20_000)


def echo() -> Pool:
    return Pool([ScriptedModel(lambda request: request.messages[-1].content, name="echo")])


def ask(content: str, model: str = "worker", **fields: Any) -> str:
    client: Any = openai_client()
    said = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **fields)
    return str(said.choices[0].message.content)


def test_the_trace_has_a_span_for_each_call_of_a_role_and_what_was_never_asked_for(tmp_path: Path) -> None:
    def app(question: str) -> str:
        return ask(ask(question), "judge")

    store = open_store(tmp_path / "trace.db")
    roles = {"worker": Role(), "judge": Role(), "idle": Role()}
    result = Workflow(app, roles).run("hello", pool=echo(), cap=CAP, store=store)
    store.flush()
    spans = {(span.node, span.kind, span.charged.tokens) for span in store.spans(result.run_id)}
    call = result.charged.tokens // 2
    assert spans == {("worker", "role", call), ("judge", "role", call), ("app", "app", 0)}
    (own,) = [span for span in store.spans(result.run_id) if span.kind == "app"]
    assert json.loads(own.events) == [{"event": "roles", "asked": {"worker": 1, "judge": 1}, "unasked": ["idle"]}]
    assert [span.round for span in store.spans(result.run_id)] == [0, 0, 0]
    store.close()


def test_an_app_needs_an_allowance_and_is_told_so_before_any_call() -> None:
    pool = echo()
    workflow = Workflow(ask, {"worker": Role()})
    for cap in (None, Cap(total=9_000)):
        with pytest.raises(UsageError, match="per_task"):
            workflow.run("hello", pool=pool, cap=cap)
    assert workflow.run("hello", pool=pool, cap=Cap(per_task=5_000, total=5_000)).answer == "hello"


@pytest.mark.parametrize("stream", [False, True])
def test_an_app_that_swallows_refusals_and_loops_is_ended(stream: bool) -> None:
    ended, attempts = threading.Event(), list[str]()

    def app(question: str) -> str:
        try:
            while True:
                attempts.append(question)
                with suppress(Exception):  # as careless apps do
                    ask(question, max_tokens=5_000, stream=stream)
        finally:
            ended.set()

    workflow = Workflow(app, {"worker": Role()}, refusals=32)
    result = workflow.run("hello", pool=echo(), cap=Cap(per_task=1_000))
    assert (result.status, result.stop_reason, result.charged.tokens) == (Status.BUDGET, "budget", 0)
    assert "went on asking after 32 calls" in result.reason
    assert ended.wait(20)
    assert 32 < len(attempts) < 64


def test_an_async_app_that_loops_is_ended_too() -> None:
    from apportion import async_openai_client

    async def app(question: str) -> str:
        client: Any = async_openai_client("worker")
        while True:
            with suppress(Exception):  # as careless apps do
                message = {"role": "user", "content": question}
                await client.chat.completions.create(model="x", max_tokens=5_000, messages=[message])

    workflow = Workflow(app, {"worker": Role()}, refusals=32)
    result = workflow.run("hello", pool=echo(), cap=Cap(per_task=1_000))
    assert (result.status, "went on asking" in result.reason) == (Status.BUDGET, True)


def test_an_app_that_asks_many_at_once_may_answer_with_what_fits() -> None:
    from apportion import async_openai_client

    async def app(question: str) -> str:
        client: Any = async_openai_client("worker")
        message = {"role": "user", "content": question}
        asked = (client.chat.completions.create(model="x", max_tokens=5_000, messages=[message]) for _ in range(100))
        came = await asyncio.gather(*asked, return_exceptions=True)
        return f"{sum(isinstance(each, Exception) for each in came)} did not fit"

    result = Workflow(app, {"worker": Role()}).run("hello", pool=echo(), cap=Cap(per_task=1_000))
    assert (result.answer, result.stop_reason) == ("100 did not fit", "budget")


def test_an_app_that_does_not_end_is_given_up() -> None:
    go = threading.Event()
    workflow = Workflow(lambda question: str(go.wait(60)), {"worker": Role()}, timeout_seconds=0.2)
    result = workflow.run("hello", pool=echo(), cap=CAP)
    go.set()
    assert (result.status, "timeout_seconds=0.2" in result.reason) == (Status.TIMEOUT, True)


def test_a_model_that_is_no_role_is_refused_or_passed_and_counted(tmp_path: Path) -> None:
    store = open_store(tmp_path / "unknown.db")

    def app(question: str) -> str:
        try:
            return ask(question, "echo")
        except Exception as error:  # noqa: BLE001 - whatever the client makes of it
            return str(error)

    refused = Workflow(app, {"worker": Role()}).run("hello", pool=echo(), cap=CAP, store=store)
    passed = Workflow(app, {"worker": Role()}, unknown_models="pass").run("hello", pool=echo(), cap=CAP, store=store)
    store.flush()
    assert "no role of this app" in refused.answer
    assert (refused.charged.tokens, passed.answer) == (0, "hello")
    assert passed.charged.tokens > 0
    for result in (refused, passed):
        (own,) = store.spans(result.run_id)
        assert json.loads(own.events)[0]["unknown_models"] == {"echo": 1}
    unknown = Workflow(lambda q: ask(q, "nobody"), {"worker": Role()}, unknown_models="pass")
    assert "404" in unknown.run("hello", pool=echo(), cap=CAP).reason
    short = Workflow(app, {"worker": Role()}, unknown_models="pass").run("hello", pool=echo(), cap=Cap(per_task=30))
    assert "402" in short.answer
    store.close()


def test_a_breach_ends_the_run_and_not_only_the_call() -> None:
    from apportion.errors import BudgetBreach
    from apportion.models.request import Reply
    from apportion.records.usage import Usage

    def app(question: str) -> str:
        with suppress(Exception):
            ask(question)
        return "all well"

    cases: list[tuple[dict[str, Any], str]] = [({}, "other"), ({"unknown_models": "pass"}, "worker")]
    for settings, model in cases:
        pool = Pool([ScriptedModel(lambda request: Reply("x", "stop", Usage(10, 10**6)), name="worker")])
        roles = {"worker" if model == "other" else "other": Role()}
        with pytest.raises(BudgetBreach):
            Workflow(app, roles, **settings).run("hello", pool=pool, cap=Cap(per_task=10**7))


def test_steps_that_are_marked_can_be_left_out() -> None:
    @skippable("polish")
    def polish(text: str) -> str:
        return text.upper()

    def app(question: str) -> str:
        return polish(question) or question

    pool = echo()
    workflow = Workflow(app, {"worker": Role()}, steps=["polish"])
    space = workflow.space(pool)
    assert space.knobs["polish.runs"] == (True, False)
    plans = [space.plan({"polish.runs": runs}) for runs in (True, False)]
    answers = [workflow.run("hello", plan, pool=pool, cap=CAP).answer for plan in plans]
    assert answers == ["HELLO", "hello"]


def test_64_at_once_under_one_cap_stay_inside_it(tmp_path: Path) -> None:
    """What was billed is at most what the books say, and that is at most the cap."""
    billed: list[int] = []

    def script(request: Any) -> str:
        said = "x" * (1 + len(billed) % 7)
        billed.append(len(said) + sum(len(m.content) + 8 for m in request.messages) + 16)
        return said

    def app(question: str) -> str:
        said = []
        for n in range(4):
            try:
                said.append(ask(f"{question} {n}", max_tokens=10))
            except Exception:  # noqa: BLE001 - refused: it answers with what it has
                break
        return "".join(said) or "nothing"

    from apportion.graphs.run import Runner
    from apportion.records.rows import AccountRow

    store = open_store(tmp_path / "many.db")
    cap = Cap(total=3_000, per_task=200)
    workflow = Workflow(app, {"worker": Role()})
    pool = Pool([ScriptedModel(script, name="only")])

    async def main() -> int:
        async with Runner(workflow, pool, store) as runner:
            account = runner.open_account(AccountRow("batch", limit=cap.batch_limit(64, 64)))
            plan = workflow.space(pool).default()
            tasks = [Task(question=f"q{n}") for n in range(64)]
            runs = (runner.run(task, plan, parent_account=account, cap=cap) for task in tasks)
            results = await asyncio.gather(*runs)
            assert all(result.answer for result in results)
            balance = runner.ledger.balance(account)
            assert balance.reserved.tokens == 0
            return balance.charged.tokens + balance.lost.tokens

    booked = asyncio.run(main())
    assert 1_500 < sum(billed) <= booked <= 3_000
    store.close()


KILLED = """
import json, os, signal, sys, threading, time, urllib.request
question = sys.stdin.read()
def ask(content):
    body = {"model": "worker", "max_tokens": 10, "messages": [{"role": "user", "content": content + question}]}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
        {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    return json.load(urllib.request.urlopen(request))
ask("first ")
threading.Thread(target=ask, args=("second ",), daemon=True).start()
time.sleep(float(question))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_apps_that_are_killed_leave_true_books(tmp_path: Path) -> None:
    sent: list[str] = []

    class Slow(ScriptedModel):
        async def complete(self, request: Any) -> Any:
            sent.append(request.messages[-1].content)
            if sent[-1].startswith("second"):
                await asyncio.sleep(60)
            return await super().complete(request)

    from apportion.graphs.run import Runner
    from apportion.records.rows import AccountRow

    store = open_store(tmp_path / "killed.db")
    cap = Cap(total=2_000, per_task=500)
    workflow = Workflow([sys.executable, "-c", KILLED], {"worker": Role()})
    pool = Pool([Slow(lambda request: "said", name="slow", card=ModelCard(name="slow", attempts=1))])

    async def main() -> None:
        async with Runner(workflow, pool, store) as runner:
            account = runner.open_account(AccountRow("batch", limit=cap.batch_limit(6, 6)))
            plan = workflow.space(pool).default()
            runs = (runner.run(Task(question=f".{n}"), plan, parent_account=account, cap=cap) for n in range(1, 7))
            results = await asyncio.gather(*runs)
            assert {result.status for result in results} == {Status.TOOL_ERROR}
            assert all("SIGKILL" in result.reason for result in results)
            balance = runner.ledger.balance(account)
            assert balance.reserved.tokens == 0
            assert balance.charged.tokens + balance.lost.tokens <= 2_000
            calls = [call for result in results for call in store.calls(result.run_id)]
            assert balance.charged == sum((call.charged for call in calls[1:]), calls[0].charged)
            assert balance.lost == sum((call.lost for call in calls[1:]), calls[0].lost)
            assert len(calls) == len(sent)
            assert balance.lost.tokens > 0

    asyncio.run(main())
    store.close()


def test_a_file_with_an_app_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_app.py").write_text("def answer(question):\n    return question\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = Workflow("shop_app:answer", {"worker": Role()}).to_json()
    assert Workflow("shop_app:answer", {"worker": Role()}).blueprint.modules == ("shop_app",)
    sys.modules.pop("shop_app", None)
    with pytest.raises(UsageError, match="allow"):
        Graph.from_json(text)
    assert "shop_app" not in sys.modules
    graph = Graph.from_json(text, allow=("shop_app",))
    assert graph.hash == Workflow("shop_app:answer", {"worker": Role()}).hash
    assert graph.run("hello", pool=echo(), cap=CAP).answer == "hello"


def test_a_file_with_a_command_starts_nothing_by_itself(tmp_path: Path) -> None:
    workflow = Workflow([sys.executable, "-c", "print('ran')"], {"worker": Role()})
    text = workflow.to_json()
    with pytest.raises(UsageError, match="--allow 'app:"):
        Graph.from_json(text)
    graph = Graph.from_json(text, allow=workflow.blueprint.modules)
    assert graph.run("hello", pool=echo(), cap=CAP).answer == "ran"


def test_an_app_that_cannot_be_found_again_runs_and_is_not_written() -> None:
    workflow = Workflow(lambda question: question, {"worker": Role()})
    assert workflow.run("hello", pool=echo(), cap=CAP).answer == "hello"
    with pytest.raises(GraphError, match="top of a"):
        workflow.to_json()


def test_a_role_without_an_app_is_refused() -> None:
    with pytest.raises(GraphError, match="role or a step of a Workflow"):
        Graph("roles").add("worker", Role()).run("hello", pool=echo())


def test_an_app_that_swallows_every_error_and_loops_is_ended_and_its_names_are_bounded(tmp_path: Path) -> None:
    def app(question: str) -> str:
        for number in range(5_000):
            with suppress(Exception):
                ask(question, model=f"{number}{'x' * 300}")
        return "never"

    store = open_store(tmp_path / "trace.db")
    result = Workflow(app, {"worker": Role()}).run("hello", pool=echo(), cap=CAP, store=store)
    assert (result.status, result.answer, result.charged.tokens) == (Status.TOOL_ERROR, "", 0)
    assert "calls without a reply" in result.reason
    store.flush()
    (span,) = [span for span in store.spans(result.run_id) if span.node == "app"]
    unknown_models = json.loads(span.events)[0]["unknown_models"]
    store.close()
    assert sum(unknown_models.values()) > 1_000
    assert len(unknown_models) == 65
    assert max(map(len, unknown_models)) == 200


@pytest.mark.parametrize("app", [lambda question: 1 / 0, lambda question: None])
def test_failures_of_the_app_end_its_run_and_no_other(app: Callable[[str], Any]) -> None:
    result = Workflow(app, {"worker": Role()}).run("hello", pool=echo(), cap=CAP)
    assert result.status is Status.TOOL_ERROR
    assert result.reason
