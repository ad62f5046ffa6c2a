"""What tools cost: reserved before a call, settled after it, and held to a cap in dollars."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from apportion import Agent, Cap, Graph, Pool, Task, ToolResult, choose, optimize, priced
from apportion.budgets.books import MemoryStore
from apportion.errors import Infeasible, ToolBreach
from apportion.graphs.bounds import worst_case
from apportion.graphs.run import Runner
from apportion.models.request import Reply, Request
from apportion.optimizers.analysis.vote_curves import recorded_draws
from apportion.records import AccountRow, Limit, Status
from apportion.tasks.metric_text import exact
from apportion.testing.scripted import ScriptedModel

from .servers.plain import command
from .test_agent import CARDS, NATIVE, TASK, Conversation, calls, done, events, told_to_answer

CENT = 10_000_000
"""In billionths of a dollar."""


@priced(usd=0.02)
def search(query: str) -> ToolResult:
    """It says what it cost."""
    if query == "nan":
        return ToolResult("x", usd=float("nan"))
    if query == "fails":
        return ToolResult("nothing found", usd=0.005, failed=True)
    if query == "raises":
        raise OSError("away")
    if query == "hangs":
        time.sleep(3)
    if query == "dear":
        return ToolResult("found", usd=0.05)
    return ToolResult({"found": query}, usd=0.01)


@priced(usd=0.03)
def ask(query: str) -> str:
    """It says nothing of what it cost."""
    return query


def unpriced(query: str) -> ToolResult:
    return ToolResult("found", usd=0.05 if query == "dear" else 0.0)


def query(text: str, name: str = "search") -> tuple[str, dict[str, str]]:
    return name, {"query": text}


@pytest.mark.parametrize("way", CARDS)
@pytest.mark.parametrize(
    ("wanted", "charged", "lost"),
    [
        ([query("a")], 0.01, 0.0),
        ([query("a"), query("b"), query("a")], 0.02, 0.0),
        ([query("a", "ask")], 0.03, 0.0),
        ([query("fails")], 0.005, 0.0),
        ([query("raises")], 0.0, 0.02),
        ([query("hangs")], 0.0, 0.02),
        ([query("nan")], 0.0, 0.02),
        ([("search", {"number": 1}), ("search", "no json"), ("nothing", {})], 0.0, 0.0),
        ([query("a", "unpriced")], 0.0, 0.0),
    ],
)
def test_a_call_is_charged_what_it_says_and_loses_all_where_it_fails(
    way: str, wanted: list[Any], charged: float, lost: float
) -> None:
    talk = Conversation(way, calls(*wanted), "Answer: Rome")
    run = talk.run(search, ask, unpriced, timeout_seconds=0.3)
    assert run.message.answer == "Rome"
    assert (run.charged.usd, run.lost.usd) == (round(charged * 1e9), round(lost * 1e9))
    told = events(run, "tool")
    assert sum(event.get("usd", 0.0) for event in told) == pytest.approx(charged)
    assert sum(event.get("lost_usd", 0.0) for event in told) == pytest.approx(lost)


def test_what_comes_from_memory_costs_nothing_and_what_failed_is_paid_again() -> None:
    again = calls(query("a"), query("fails"))
    run = Conversation("native", again, again, "Answer: Rome").run(search)
    assert run.charged.usd == CENT + 2 * CENT // 2


def test_what_a_result_says_is_read_as_any_other() -> None:
    talk = Conversation("native", calls(query("a"), query("fails")), "Answer: Rome")
    run = talk.run(search)
    assert talk.results() == ['{"found": "a"}', "nothing found"]
    assert [event["failed"] for event in events(run, "tool")] == [False, True]


def test_every_call_of_a_server_costs_what_is_said_of_it() -> None:
    from apportion import McpTools

    talk = Conversation("native", calls(("echo", {"text": "a"}), ("echo", {"text": "b"})), "Answer: Rome")
    tools: Any = (McpTools(command=command("honest"), usd_per_call=0.04),)
    assert talk.run(*tools).charged.usd == 8 * CENT


def restless(request: Request) -> Reply | str:
    """Calls eight times in every round."""
    if told_to_answer(request) or not request.tools:
        return "Answer: Rome"
    return calls(*(query(f"{done(request)} {number}", "ask") for number in range(8)))


def pool_of(script: Any = restless) -> Pool:
    card = NATIVE.model_copy(update={"input_usd_per_million": 1.0, "output_usd_per_million": 1.0})
    return Pool([ScriptedModel(script, card=card)])


@pytest.mark.parametrize("samples", [1, 3])
def test_a_run_fits_under_a_cap_of_exactly_its_bound_in_dollars(samples: int) -> None:
    settings: dict[str, Any] = {"samples": samples, "temperature": 0.7} if samples > 1 else {}
    graph = Graph("g").add("act", Agent(tools=(search, ask), rounds=3, max_output_tokens=600, **settings))
    pool = pool_of()
    bound = worst_case(graph, graph.space(pool).default(), TASK, pool)
    tools = [term for term in bound.terms if term.name == "the tools of node 'act'"]
    assert [term.amount.usd for term in tools] == [samples * 2 * 8 * 3 * CENT]
    assert bound.largest("usd") == "the tools of node 'act'"
    assert bound.call.usd >= 3 * CENT
    total = bound.value("usd") / 1e9
    result = graph.run(TASK, pool=pool, cap=Cap(total=total, unit="usd"))
    assert (result.status, result.answer, result.stop_reason) == (Status.OK, "Rome", "complete")
    assert samples * 2 * 8 * 3 * CENT < result.charged.usd <= bound.value("usd")
    with pytest.raises(Infeasible, match="the tools of node 'act'"):
        graph.run(TASK, pool=pool, cap=Cap(total=total - 0.01, unit="usd"))


def test_under_a_cap_in_tokens_the_cost_is_recorded_and_not_limited() -> None:
    graph = Graph("g").add("act", Agent(tools=(ask,), rounds=2, max_output_tokens=600))
    pool = pool_of()
    bound = worst_case(graph, graph.space(pool).default(), TASK, pool)
    result = graph.run(TASK, pool=pool, cap=Cap(total=bound.value("tokens")))
    assert result.answer == "Rome"
    assert result.charged.usd >= 8 * 3 * CENT


@pytest.mark.parametrize("limit", [0.3, 1.0])
def test_runs_that_share_a_cap_in_dollars_keep_it_and_are_told_where_there_is_no_room(limit: float) -> None:
    graph = Graph("g").add("act", Agent(tools=(search, ask), rounds=3, max_output_tokens=600))
    pool, store = pool_of(), MemoryStore()

    async def story() -> list[Any]:
        async with Runner(graph, pool, store) as runner:
            runner.open_account(AccountRow("batch", None, Limit("usd", round(limit * 1e9))))
            plan = runner.space.default()
            cap = Cap(total=limit, unit="usd")
            tasks = [Task(question=f"Where is {number}?") for number in range(8)]
            runs = (runner.run(task, plan, parent_account="batch", cap=cap) for task in tasks)
            return await asyncio.gather(*runs)

    results = asyncio.run(story())
    balance = store.balance("batch")
    assert 0 < (balance.charged + balance.lost).usd <= round(limit * 1e9)
    assert balance.reserved.usd == 0
    assert sum(result.charged.usd for result in results) == balance.charged.usd
    assert {result.stop_reason for result in results} <= {"budget", "complete"}
    spans = [span for result in results for span in store.spans(result.run_id)]
    assert any("the cap has no room for a call of ask, which may cost 0.03 USD" in span.events for span in spans)
    assert all(result.answer or result.status.failed for result in results)


@pytest.mark.parametrize(("tool", "reserved"), [(search, 2 * CENT), (unpriced, 0)])
def test_a_tool_that_costs_more_than_was_stated_ends_the_run_and_is_not_called_again(tool: Any, reserved: int) -> None:
    made: list[str] = []

    def counted(query: str) -> Any:
        made.append(query)
        return tool(query)

    counted.usd_per_call = reserved / 1e9  # type: ignore[attr-defined]

    def script(request: Request) -> Reply | str:
        return "Answer: Rome" if done(request) else calls(query("dear", "counted"), query("a", "counted"))

    graph, store = Graph("g").add("act", Agent(tools=(counted,), rounds=2)), MemoryStore()

    async def story() -> None:
        async with Runner(graph, pool_of(script), store) as runner:
            for _ in range(2):
                with pytest.raises(ToolBreach, match=r"'counted' said that a call cost 0.05 USD") as error:
                    await runner.run(TASK, runner.space.default())
                assert (error.value.reserved, error.value.reported) == (reserved, 5 * CENT)

    asyncio.run(story())
    assert made.count("dear") == 1
    second, first = store.runs()
    assert (first.status, first.stop_reason) == (Status.PROVIDER_ERROR, "breach")
    assert first.charged.usd >= 5 * CENT
    assert second.charged.usd < 5 * CENT


def test_what_tools_without_a_price_say_that_they_cost_is_booked_beyond_the_cap_too() -> None:
    def dear(query: str) -> ToolResult:
        return ToolResult("found", usd=0.05)

    def script(request: Request) -> Reply | str:
        return calls(query("a", "dear"), query("b", "dear"), query("c", "dear"))

    graph, store = Graph("g").add("act", Agent(tools=(dear,), rounds=2)), MemoryStore()

    async def story() -> None:
        async with Runner(graph, pool_of(script), store) as runner:
            runner.open_account(AccountRow("batch", None, Limit("usd", 4 * CENT)))
            cap = Cap(total=0.04, unit="usd")
            with pytest.raises(ToolBreach):
                await runner.run(TASK, runner.space.default(), parent_account="batch", cap=cap)

    asyncio.run(story())
    (row,) = store.runs()
    assert 15 * CENT < row.charged.usd < 16 * CENT
    assert store.balance("batch").charged == row.charged


def test_a_cancelled_run_loses_what_its_tools_may_have_cost() -> None:
    store = MemoryStore()

    async def story() -> None:
        begun = asyncio.Event()

        @priced(usd=0.02)
        async def wait(query: str) -> str:
            begun.set()
            await asyncio.sleep(60)
            return "late"

        def script(request: Request) -> Reply | str:
            return "Answer: Rome" if done(request) else calls(query("a", "wait"))

        graph = Graph("g").add("act", Agent(tools=(wait,)))
        async with Runner(graph, pool_of(script), store) as runner:
            run = asyncio.ensure_future(runner.run(TASK, runner.space.default()))
            await begun.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

    asyncio.run(asyncio.wait_for(story(), 20))
    (row,) = store.runs()
    assert row.lost.usd == 2 * CENT


@priced(usd=0.1)
def look(query: str) -> str:
    return "Rome"


@pytest.mark.parametrize("unit", ["usd", "tokens"])
def test_a_search_counts_what_tools_cost(unit: Any) -> None:
    """A round more costs a call of the tool more, and brings nothing."""

    def script(request: Request) -> Reply | str:
        if told_to_answer(request) or done(request) >= 3:
            return "Answer: Rome"
        return calls(query(f"{done(request)}", "look"))

    graph = Graph("g").add("act", Agent(tools=(look,), rounds=choose(2, 4), max_output_tokens=64, result_bytes=512))
    tasks = [Task(question=f"Where is {number}?", gold="Rome") for number in range(30)]
    cap, spend = (Cap(per_task=10.0, unit="usd"), 2000.0) if unit == "usd" else (Cap(per_task=100_000), 9e6)
    report = optimize(graph, tasks, pool_of(script), cap=cap, spend=spend, policies=())
    (best,) = report.frontier
    assert best.plan["values"]["act.rounds"] == 2
    assert best.usd is not None
    assert 0.1 < best.usd < 0.11
    if unit == "usd":
        assert best.validation.cost == pytest.approx(best.usd)
        assert report.paid > 3.0


def test_draws_of_a_vote_curve_cost_what_their_tools_cost() -> None:
    def script(request: Request) -> Reply | str:
        return "Answer: Rome" if done(request) else calls(query(f"{request.sample}", "look"))

    graph = Graph("g").add("act", Agent(tools=(look,), rounds=2, samples=3, temperature=0.7))
    store = MemoryStore()

    task = Task(question="Where?", gold="Rome")
    graph.run(task, pool=pool_of(script), store=store, metric=exact)
    (draws,) = recorded_draws(store, store.runs(), [task], "act", exact, "usd").values()
    assert sum(draw.cost for draw in draws) == pytest.approx(store.runs()[0].charged.usd / 1e9)
    assert all(draw.cost > 0.1 for draw in draws)
