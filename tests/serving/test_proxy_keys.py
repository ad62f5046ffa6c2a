"""Who may ask a proxy, and how often."""

from __future__ import annotations

import http.client
from pathlib import Path

import openai
import pytest

from apportion.errors import UsageError
from apportion.serving.keys import Keys

from .proxied import Setting, key, raw, setting


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
