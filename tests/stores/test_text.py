from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apportion.records import (
    Amount,
    CallRow,
    PlanRow,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
)
from apportion.stores import Store, open_store
from apportion.stores.text import TEXT_BYTES, bounded, redacted

_BODY = "Zq8Lw2Xv9Kt4Rm7Pn3Hs6Jd5Gf1Bc0Yy8Uu7Ii6Oo5"
# Put together here, so that scanners of this repository find no key in it.
_KEYS = {
    "openai": "sk-" + _BODY,
    "openai project": "sk-" + "proj-" + _BODY + "_" + _BODY,
    "anthropic": "sk-" + "ant-api03-" + _BODY,
    "openrouter": "sk-" + "or-v1-" + _BODY.lower(),
    "stripe": "sk_" + "live_" + _BODY,
    "aws": "AKIA" + "QWERTYUIOP123456",
    "google": "AIza" + _BODY[:35],
    "google access": "ya29." + _BODY,
    "github": "ghp" + "_" + _BODY[:36],
    "github fine-grained": "github_" + "pat_" + _BODY,
    "gitlab": "glpat" + "-" + _BODY[:20],
    "slack": "xox" + "b-123456789012-" + _BODY[:24],
    "hugging face": "hf" + "_" + _BODY[:34],
    "groq": "gsk" + "_" + _BODY,
    "replicate": "r8" + "_" + _BODY[:37],
    "perplexity": "pplx" + "-" + _BODY,
    "xai": "xai" + "-" + _BODY,
    "nvidia": "nvapi" + "-" + _BODY,
    "sendgrid": "SG." + _BODY[:22] + "." + _BODY,
    "npm": "npm" + "_" + _BODY[:36],
    "json web token": "eyJ" + _BODY + "." + "eyJ" + _BODY + "." + _BODY,
}
_CARRIED = {
    "bearer": ("Authorization: Bearer {}", _BODY),
    "basic": ('{{"Authorization": "Basic {}"}}', _BODY),
    "api key": ("api_key = '{}'", _BODY),
    "api key in JSON": ('{{"api-key": "{}", "n": 1}}', _BODY),
    "address": ("https://user:{}@example.org/v1", _BODY),
    "private key": ("-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----", _BODY),
}


@pytest.mark.parametrize("name", _KEYS)
def test_keys_are_blotted_out(name: str) -> None:
    key = _KEYS[name]
    for text in (key, f"use {key}.", json.dumps({"content": f"my key is {key}", "n": [1]})):
        blotted = redacted(text)
        assert key not in blotted
        assert _BODY[:16] not in blotted
        assert "[redacted]" in blotted
    assert json.loads(redacted(json.dumps({"content": f"my key is {key}", "n": [1]})))["n"] == [1]


@pytest.mark.parametrize("name", _CARRIED)
def test_what_stands_after_a_telling_word_is_blotted_out(name: str) -> None:
    text, secret = _CARRIED[name]
    blotted = redacted(text.format(secret))
    assert secret not in blotted
    assert redacted(json.dumps([text.format(secret)])).startswith('["')
    json.loads(redacted(json.dumps([text.format(secret)])))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The task-based risk-assessment took 12 steps; see https://example.org/a-long-path/with_words_and-dashes/2026.",
        "mask-aware-segmentation-of-images, disk-space-usage-report-2026",
        f'{{"request_key": "{hashlib.sha256(b"x").hexdigest()}", "plan": "{hashlib.sha256(b"y").hexdigest()}"}}',
        "def api_key(self) -> str: ...",
        "0123456789abcdef" * 20,
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redacted(text) is text


def test_what_utf8_cannot_hold_is_replaced() -> None:
    assert redacted("a\ud800b") == "a?b"


def test_long_text_is_cut_and_says_so() -> None:
    text = "é" * TEXT_BYTES
    cut = bounded(text)
    assert len(cut.encode()) <= TEXT_BYTES
    assert cut.startswith("é" * 100)
    assert cut.endswith(f"\n[cut: {2 * TEXT_BYTES} bytes, sha256 {hashlib.sha256(text.encode()).hexdigest()}]")
    assert bounded("x" * TEXT_BYTES) == "x" * TEXT_BYTES


def test_no_key_reaches_the_disk(store: Store, path: Path, row: Callable[..., Any]) -> None:
    secrets = [*_KEYS.values(), _BODY]
    text = json.dumps([*_KEYS.values(), *(form.format(secret) for form, secret in _CARRIED.values())])
    asyncio.run(store.reserve(Reservation("r", "task", Amount(1), store.owner)))
    call = row(CallRow, reservation_id="r", request_messages=text, output_text=text + "!", error=text)
    store.settle(Settlement("r"), call, StoredReply("key", json.dumps({"text": text}), Amount(1)))
    store.record(row(SpanRow, part=text, answer=text, reason=text, events=text + " "))
    store.record(row(RunRow, answer=text, stop_reason=text))
    store.record(row(TaskRow, content=text))
    store.record(row(PlanRow, content=text, drawing=text))
    store.record(row(StudyRow, arguments=text))
    store.flush()
    # Blobs are compressed, so what they hold is read as well.
    (told,) = store.calls("run")
    (span,) = store.spans("run")
    reply = store._reader.reply("key")
    assert reply is not None
    kept = [told.request_messages, told.output_text, span.events, reply.payload]
    files = [file.read_bytes() for file in path.parent.iterdir()]
    assert sum(map(len, files)) > 10_000
    for secret in secrets:
        assert not any(secret.encode() in data for data in files)
        assert not any(secret in text for text in kept)


def test_a_long_call_is_kept_cut(path: Path, row: Callable[..., Any]) -> None:
    with open_store(path) as store:
        store.record(row(CallRow, output_text="x" * (2 * TEXT_BYTES)))
        assert len(store.calls("run")[0].output_text) == TEXT_BYTES
