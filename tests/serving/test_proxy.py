from __future__ import annotations

import asyncio
import hashlib
import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from apportion.budgets.cap import Cap
from apportion.errors import UsageError
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.records.rows import Balance
from apportion.records.status import Status
from apportion.serving.keys import Key, Keys
from apportion.serving.proxy import ProxyServer
from apportion.stores.opening import open_store
from apportion.stores.store import Store
from apportion.testing.fault_server import Behaviour, FaultServer
from apportion.testing.fault_stream import Streaming

HI: Any = [{"role": "user", "content": "hi"}]
SECRET = "sk-upstream-0123456789abcdef"
TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def key(name: str, **fields: Any) -> Key:
    return Key(name=name, hash="sha256:" + hashlib.sha256(f"sk-{name}".encode()).hexdigest(), **fields)


@dataclass
class Setting:
    """A proxy in front of a scripted endpoint."""

    upstream: FaultServer
    store: Store
    server: ProxyServer
    clients: list[OpenAI] = field(default_factory=list)

    def client(self, name: str = "anybody", **settings: Any) -> OpenAI:
        made = OpenAI(base_url=self.server.base_url, api_key=f"sk-{name}", **{"max_retries": 0, **settings})
        self.clients.append(made)
        return made

    def ask(self, name: str = "anybody", **fields: Any) -> Any:
        return self.client(name).chat.completions.create(**{"model": "m", "messages": HI, "max_tokens": 30, **fields})

    @property
    def balance(self) -> Balance:
        return self.store.balance("proxy/all")

    def settled(self) -> Balance:
        """The balance once nothing is in flight."""
        until = time.monotonic() + 20
        while self.balance.in_flight:
            assert time.monotonic() < until, "a call is in flight still"
            time.sleep(0.01)
        return self.balance

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.server.base_url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port


@contextmanager
def setting(
    folder: Path, *, cap: float = 100_000, card: Any = None, proxy: Any = None, books: Any = None, **upstream: Any
) -> Iterator[Setting]:
    with ExitStack() as stack:
        endpoint = stack.enter_context(FaultServer(**{"bytes_per_token": 1, "api_key": SECRET, **upstream}))
        fields = {"output_cap": "max_tokens", "attempts": 1, "timeout_seconds": 5.0, "concurrency": 100, **(card or {})}
        made = Endpoint(endpoint.base_url, api_key=SECRET)
        pool = Pool(OpenAIModel.on(ModelCard.model_validate({"name": name, **fields}), made) for name in ("m", "large"))
        store = stack.enter_context(open_store(folder / "trace.db", **(books or {})))
        server = stack.enter_context(ProxyServer(pool, store, cap=Cap(total=cap), **(proxy or {})))
        given = Setting(endpoint, store, server)
        try:
            yield given
        finally:
            for client in given.clients:
                client.close()


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_any_client_asks_whole_or_in_pieces(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "word " * 4) as proxy:
        assert [model.id for model in proxy.client().models.list()] == ["m", "large"]
        assert proxy.client().models.retrieve("large").id == "large"
        whole = proxy.ask()
        assert whole.choices[0].message.content == "word " * 4
        assert whole.usage.total_tokens == whole.x_apportion["charged"]["tokens"]
        *chunks, last = proxy.ask(stream=True, stream_options={"include_usage": True})
        assert text_of(chunks) == "word " * 4
        assert sum(1 for chunk in chunks if chunk.choices[0].delta.content) > 3
        assert (last.usage, last.x_apportion["charged"]) == (whole.usage, whole.x_apportion["charged"])
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens


def test_an_asynchronous_client(tmp_path: Path) -> None:
    async def story(base_url: str) -> None:
        async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            ask = client.chat.completions.create
            whole, stream = await asyncio.gather(
                ask(model="m", messages=HI, max_tokens=30), ask(model="m", messages=HI, max_tokens=30, stream=True)
            )
            assert whole.choices[0].message.content == "ok"
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "ok"

    with setting(tmp_path) as proxy:
        asyncio.run(story(proxy.server.base_url))


def test_tools_formats_and_efforts_reach_a_model_that_takes_them(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q": "x"}'}}
    card = {"tools": True, "json_schema": True, "reasoning_efforts": ("low",)}
    schema: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    with setting(tmp_path, card=card, reply=lambda body: {"content": None, "tool_calls": [call]}) as proxy:
        fields: Any = {
            "tools": [TOOL],
            "tool_choice": "required",
            "reasoning_effort": "low",
            "top_p": 0.5,
            "max_tokens": 90,
        }
        told = proxy.ask(**fields, response_format=schema).choices[0]
        assert (told.finish_reason, told.message.tool_calls[0].function.arguments) == ("tool_calls", '{"q": "x"}')
        with proxy.client().chat.completions.stream(model="m", messages=HI, **fields) as stream:
            streamed = stream.get_final_completion().choices[0]
        assert streamed.message.tool_calls is not None
        assert streamed.message.tool_calls[0].function.arguments == '{"q": "x"}'
        assert (streamed.finish_reason, streamed.message.tool_calls[0].id) == ("tool_calls", "c1")
        body = proxy.upstream.received[0].body
        assert (body["tools"], body["tool_choice"], body["response_format"]) == ([TOOL], "required", schema)
        assert (body["reasoning_effort"], body["top_p"]) == ("low", 0.5)
        turn: Any = [
            *HI,
            told.message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
        ]
        proxy.ask(messages=turn, tools=[TOOL])
        assert proxy.upstream.received[-1].body["messages"][1]["tool_calls"] == [call]


def test_reasoning_comes_in_a_field_of_its_own(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "<think>let me see</think>\n\nfour") as proxy:
        message = proxy.ask(max_tokens=90).choices[0].message
        assert (message.content, message.reasoning_content) == ("four", "let me see")
        deltas = [chunk.choices[0].delta for chunk in proxy.ask(max_tokens=90, stream=True)]
        assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == "let me see"
        assert "".join(delta.content or "" for delta in deltas) == "four"


def test_what_has_nothing_random_in_it_is_asked_once_and_is_then_free(tmp_path: Path) -> None:
    with setting(tmp_path) as proxy:
        raw = proxy.client().chat.completions.with_raw_response
        answers = [raw.create(model="m", messages=HI, max_tokens=30, seed=5) for _ in range(2)]
        assert [answer.headers["x-apportion-cached"] for answer in answers] == ["false", "true"]
        assert answers[0].headers["x-apportion-charged-tokens"] == answers[1].headers["x-apportion-charged-tokens"]
        assert proxy.upstream.received[0].body["seed"] == 5
        assert text_of(proxy.ask(seed=5, stream=True)) == "ok"
        assert proxy.upstream.requests == 1
        assert proxy.settled().paid.tokens == proxy.upstream.billed_tokens
        for _ in range(2):
            proxy.ask(temperature=0)
            proxy.ask()
        assert proxy.upstream.requests == 4


def test_a_call_that_does_not_fit_is_402_and_never_sent(tmp_path: Path) -> None:
    with setting(tmp_path, cap=60) as proxy:
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as refused:
                proxy.ask(max_tokens=60, stream=stream)
            assert refused.value.status_code == 402
            assert refused.value.code == "cap_reached"
            assert isinstance(refused.value.body, dict)
            assert refused.value.body.keys() == {"message", "type", "param", "code"}
            assert "60 are left" in str(refused.value)
        assert proxy.upstream.requests == 0
        assert [run.stop_reason for run in proxy.store.runs()] == ["budget", "budget"]


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({"model": "lagre"}, openai.NotFoundError, "model_not_found"),
        ({"n": 2}, openai.BadRequestError, "unsupported_parameter"),
        ({"tools": [TOOL]}, openai.BadRequestError, "unsupported_parameter"),
        ({"messages": []}, openai.BadRequestError, "invalid_value"),
        ({"extra_body": {"odd": 1}}, openai.BadRequestError, "unknown_parameter"),
    ],
)
def test_bad_requests_have_openais_shape(
    tmp_path: Path, fields: Any, kind: type[openai.APIStatusError], code: str
) -> None:
    with setting(tmp_path) as proxy:
        with pytest.raises(kind) as refused:
            proxy.ask(**fields)
        assert refused.value.code == code
        assert proxy.upstream.requests == 0
        if code == "model_not_found":
            assert "did you mean 'large'" in str(refused.value)


def raw(proxy: Setting, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(*proxy.address, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_hosts_paths_sizes_and_health(tmp_path: Path) -> None:
    with setting(tmp_path) as proxy:
        assert raw(proxy, "GET", "/health") == (200, {"status": "ok"})
        status, told = raw(proxy, "GET", "/v1/models", Host="evil.example")
        assert (status, told["error"]["code"]) == (403, "host_not_allowed")
        assert raw(proxy, "GET", "/v1/nothing")[0] == 404
        assert raw(proxy, "GET", "/v1/chat/completions")[0] == 405
        status, told = raw(proxy, "POST", "/v1/chat/completions", b"{")
        assert (status, told["error"]["code"]) == (400, "invalid_json")
        status, told = raw(proxy, "POST", "/v1/chat/completions", b" " * 10_000_001)
        assert (status, told["error"]["code"]) == (413, "request_too_large")
        assert proxy.upstream.requests == 0


def test_keys_have_models_and_caps_of_their_own(tmp_path: Path) -> None:
    keys = Keys([key("ann", models=("m",), cap=60), key("bob")])
    with setting(tmp_path, proxy={"keys": keys}) as proxy:
        for name in ("eve", ""):
            with pytest.raises(openai.AuthenticationError):
                proxy.client(name).models.list()
            with pytest.raises(openai.AuthenticationError):
                proxy.ask(name)
        assert [model.id for model in proxy.client("ann").models.list()] == ["m"]
        with pytest.raises(openai.NotFoundError):
            proxy.ask("ann", model="large")
        with pytest.raises(openai.APIStatusError, match="cap of key 'ann' is 60 tokens"):
            proxy.ask("ann", max_tokens=60)
        proxy.ask("bob", model="large", max_tokens=60)
        assert raw(proxy, "GET", "/health")[0] == 200
        spans = [span.node for run in proxy.store.runs() for span in proxy.store.spans(run.run_id)]
        assert spans == ["bob", "ann"]


def test_limits_of_a_minute_are_429(tmp_path: Path) -> None:
    keys = Keys([key("ann", requests_per_minute=1), key("bob", tokens_per_minute=60)])
    with setting(tmp_path, proxy={"keys": keys, "now": lambda: 1_700_000_000.0}) as proxy:
        proxy.ask("ann")
        for name, fields in (("ann", {}), ("bob", {"max_tokens": 60}), ("bob", {"max_tokens": 60, "stream": True})):
            with pytest.raises(openai.RateLimitError) as refused:
                proxy.ask(name, **fields)
            headers = refused.value.response.headers
            told = headers.get("retry-after"), headers.get("x-should-retry")
            assert told == (("40", None) if name == "ann" else (None, "false"))  # bob's call fits into no minute
        proxy.ask("bob", max_tokens=10)


def test_another_host_needs_keys(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give keys"), setting(tmp_path, proxy={"host": "0.0.0.0"}):
        pass
    keys = Keys([key("ann")])
    with setting(tmp_path, proxy={"host": "0.0.0.0", "keys": keys, "allow_hosts": ["box.example"]}) as proxy:
        _, port = proxy.address
        here = Setting(proxy.upstream, proxy.store, proxy.server)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/v1/models", headers={"Host": "box.example", "Authorization": "Bearer sk-ann"})
        assert connection.getresponse().status == 200
        connection.close()
        assert here.server is proxy.server


@pytest.mark.parametrize("stream", [False, True])
def test_64_at_once_under_one_cap(tmp_path: Path, stream: bool) -> None:
    cap = 2_000
    draws = itertools.cycle([Behaviour.OK] * 5 + [Behaviour.SERVER_ERROR, Behaviour.NO_USAGE, Behaviour.CLOSE])
    with setting(tmp_path, cap=cap, behaviours=draws, reply=lambda body: "y" * 20, latency=0.01) as proxy:

        async def one(client: AsyncOpenAI) -> str:
            try:
                told: Any = await client.chat.completions.create(model="m", messages=HI, max_tokens=30, stream=stream)
                if stream:
                    assert "".join([chunk.choices[0].delta.content or "" async for chunk in told]) == "y" * 20
                return "ok"
            except openai.APIStatusError as error:
                return str(error.status_code)

        async def story() -> list[str]:
            async with AsyncOpenAI(base_url=proxy.server.base_url, api_key="none", max_retries=0) as client:
                return await asyncio.gather(*(one(client) for _ in range(64)))

        outcomes = asyncio.run(story())
        assert {"ok", "402"} <= set(outcomes) <= {"ok", "402", "502"}
        balance = proxy.settled()
        spent = (balance.charged + balance.lost).tokens
        assert proxy.upstream.billed_tokens <= spent <= cap
        assert balance.reserved.tokens == 0


def test_a_client_that_leaves_in_a_stream(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 400, streaming=Streaming(pause=0.01)) as proxy:
        stream = proxy.ask(stream=True, max_tokens=500)
        for _ in range(5):
            next(stream)
        stream.close()
        for client in proxy.clients:
            client.close()
        balance = proxy.settled()
        assert (balance.charged.tokens, balance.reserved.tokens) == (0, 0)
        assert balance.lost.tokens >= proxy.upstream.billed_tokens
        (run,) = proxy.store.runs()
        assert (run.status, run.stop_reason) == (Status.CANCELLED, "cancelled")


def test_a_client_that_leaves_before_the_answer(tmp_path: Path) -> None:
    with setting(tmp_path, behaviours=[Behaviour.HANG]) as proxy:
        with pytest.raises(openai.APITimeoutError):
            proxy.client(timeout=0.3).chat.completions.create(model="m", messages=HI, max_tokens=30)
        balance = proxy.settled()
        assert balance.lost.tokens >= proxy.upstream.billed_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (Behaviour.SERVER_ERROR, 502, "upstream_failed"),
        (Behaviour.RATE_LIMIT, 503, "upstream_unavailable"),
        (Behaviour.QUOTA, 502, "upstream_failed"),
        (Behaviour.CLOSE, 502, "upstream_failed"),
    ],
)
def test_an_upstream_that_fails(tmp_path: Path, behaviour: Behaviour, status: int, code: str, stream: bool) -> None:
    with setting(tmp_path, behaviours=[behaviour], retry_after=7) as proxy:
        with pytest.raises(openai.InternalServerError) as refused:
            proxy.ask(stream=stream)
        assert (refused.value.status_code, refused.value.code) == (status, code)
        assert refused.value.response.headers.get("retry-after") == ("7" if status == 503 else None)
        assert refused.value.response.headers.get("x-should-retry") == (None if status == 503 else "false")
        assert SECRET not in str(refused.value)


def test_it_tries_again_with_a_reservation_each(tmp_path: Path) -> None:
    with setting(tmp_path, behaviours=[Behaviour.SERVER_ERROR, Behaviour.OK], card={"attempts": 2}) as proxy:
        told = proxy.ask().x_apportion
        assert told["attempts"] == 2
        assert told["charged"]["tokens"] + told["lost"]["tokens"] >= proxy.upstream.billed_tokens
        calls = proxy.store.calls(told["run_id"])
        assert len({call.reservation_id for call in calls}) == 2


def read_into(got: list[Any], stream: Any) -> None:
    for chunk in stream:
        got.append(chunk)


def test_an_upstream_that_breaks_off_in_a_stream(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 20, streaming=Streaming(cut_at=4)) as proxy:
        got: list[Any] = []
        with pytest.raises(openai.APIError, match="broke off"):
            read_into(got, proxy.ask(stream=True))
        assert text_of(got) == "y" * 12
        assert proxy.settled().lost.tokens >= proxy.upstream.billed_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_overspends_is_barred(tmp_path: Path, stream: bool) -> None:
    with setting(tmp_path, behaviours=[Behaviour.OVERRUN], reply=lambda body: "y" * 20) as proxy:
        with pytest.raises(openai.APIError, match="is not called any more"):
            list(proxy.ask(stream=stream))
        with pytest.raises(openai.InternalServerError) as refused:
            proxy.ask(stream=stream)
        assert refused.value.code == "model_barred"
        assert proxy.upstream.requests == 1
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens


def test_a_slow_reader_gets_all_of_it(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "word " * 200, card={"timeout_seconds": 1.0}) as proxy:
        said = ""
        for chunk in proxy.ask(stream=True, max_tokens=2_000):
            said += chunk.choices[0].delta.content or ""
            time.sleep(0.006)
        assert said == "word " * 200


def test_runs_and_calls_are_on_the_books_and_no_key_is(tmp_path: Path) -> None:
    keys = Keys([key("ann-0123456789abcdef")])
    log = tmp_path / "log.jsonl"
    with setting(tmp_path, proxy={"keys": keys, "outcomes": log}, reply=lambda body: f"the key is {SECRET}") as proxy:
        said: Any = [{"role": "user", "content": f"my keys are {SECRET} and sk-ann-0123456789abcdef"}]
        told = proxy.ask("ann-0123456789abcdef", messages=said, metadata={"question": "q1"}, max_tokens=200)
        run_id = told.x_apportion["run_id"]
        proxy.store.flush()
        run, (span,), (call,) = proxy.store.run(run_id), proxy.store.spans(run_id), proxy.store.calls(run_id)
        assert run is not None
        assert (run.status, run.stop_reason, run.charged) == (Status.OK, "complete", call.charged)
        assert (span.node, span.kind) == ("ann-0123456789abcdef", "proxy")
        assert json.loads(log.read_text())["question"] == "q1"
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert SECRET.encode() not in content, path
        assert b"sk-ann-0123456789abcdef" not in content, path


def test_where_no_text_is_kept_calls_are_counted_all_the_same(tmp_path: Path) -> None:
    said: Any = [{"role": "user", "content": "a question of mine alone"}]
    with setting(tmp_path, books={"capture": "none"}, reply=lambda body: "an answer of mine alone") as proxy:
        assert proxy.ask(messages=said, seed=1).choices[0].message.content == "an answer of mine alone"
        assert text_of(proxy.ask(messages=said, seed=2, stream=True)) == "an answer of mine alone"
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens
        assert len(proxy.store.runs()) == 2
    for path in tmp_path.iterdir():
        assert b"of mine alone" not in path.read_bytes(), path


def test_the_cap_begins_anew_with_the_period(tmp_path: Path) -> None:
    clock = [1_700_000_000.0]
    with setting(tmp_path, cap=50, proxy={"period": "hour", "now": lambda: clock[0]}) as proxy:
        proxy.ask(max_tokens=20)
        with pytest.raises(openai.APIStatusError, match="begins anew at"):
            proxy.ask(max_tokens=20)
        clock[0] += 3600
        proxy.ask(max_tokens=20)


def test_a_second_server_on_the_same_file_holds_the_same_cap(tmp_path: Path) -> None:
    with setting(tmp_path, cap=50) as first, setting(tmp_path, cap=50) as second:
        first.ask(max_tokens=20)
        with pytest.raises(openai.APIStatusError, match="Error code: 402"):
            second.ask(max_tokens=20)
    with setting(tmp_path, cap=50) as again, pytest.raises(openai.APIStatusError, match="Error code: 402"):
        again.ask(max_tokens=20)


def test_a_stop_lets_a_stream_end(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 80, streaming=Streaming(pause=0.02)) as proxy:
        stream = proxy.ask(stream=True, max_tokens=100)
        first = next(stream)
        proxy.server.stop()
        assert text_of([first, *stream]) == "y" * 80


def test_what_does_not_end_in_time_is_lost_at_its_bound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with setting(
        tmp_path, streaming=Streaming(stall_at=2), proxy={"grace_seconds": 1}, reply=lambda body: "y" * 80
    ) as proxy:
        stream = proxy.ask(stream=True, max_tokens=100)
        next(stream)
        stopping = threading.Thread(target=proxy.server.__exit__, args=(None, None, None))
        stopping.start()
        with pytest.raises(openai.APIError, match="being stopped"):
            read_into([], stream)
        stopping.join(20)
        assert not stopping.is_alive()
        balance = proxy.balance
        assert balance.in_flight == balance.reserved.tokens == 0
        assert balance.lost.tokens >= proxy.upstream.billed_tokens
        assert [run.status for run in proxy.store.runs()] == [Status.CANCELLED]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_an_answer_that_does_not_come_in_time_is_refused(tmp_path: Path) -> None:
    with setting(tmp_path, behaviours=[Behaviour.HANG], proxy={"grace_seconds": 1}) as proxy:
        told: list[BaseException] = []

        def ask() -> None:
            try:
                proxy.ask()
            except openai.APIStatusError as error:
                told.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        proxy.upstream.wait_for(1)
        proxy.server.__exit__(None, None, None)
        asking.join(20)
        assert "being stopped" in str(told)


def test_the_cap_of_requests_that_name_none(tmp_path: Path) -> None:
    with setting(tmp_path, proxy={"max_output_tokens": 7}) as proxy:
        proxy.client().chat.completions.create(model="m", messages=HI)
        assert proxy.upstream.received[0].body["max_tokens"] == 7


def test_responses_in_plain_text(tmp_path: Path) -> None:
    with setting(tmp_path, cap=4_000, reply=lambda body: "word " * 4) as proxy:
        client = proxy.client()
        whole: Any = client.responses.create(model="m", input="hi", instructions="be brief", max_output_tokens=30)
        assert whole.output_text == "word " * 4
        assert whole.usage.total_tokens == whole.x_apportion["charged"]["tokens"]
        with client.responses.stream(model="m", input="hi", max_output_tokens=30) as stream:
            said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            assert said == stream.get_final_response().output_text == "word " * 4
        with pytest.raises(openai.BadRequestError, match="previous_response_id"):
            client.responses.create(model="m", input="hi", previous_response_id="resp_1")
        with pytest.raises(openai.APIStatusError, match="Error code: 402"):
            client.responses.create(model="m", input="hi", max_output_tokens=500_000)
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens


def test_a_response_that_breaks_off(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 20, streaming=Streaming(cut_at=4)) as proxy:
        stream = proxy.client().responses.create(model="m", input="hi", max_output_tokens=30, stream=True)
        with pytest.raises(openai.APIError, match="broke off"):
            read_into([], stream)
