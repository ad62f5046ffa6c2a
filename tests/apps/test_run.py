from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable

import pytest

from apportion import Cap, Pool, Role, Workflow, openai_client, run_endpoint
from apportion.apps.run import Answered, AppRun, AppStopped, RunEndpoint, Told, current_run
from apportion.errors import UsageError
from apportion.graphs.result import Result
from apportion.models.chat.asked import Asked, read_asked
from apportion.models.request import Reply

HELLO = read_asked(b'{"model": "worker", "messages": [{"role": "user", "content": "hello"}]}')


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.ended: list[str] = []

    async def answer(self, role: str, asked: Asked, told: Told | None) -> Answered:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # a settlement may take a turn of the loop
            self.ended.append(role)
            raise
        return Answered(role, "m", Reply("yes", "stop", None))

    def skips(self, node: str) -> bool:
        return False


def nowhere(run: AppRun) -> RunEndpoint:
    raise AssertionError("nobody asked for it")


def test_a_thread_asks_and_the_loop_of_the_run_answers() -> None:
    async def main() -> str:
        roles = Slow()
        run = AppRun(roles, ["worker"], nowhere)
        waiting = asyncio.create_task(asyncio.to_thread(run.ask, "worker", HELLO))
        await asyncio.sleep(0.01)
        roles.go.set()
        return (await waiting).reply.text

    assert asyncio.run(main()) == "yes"


def test_who_waits_on_the_runs_own_thread_is_told_so() -> None:
    async def main() -> None:
        AppRun(Slow(), ["worker"], nowhere).ask("worker", HELLO)

    with pytest.raises(UsageError, match="async_openai_client"):
        asyncio.run(main())


def test_the_end_of_a_run_waits_until_its_calls_are_settled() -> None:
    async def main() -> tuple[list[str], list[BaseException]]:
        roles = Slow()
        run = AppRun(roles, ["worker"], nowhere)
        waiting = [asyncio.create_task(asyncio.to_thread(run.ask, "worker", HELLO)) for _ in range(3)]
        waiting.append(asyncio.create_task(run.ask_async("worker", HELLO)))
        await asyncio.sleep(0.05)
        await run.aclose()
        ended = list(roles.ended)
        came = await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(AppStopped):
            run.submit("worker", HELLO)
        return ended, [each for each in came if isinstance(each, BaseException)]

    ended, came = asyncio.run(main())
    assert ended == ["worker"] * 4
    assert [type(each) for each in came] == [AppStopped] * 3 + [asyncio.CancelledError]


def test_a_cancelled_call_is_cancelled_on_the_loop_of_the_run() -> None:
    async def main() -> list[str]:
        roles = Slow()
        run = AppRun(roles, ["worker"], nowhere)
        waiting = asyncio.create_task(run.ask_async("worker", HELLO))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.sleep(0.05)
        return roles.ended

    assert asyncio.run(main()) == ["worker"]


def test_outside_a_run_the_error_says_what_to_give() -> None:
    with pytest.raises(UsageError, match="key="):
        current_run("role 'worker'")
    with pytest.raises(UsageError, match="key="):
        run_endpoint()


def say(content: str, key: str | None = None) -> str:
    client = openai_client("worker", key=key)
    completion = client.chat.completions.create(model="worker", messages=[{"role": "user", "content": content}])
    return completion.choices[0].message.content or ""


def test_threads_are_attributed_by_context_or_by_key(run_app: Callable[..., Result]) -> None:
    told: list[str] = []

    def within(key: str | None) -> None:
        try:
            told.append(say("1+1", key))
        except Exception as error:  # noqa: BLE001 - whatever the client makes of it
            told.append(str(error))

    def app(question: str) -> str:
        key = run_endpoint().key
        context = contextvars.copy_context()
        for target, arguments in ((within, (None,)), (within, (key,)), (context.run, (within, None))):
            thread = threading.Thread(target=target, args=arguments)
            thread.start()
            thread.join()
        return "done"

    result = run_app(app)
    assert result.answer == "done"
    assert told[1:] == ["2", "2"]
    assert "key=" in told[0]
    assert result.charged.tokens == 2 * 28


def test_runs_within_runs_and_beside_each_other_are_told_apart(pool: Pool) -> None:
    cap = Cap(per_task=20_000)
    inner_charged: list[int] = []

    def inner(question: str) -> str:
        return say(question)

    def outer(question: str) -> str:
        first = say("1+1")
        result = Workflow(inner, {"worker": Role()}).run("2+2", pool=pool, cap=cap)
        inner_charged.append(result.charged.tokens)
        return first + result.answer + say(question)

    workflow = Workflow(outer, {"worker": Role()})

    async def main() -> list[Result]:
        return await asyncio.gather(*(workflow.arun(f"{n}+1", pool=pool, cap=cap) for n in range(6)))

    results = asyncio.run(main())
    assert [result.answer for result in results] == [f"24{n + 1}" for n in range(6)]
    assert {result.charged.tokens for result in results} == {56}
    assert inner_charged == [28] * 6
