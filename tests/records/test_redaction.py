from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.records.redaction import Redaction, redacted

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
    "cerebras": "csk" + "-" + _BODY,
    "fireworks": "fw" + "_" + _BODY[:24],
    "together": "tgp" + "_v1_" + _BODY,
    "tavily": "tvly" + "-dev-" + _BODY[:32],
    "langsmith": "lsv2" + "_pt_" + _BODY[:32] + "_" + _BODY[:10],
    "json web token": "eyJ" + _BODY + "." + "eyJ" + _BODY + "." + _BODY,
}
_CARRIED = {
    "bearer": ("Authorization: Bearer {}", _BODY),
    "basic": ('{{"Authorization": "Basic {}"}}', _BODY),
    "api key": ("api_key = '{}'", _BODY),
    "api key in JSON": ('{{"api-key": "{}", "n": 1}}', _BODY),
    "api key in code": ('os.environ["OPENAI_API_KEY"] = "{}"', _BODY),
    "header": ("x-goog-api-key: {}", _BODY),
    "header without a scheme": ("authorization: {}", _BODY),
    "subscription": ("Ocp-Apim-Subscription-Key: {}", _BODY),
    "query": ("GET https://example.org/v1/models?alt=sse&key={}&page=2", _BODY),
    "token in a query": ("https://example.org/?access_token={}", _BODY),
    "secret of aws": ("aws_secret_access_key = {}", _BODY),
    "address": ("https://user:{}@example.org/v1", _BODY),
    "private key": ("-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----", _BODY),
}


@pytest.mark.parametrize("name", _KEYS)
def test_keys_are_blotted_out(name: str) -> None:
    key = _KEYS[name]
    before = (
        "",
        "use ",
        "one\n",
        "\r",
        "\t",
        r"\n",
        r"\u000a",
        "'",
        "`",
        "<b>",
        "key=",
        "%3D",
        "\x1b[31m",
        '"a": "',
        "北京",
    )
    forms = [
        f"{each}{{}}{after}" for each in before for after in ("", ".", "\ntwo", "'", '"', "</b>", "\x1b[0m", "北京")
    ]
    for form in forms:
        blotted = redacted(form.format(key))
        assert _BODY[:16] not in blotted, form
        assert "[redacted]" in blotted


@pytest.mark.parametrize("name", _KEYS)
def test_in_json_a_key_is_found_wherever_its_text_begins(name: str) -> None:
    key = _KEYS[name]
    value = {
        "content": f"see\n{key}",
        "list": [f"{key}\n", 1, None, 0.1],
        key: "a name",
        "again": json.dumps([f"\n{key}"]),
    }
    kept = json.loads(Redaction().json(json.dumps(value, ensure_ascii=False)))
    assert _BODY[:16] not in json.dumps(kept)
    assert kept["content"] == "see\n[redacted]"
    assert kept["list"] == ["[redacted]\n", 1, None, 0.1]


@pytest.mark.parametrize("name", _CARRIED)
def test_what_stands_after_a_telling_word_is_blotted_out(name: str) -> None:
    text, secret = _CARRIED[name]
    assert secret not in redacted(text.format(secret))
    again = Redaction().json(json.dumps([f"\n{text.format(secret)}\n"]))
    assert secret not in again
    json.loads(again)


def test_in_json_a_field_may_tell() -> None:
    value = {"apiKey": _BODY, "Authorization": _BODY, "client_secret": [_BODY], "n": 3}
    kept = json.loads(Redaction().json(json.dumps(value)))
    assert kept == {"apiKey": "[redacted]", "Authorization": "[redacted]", "client_secret": [_BODY], "n": 3}
    plain = json.dumps({"output_tokens": 3, "token": "a word", "key": "0123", "secret": "it was the butler in 1912"})
    assert Redaction().json(plain) is plain


def test_a_known_secret_is_blotted_out_whatever_it_looks_like() -> None:
    secret = 'a"b\\c/d+e=f7{g}'
    known = Redaction().concealing([secret, "ollama", "not-needed", "a1b2c3"]).concealing(["canary-7"])
    assert (
        known.text(f"x{secret}y, canary-7, ollama, not-needed, a1b2c3")
        == "x[redacted]y, [redacted], ollama, not-needed, a1b2c3"
    )
    assert known.text(f"https://h/?k={quote(secret, safe='')}&n=1") == "https://h/?k=[redacted]&n=1"
    text = json.dumps({"a": f"\n{secret}\n", "b": json.dumps(f"\n{secret}")})
    assert json.loads(known.json(text))["a"] == "\n[redacted]\n"
    assert Redaction().text(secret) == secret
    # The longer one first, so that nothing of it is left over.
    assert Redaction().concealing(["abcdefgh1", "abcdefgh1jklmnop"]).text("abcdefgh1jklmnop") == "[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The task-based risk-assessment took 12 steps; see https://example.org/a-long-path/with_words_and-dashes/2026.",
        "mask-aware-segmentation-of-images, disk-space-usage-report-2026",
        "sk-learn-like-pipeline and pip install sk-learn-contrib-extras",
        "the bearer certificate of a two-year bearer instrument; bearer 10-year",
        "a basic 2d-geometry; prior authorization: see section-12345",
        "client = OpenAI(api_key=settings.OPENAI_API_KEY)",
        "sorted(words, key=operator.itemgetter(1)), f(x, key=lambda pair: pair[1])",
        f'{{"request_key": "{hashlib.sha256(b"x").hexdigest()}", "plan": "{hashlib.sha256(b"y").hexdigest()}"}}',
        "def api_key(self) -> str: ...",
        "0123456789abcdef" * 20,
        "北京是中国的首都。 \x1b[2J \0",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redacted(text) is text
    value = json.dumps({"text": text, "usage": {"input_tokens": 3, "output_tokens": 4}}, ensure_ascii=False)
    assert Redaction().json(value) is value


@given(st.text())
def test_any_text_without_a_key_is_kept_byte_for_byte(text: str) -> None:
    assert redacted(text) == text
    value = json.dumps([text], ensure_ascii=False)
    assert Redaction().json(value) == value


def test_half_a_surrogate_pair_is_marked() -> None:
    assert redacted("a\ud800b \ud83d\ude00") == "a\ufffdb \U0001f600"
    assert json.loads(Redaction().json('["a\\ud800b"]')) == ["a\ufffdb"]
    assert Redaction().json("not JSON \ud800") == "not JSON \ufffd"
