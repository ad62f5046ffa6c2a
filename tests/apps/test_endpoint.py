from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from apportion import Cap, Pool, Role, Workflow, open_store, run_endpoint
from apportion.apps.endpoint import MOST_BYTES, place_of
from apportion.apps.run import AppStopped, RunEndpoint
from apportion.graphs.result import Result
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.records.status import Status
from apportion.testing.scripted import ScriptedModel

BODY: dict[str, Any] = {"model": "worker", "messages": [{"role": "user", "content": "1+2"}]}


def post(path: str = "/chat/completions", body: Any = None, **more: Any) -> httpx2.Response:
    """Sends a request as the running app would, changed as a test says."""
    place = run_endpoint()
    headers = {"authorization": f"Bearer {place.key}", **more.pop("headers", {})}
    content = body if isinstance(body, bytes) else json.dumps(BODY if body is None else body).encode()
    return httpx2.post(place.base_url + path, content=content, headers=headers, timeout=30, **more)


def told(response: httpx2.Response) -> str:
    return f"{response.status_code} {response.json()['error']['code']}"


def test_what_cannot_be_served_has_openais_shape_and_costs_nothing(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        return ", ".join(
            [
                told(post(headers={"authorization": "Bearer sk-mine"})),
                told(post(headers={"authorization": ""})),
                told(post(headers={"authorization": f"Bearer {run_endpoint().key}x"})),
                told(post(headers={"host": "evil.example"})),
                told(post(body=b"{")),
                told(post(body=b"[]")),
                told(post(body=b"\xff\xfe")),
                told(post(body={**BODY, "model": "nobody"})),
                told(post(body={**BODY, "model": 3})),
                told(post(body={"model": "worker"})),
                told(post(body=b" " * (MOST_BYTES + 1))),
                told(post("/embeddings")),
            ]
        )

    result = run_app(app)
    assert result.answer.split(", ") == [
        "401 invalid_api_key",
        "401 invalid_api_key",
        "401 run_ended",
        "403 host_not_allowed",
        "400 invalid_json",
        "400 invalid_json",
        "400 invalid_json",
        "404 model_not_found",
        "400 invalid_value",
        "400 missing_required_parameter",
        "413 request_too_large",
        "404 unknown_url",
    ]
    assert (result.charged.tokens, result.lost.tokens) == (0, 0)


def test_ten_megabytes_are_not_read_to_their_end(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        try:
            return told(post(body=b'{"x": "' + b"a" * 10_000_000 + b'"}'))
        except httpx2.TransportError:  # the server may hang up on what is still being sent
            return "413 request_too_large"

    assert run_app(app).answer == "413 request_too_large"


def test_models_are_the_roles_and_a_role_in_the_path_goes_before_the_name(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        place = run_endpoint()
        with openai.OpenAI(base_url=place.base_url, api_key=place.key) as client:
            names = [model.id for model in client.models.list()]
        said = post("/roles/worker/chat/completions", {**BODY, "model": "gpt-9"}).json()
        return f"{names} {said['model']} {said['choices'][0]['message']['content']} {said['x_apportion']['model']}"

    assert run_app(app).answer == "['worker'] worker 3 good"


def test_refusals_tell_clients_not_to_try_again(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        response = post(body={**BODY, "max_tokens": 4_000})
        return f"{told(response)} {response.headers['x-should-retry']}"

    result = run_app(app, cap=Cap(per_task=100))
    assert (result.answer, result.charged.tokens) == ("402 cap_reached false", 0)


def test_after_its_run_a_key_opens_nothing(pool: Pool) -> None:
    kept: list[Any] = []
    go = threading.Event()

    def app(question: str) -> str:
        kept.append(run_endpoint())
        if question == "first":
            return "done"
        go.wait(20)
        place = kept[0]
        headers = {"authorization": f"Bearer {place.key}"}
        return told(httpx2.post(place.base_url + "/chat/completions", json=BODY, headers=headers))

    workflow = Workflow(app, {"worker": Role()})

    async def main() -> list[Result]:
        from apportion.budgets.books import MemoryStore
        from apportion.graphs.run import Runner
        from apportion.records.task import Task

        async with Runner(workflow, pool, MemoryStore()) as runner:
            plan, cap = workflow.space(pool).default(), Cap(per_task=1_000)
            second = asyncio.create_task(runner.run(Task(question="second"), plan, cap=cap))
            first = await runner.run(Task(question="first"), plan, cap=cap)
            go.set()
            return [first, await second]

    assert [result.answer for result in asyncio.run(main())] == ["done", "401 run_ended"]


class Held:
    """A model that answers when it is told to, or is cancelled first."""

    def __init__(self) -> None:
        self.card = ModelCard(name="held", attempts=1)
        self.begun = threading.Event()
        self.cancelled = threading.Event()

    async def complete(self, request: Request) -> Reply:
        self.begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("nobody waited so long")

    def count_tokens(self, messages: Any) -> int | None:
        return None

    async def aclose(self) -> None:
        """Holds nothing."""


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_cancels_its_call_and_the_books_say_what_was_lost(stream: bool, tmp_path: Any) -> None:
    held = Held()

    def app(question: str) -> str:
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(
                f"{run_endpoint().base_url}/chat/completions",
                json={**BODY, "max_tokens": 7, "stream": stream},
                headers={"authorization": f"Bearer {run_endpoint().key}"},
                timeout=0.5,
            )
        return str(held.cancelled.wait(20))

    store = open_store(tmp_path / "left.db")
    result = Workflow(app, {"worker": Role()}).run("q", pool=Pool([held]), cap=Cap(per_task=1_000), store=store)
    assert (result.answer, result.status) == ("True", Status.OK)
    (call,) = store.calls(result.run_id)
    assert (call.outcome, result.lost, result.charged.tokens) == (Status.CANCELLED, call.bound, 0)
    store.close()


def test_streams_come_over_http_with_their_usage(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        place = run_endpoint()
        with openai.OpenAI(base_url=place.base_url, api_key=place.key) as client:
            *events, last = client.chat.completions.create(
                model="worker",
                messages=[{"role": "user", "content": question}],
                stream=True,
                stream_options={"include_usage": True},
            )
        assert last.usage is not None
        return "".join(event.choices[0].delta.content or "" for event in events) + f" {last.usage.total_tokens}"

    result = run_app(app)
    assert result.answer == f"3 {result.charged.tokens}"


def test_a_stream_that_does_not_fit_is_refused_by_its_status(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        return told(post(body={**BODY, "max_tokens": 4_000, "stream": True}))

    assert run_app(app, cap=Cap(per_task=100)).answer == "402 cap_reached"


def test_keys_name_their_endpoint() -> None:
    assert place_of("apportion-8001-abc_d-e") == "http://127.0.0.1:8001/v1"
    for wrong in ("sk-1", "apportion-x-y", "apportion-1-", "apportion-123456-a", "apportion-1-a b"):
        with pytest.raises(ValueError, match="key"):
            place_of(wrong)


def test_many_runs_at_once_keep_their_calls_apart() -> None:
    pool = Pool([ScriptedModel(lambda request: request.messages[-1].content, name="echo")])

    def app(question: str) -> str:
        asked = [{**BODY, "messages": [{"role": "user", "content": f"{question}.{n}"}]} for n in range(3)]
        return " ".join(post(body=body).json()["choices"][0]["message"]["content"] for body in asked)

    workflow = Workflow(app, {"worker": Role()})

    async def main() -> list[Result]:
        return await asyncio.gather(*(workflow.arun(f"q{n}", pool=pool, cap=Cap(per_task=9_000)) for n in range(16)))

    answers = [result.answer for result in asyncio.run(main())]
    assert answers == [f"q{n}.0 q{n}.1 q{n}.2" for n in range(16)]


def test_an_app_that_outlives_its_run_opens_no_endpoint(run_app: Callable[..., Result]) -> None:
    over, tried = threading.Event(), threading.Event()
    came: list[BaseException | RunEndpoint] = []

    def app(question: str) -> str:
        over.wait(30)
        try:
            came.append(run_endpoint())
        except BaseException as error:  # noqa: BLE001 - it is what is tested
            came.append(error)
        tried.set()
        return "late"

    result = run_app(app, timeout_seconds=0.1)
    over.set()
    assert tried.wait(30)
    assert result.status is Status.TIMEOUT
    assert [type(each) for each in came] == [AppStopped]
