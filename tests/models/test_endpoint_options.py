from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import PoolError
from apportion.models.endpoint import Endpoint
from apportion.models.endpoint_options import EndpointOptions, variable
from apportion.records.redaction import Redaction
from apportion.testing.hostile import hostile

SECRET = "CANARY0123456789abcdef"


def read(table: dict[str, Any], folder: Path = Path()) -> EndpointOptions:
    return EndpointOptions.read(table, folder)


def test_values_are_texts_or_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f"Bearer {SECRET}\n")
    options = read(
        {"headers": {"X-Team": "a b", "X-Key": {"env": "MY_KEY"}}, "query": {"v": 2, "key": {"env": "MY_KEY"}}}
    )
    assert options.headers == (("X-Team", "a b"), ("X-Key", f"Bearer {SECRET}"))
    assert options.query == (("v", "2"), ("key", f"Bearer {SECRET}"))
    assert {f"Bearer {SECRET}", SECRET} <= set(options.secrets)
    assert SECRET not in repr(options)
    assert SECRET in Endpoint("http://localhost/v1", options=options).secrets


def test_a_password_of_a_proxy_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PROXY", f"http://me:{SECRET}@proxy:3128")
    assert SECRET in read({"proxy": {"env": "MY_PROXY"}}).guarded


@pytest.mark.parametrize(
    "options",
    [
        EndpointOptions(proxy=f"http://me:{SECRET}@proxy:3128"),
        EndpointOptions(proxy=f"http://me:{SECRET}%2Fa@proxy:3128"),
        EndpointOptions(headers=(("X-Api-Key", SECRET),)),
        EndpointOptions(headers=(("Authorization", f"Bearer {SECRET}"),)),
        EndpointOptions(headers=(("Cookie", SECRET),)),
        EndpointOptions(query=(("api_token", SECRET),)),
    ],
)
def test_what_is_a_secret_by_its_place_is_one_without_a_word(options: EndpointOptions) -> None:
    secrets = Endpoint("http://localhost/v1", options=options).secrets
    sent = (options.proxy, *(value for _, value in (*options.headers, *options.query)))
    assert SECRET not in Redaction().concealing(secrets).text(f"refused: {sent}")


def test_what_is_no_secret_by_its_place_stays_readable() -> None:
    assert EndpointOptions(headers=(("X-Team", "a b"),), query=(("v", "2"),), proxy="http://proxy:3128").guarded == ()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"headers": 3}, "field 'headers': must be a table"),
        ({"headers": {"X": 1.5}}, "field 'headers': must be a text, or"),
        ({"headers": {"X": True}}, "field 'headers': must be a text, or"),
        ({"headers": {"X": {"env": 3}}}, 'is written { env = "NAME" }'),
        ({"headers": {"X": {"env": "A", "b": 1}}}, 'is written { env = "NAME" }'),
        (
            {"headers": {"X": {"env": "UNSET_KEY"}}},
            "the environment variable UNSET_KEY is not set; set it, or take 'X' out",
        ),
        ({"project": {"env": "UNSET_KEY"}}, "field 'project': the environment variable UNSET_KEY is not set"),
        ({"headers": {"a b": "x"}}, "is no name of a header"),
        ({"headers": {"": "x"}}, "is no name of a header"),
        ({"headers": {"X": "a\r\nY: b"}}, "the value of 'X' is empty or holds a character"),
        ({"headers": {"X": "é"}}, "holds a character that no header can hold"),
        ({"headers": {"X": ""}}, "the value of 'X' is empty"),
        ({"headers": {"X": "a", "x": "b"}}, "'x' is there twice"),
        ({"headers": {"Content-Length": "3"}}, "'Content-Length' is set by the client itself"),
        ({"headers": {"Host": "a"}}, "'Host' is set by the client itself"),
        ({"headers": {"Idempotency-Key": {"env": "SET"}}}, "would make all calls one call"),
        ({"headers": {"X-Api-Key": "abc"}}, "a key does not belong in a file"),
        ({"headers": {"Cookie": "abc"}}, "a key does not belong in a file"),
        ({"headers": {"X": "sk-" + "CANARYabcdefghijklmnop0123"}}, "a key does not belong in a file"),
        ({"query": {"n": 2}}, "field 'query': 'n' cannot be set here: it multiplies"),
        ({"query": {"max_tokens": "2"}}, "field 'query': 'max_tokens' cannot be set here: the output cap"),
        ({"query": {"stream": "true"}}, "field 'query': 'stream' cannot be set here"),
        ({"query": {"api_key": "abc"}}, "a key does not belong in a file"),
        ({"query": [1]}, "field 'query': must be a table"),
        ({"organization": "o", "headers": {"OpenAI-Organization": "p"}}, "is what 'organization' sends"),
        ({"project": "a\nb"}, "field 'project': it holds a character that no header or URL can hold"),
        ({"deployment": "d"}, "field 'deployment': Azure needs both; give 'api_version' too"),
        ({"api_version": "2024-10-21"}, "field 'api_version': Azure needs both; give 'deployment' too"),
        (
            {"api_version": "1", "deployment": "d", "query": {"api-version": "2"}},
            "field 'query': 'api-version' is what 'api_version' sends",
        ),
        ({"proxy": "proxy:3128"}, "field 'proxy': this is not a URL of the form http://host:port"),
        ({"proxy": "socks5://proxy:3128"}, "field 'proxy': this is not a URL of the form http://host:port"),
        ({"proxy": "http://me:CANARY@proxy"}, "field 'proxy': a password does not belong in a file"),
        ({"ca_file": 3.5}, "field 'ca_file': must be a text"),
        ({"deployment": {"env": "SET"}}, "field 'deployment': must be a text"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_field(
    monkeypatch: pytest.MonkeyPatch, table: dict[str, Any], said: str
) -> None:
    monkeypatch.delenv("UNSET_KEY", raising=False)
    monkeypatch.setenv("SET", SECRET)
    with pytest.raises(PoolError) as caught:
        read(table)
    assert said in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_no_header_takes_the_place_of_the_key() -> None:
    for name in ("Authorization", "api-key"):
        options = EndpointOptions(headers=((name, "x"),))
        Endpoint("http://localhost/v1", options=options)
        with pytest.raises(PoolError, match=r"field 'headers': .* would take the place of the key"):
            Endpoint("http://localhost/v1", api_key=SECRET, options=options)


def test_certificate_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for name, said in (("none.pem", "No such file"), ("no.pem", "no certificate in PEM form"), ("", None)):
        options = read({"ca_file": name}, tmp_path)
        if said is None:
            assert options.tls() is None
            continue
        with pytest.raises(PoolError, match=f"field 'ca_file': .*{said}"):
            Endpoint("https://localhost/v1", options=options)


def test_a_name_that_may_be_a_key_is_not_told() -> None:
    assert variable("MY_KEY") == "the environment variable MY_KEY"
    assert SECRET not in variable(SECRET)


WHOLE: dict[str, Any] = {
    "headers": {"X-Team": "blue", "X-Key": {"env": "SET"}},
    "query": {"v": 2, "key": {"env": "SET"}},
    "organization": "org",
    "project": {"env": "SET"},
    "api_version": "2024-10-21",
    "deployment": "d",
    "ca_file": "none.pem",
    "proxy": "http://proxy:3128",
}


def test_hostile_tables_are_read_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", SECRET)
    generator, taken = random.Random(3), 0
    for _ in range(500):
        table = hostile(WHOLE, generator)
        try:
            options = read(table) if isinstance(table, dict) else EndpointOptions()
        except PoolError:
            continue
        taken += 1
        assert all(isinstance(text, str) for pair in (*options.headers, *options.query) for text in pair)
        assert hash(options) == hash(options)
    assert 0 < taken < 500
