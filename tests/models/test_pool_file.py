from __future__ import annotations

import re
from pathlib import Path

import pytest

from apportion.errors import PoolError
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.token_ranks import ByteBoundsWarning

EXAMPLE = Path(__file__).parents[2] / "examples" / "endpoint.toml"
FIELDS = ("headers", "query", "organization", "project", "api_version", "deployment", "ca_file", "proxy")
URL = 'base_url = "http://localhost:8000/v1"\n'


def fault(tmp_path: Path, content: str) -> str:
    """The message for a pool file; its path is cut off."""
    path = tmp_path / "pool.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PoolError) as failure:
        Pool.from_toml(path)
    message = str(failure.value)
    assert all(line.startswith(str(path)) for line in message.splitlines())
    return message.replace(str(path), "FILE")


def test_the_example() -> None:
    pool = Pool.from_toml(EXAMPLE)
    assert pool.names == ("small", "thinker")
    assert pool.card("small").served_as == "Qwen/Qwen3-4B"
    assert pool.card("thinker").effort_names == ("low", "medium", "high")
    assert pool.card("small").effort_names == ("off", "on")
    assert pool.costs_money


def test_what_the_example_leaves_to_uncomment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINKER_API_KEY", "key")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "another")
    monkeypatch.setenv("GATEWAY_KEY", "a third")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    path = tmp_path / "pool.toml"
    path.write_text(re.sub(r"(?m)^# (?=\[|\w+ = )", "", EXAMPLE.read_text()))
    with pytest.warns(ByteBoundsWarning):
        pool = Pool.from_toml(path)
    assert pool.names == ("small", "thinker", "replicated", "azure", "pocket-100k")
    assert pool.card("thinker").exact_tokenizer
    assert pool.card("pocket-100k").dialect == "pocket"


def test_names_with_dots_and_shared_endpoints(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(f'[models."gpt-4.1-mini"]\n{URL}[models.b]\n{URL}transport = "httpx2"\n[models.c]\n{URL}')
    models = list(Pool.from_toml(path))
    assert [model.card.name for model in models] == ["gpt-4.1-mini", "b", "c"]
    first, second, third = models
    assert isinstance(first, OpenAIModel)
    assert isinstance(second, OpenAIModel)
    assert isinstance(third, OpenAIModel)
    assert first.endpoints == third.endpoints
    assert second.endpoints[0].transport == "httpx2"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "FILE: names no model; write a table per model"),
        ("models = 3", "FILE: names no model"),
        ("[models]\n", "FILE: names no model"),
        ("[models.a\n", "FILE: not valid TOML: "),
        (f"[model.a]\n{URL}", "FILE, 'model': unknown; a pool file has one table per model"),
        ("[models]\na = 1\n", "FILE, table [models.a]: must be a table of fields"),
        ("[models.a]\n", "FILE, table [models.a], field 'base_url': is missing"),
        ("[models.a]\nbase_url = 8000\n", "FILE, table [models.a], field 'base_url': must be a text"),
        ('[models.a]\nbase_url = "localhost:8000"\n', "FILE, table [models.a], field 'base_url': "),
        (f'[models.a]\n{URL}transport = "smoke"\n', "field 'transport': must be one of aiohttp, httpx, httpx2"),
        (f"[models.a]\n{URL}contex_tokens = 9\n", "field 'contex_tokens': unknown; did you mean 'context_tokens'?"),
        (f"[models.a]\n{URL}zzz = 9\n", "field 'zzz': unknown; take it out"),
        (f'[models.a]\n{URL}name = "b"\n', "field 'name': the table's own name is the model's name"),
        (f'[models.a]\n{URL}weight = "heavy"\n', "field 'weight': Input should be a valid number"),
        (f"[models.a]\n{URL}concurrency = 0\n", "field 'concurrency': Input should be greater than 0; it is 0"),
        (f'[models.a]\n{URL}output_cap = "n_predict"\n', "field 'output_cap': Input should be 'max_completion_tokens'"),
        (
            f'[models.a]\n{URL}api_key_env = "UNSET_KEY"\n',
            "field 'api_key_env': the environment variable UNSET_KEY is not",
        ),
        (
            '[models.nano]\nprovider = "pocket"\n',
            "FILE, table [models.nano]: unknown pocket model 'nano'; ",
        ),
        (
            '[models.pocket-100k]\nprovider = "pocket"\nweight = 2.0\n',
            "FILE, table [models.pocket-100k], field 'weight': an embedded model brings its own card",
        ),
    ],
)
def test_faults_name_file_table_field_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: str
) -> None:
    monkeypatch.delenv("UNSET_KEY", raising=False)
    message = fault(tmp_path, content)
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("base_urls = []", "field 'base_urls': must be a list of URLs"),
        ('base_urls = "http://localhost/v1"', "field 'base_urls': must be a list of URLs"),
        ("base_urls = [3]", "field 'base_urls': must be a list of URLs"),
        (f'{URL}base_urls = ["http://localhost/v1"]', "field 'base_urls': there is 'base_url' too"),
        ('base_urls = ["http://a/v1", "http://b/v1", "http://a/v1/"]', "field 'base_urls': place 3 is there before"),
        ('base_urls = ["http://a/v1", "b"]', "field 'base_urls': this is not a URL of the form"),
        (
            f"{URL}extra_body = {{ max_tokens = 3 }}",
            "field 'extra_body': 'max_tokens' cannot be set by extra_body: the output",
        ),
        (f"{URL}extra_body = {{ n = 3 }}", "field 'extra_body': 'n' cannot be set by extra_body: it multiplies"),
        (f"{URL}extra_body = {{ stream = true }}", "field 'extra_body': 'stream' cannot be set by extra_body"),
        (f"{URL}extra_body = {{ since = 2026-01-01 }}", "field 'extra_body': 'since' is sent as JSON"),
        (f"{URL}extra_body = 3", "field 'extra_body': Input should be a valid"),
        (f"{URL}headers = {{ X = 1.5 }}", "field 'headers': must be a text"),
        (f"{URL}query = {{ stream = 1 }}", "field 'query': 'stream' cannot be set here"),
        (f"{URL}cached_input_usd_per_million = 1.0", "cached_input_usd_per_million is above input_usd_per_million"),
        (f"{URL}tokens_per_minute = 0", "field 'tokens_per_minute': Input should be greater than 0"),
        (f'{URL}ca_file = "none.pem"', "field 'ca_file': "),
        (f'{URL}header = {{ X = "a" }}', "field 'header': unknown; did you mean 'headers'?"),
    ],
)
def test_faults_of_endpoints_name_their_field(tmp_path: Path, lines: str, expected: str) -> None:
    message = fault(tmp_path, f"[models.a]\n{lines}\n")
    assert message.startswith("FILE, table [models.a]")
    assert expected in message


def test_an_endpoint_is_described_by_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "canary-0123456789")
    path = tmp_path / "pool.toml"
    path.write_text(
        """
[models.a]
base_urls = ["http://one/v1", "http://two/v1"]
headers = { X-Team = "blue", X-Key = { env = "MY_KEY" } }
query = { v = 2 }
extra_body = { top_p = 0.9 }
tokens_per_minute = 1000

[models.b]
base_urls = ["http://two/v1", "http://one/v1"]
headers = { X-Team = "blue", X-Key = { env = "MY_KEY" } }
query = { v = 2 }

[models.c]
base_url = "http://one/v1"

[models.azure]
base_url = "https://mine.openai.azure.com"
deployment = "gpt-4.1-mini"
api_version = "2024-10-21"
"""
    )
    pool = Pool.from_toml(path)
    a, b, c, azure = pool
    assert isinstance(a, OpenAIModel)
    assert isinstance(b, OpenAIModel)
    assert isinstance(c, OpenAIModel)
    assert [each.base_url for each in a.endpoints] == ["http://one/v1", "http://two/v1"]
    assert set(a.endpoints) == set(b.endpoints)
    assert c.endpoints[0] not in a.endpoints
    assert pool.secrets == ("canary-0123456789",)
    assert pool.card("a").extra_body == {"top_p": 0.9}
    assert azure.card.served_as == "gpt-4.1-mini"


def test_the_page_of_endpoints_has_every_field() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "endpoints.md").read_text(encoding="utf-8")
    table = page.partition("## All fields")[2].partition("\n## ")[0]
    named = {
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")
    }
    of_the_endpoint = {"base_url", "base_urls", "api_key_env", "transport", *FIELDS}
    assert named == (set(ModelCard.model_fields) - {"name"}) | of_the_endpoint


def test_each_fault_has_a_line(tmp_path: Path) -> None:
    lines = fault(tmp_path, f"[models.a]\n{URL}weight = -1\nconcurrency = 0\n[models.b]\n").splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "FILE, table [models.a], field 'weight'",
        "FILE, table [models.a], field 'concurrency'",
        "FILE, table [models.b], field 'base_url'",
    ]


def test_a_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    message = fault(tmp_path, f'[models.a]\n{URL}api_key = "sk-canary"\n')
    assert "'api_key': a key does not belong in a file" in message
    assert "canary" not in message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"none\.toml: cannot be read: No such file"):
        Pool.from_toml(tmp_path / "none.toml")
    with pytest.raises(PoolError, match="cannot be read"):
        Pool.from_toml(tmp_path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    for content, said in (
        (b"\xff\xfe", "this is UTF-16; save the file as UTF-8"),
        (b"[models.a]\nserved_as = 'caf\xe9'", r"pool\.toml:2: byte 0xe9"),
        (b"[models.a]\nx = 1\0", "not valid TOML: .*at line 2"),
        (b"a = " + b"[" * 5000, "too many brackets"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
        (b'a = "\\ud83d"', "not valid TOML: .*at line 1"),
    ):
        path.write_bytes(content)
        with pytest.raises(PoolError, match=said):
            Pool.from_toml(path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "POOL.TOML"
    path.write_bytes(b"\xef\xbb\xbf" + f"[models.m]\r\n{URL}".encode())
    assert Pool.from_toml(path).names == ("m",)


_PASTED = {
    "openai": "sk-" + "proj-" + "CANARYabcdefghijklmnop0123456789",
    "google": "AIza" + "CANARY0123456789abcdefghijklmnopqrs",
    "hex": "c0ffee00c0ffee00c0ffee00c0ffee00",
    "upper case": "AKIA" + "CANARY0123456789",
    "letters and digits": "CANARYabcdefghijklmnop0123456789",
}


@pytest.mark.parametrize("key", _PASTED)
@pytest.mark.parametrize(
    "form",
    [
        '[models.a]\nbase_url = "KEY"',
        '[models.a]\nbase_url = "http://user:KEY@localhost/v1"',
        '[models.a]\nbase_url = "http://localhost/v1?key=KEY"',
        f'[models.a]\n{URL}api_key_env = "KEY"',
        f'[models.a]\n{URL}transport = "KEY"',
        f'[models.a]\n{URL}weight = "KEY"',
        f'[models.a]\n{URL}output_cap = "KEY"',
        f'[models.a]\n{URL}kind = "KEY"',
        f'[models.a]\n{URL}temperature = "KEY"',
        f'[models.a]\n{URL}reasoning_efforts = "KEY"',
        f'[models.a]\n{URL}reasoning_efforts = ["low", 3, "KEY"]',
        f'[models.a]\n{URL}efforts = "KEY"',
        f'[models.a]\n{URL}efforts.low = "KEY"',
        f'[models.a]\n{URL}efforts.low.max_output_tokens = "KEY"',
        f'[models.a]\n{URL}efforts.low.n = "KEY"',
        f'[models.a]\n{URL}served_as = ["KEY"]',
        f'[models.a]\n{URL}weight = 1e12\nabout = "KEY"',
        f'[models.a]\n{URL}key = "KEY"',
        f'[models.a]\n{URL}api_token = "KEY"',
        '[models.a]\nprovider = "pocket"\napi_key = "KEY"',
        f'[models.a]\n{URL}headers = {{ X = ["KEY"] }}',
        f'[models.a]\n{URL}headers = {{ X = {{ env = "KEY" }} }}',
        f'[models.a]\n{URL}headers = {{ X-Api-Key = "KEY" }}',
        f'[models.a]\n{URL}query = {{ key = "KEY" }}',
        f'[models.a]\n{URL}organization = {{ env = "KEY" }}',
        f'[models.a]\n{URL}proxy = "http://me:KEY@proxy:1"',
        f'[models.a]\n{URL}extra_body = {{ api_key = "KEY" }}',
        f'[models.a]\n{URL}extra_body = "KEY"',
        '[models.a]\nbase_urls = ["KEY"]',
        'api_key = "KEY"',
        '[models.a]\nserved_as = "KEY',
    ],
)
def test_a_key_in_the_wrong_field_is_not_repeated(tmp_path: Path, form: str, key: str) -> None:
    message = fault(tmp_path, form.replace("KEY", _PASTED[key]))
    assert "anary" not in message.lower()
    assert "c0ffee" not in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("weight = inf", "field 'weight': Input should be a finite number"),
        ("weight = 1e300", "field 'weight': .*at most 1e\\+15"),
        ("context_tokens = 999999999999999999999999", "field 'context_tokens': .*at most 1e\\+15"),
        ("timeout_seconds = nan", "field 'timeout_seconds': Input should be"),
        ("weight = 1e14", "one call could cost more than the books can hold"),
        ("attempts = -1", "field 'attempts': Input should be greater than 0"),
        ("temperature = 1979-05-27", "field 'temperature': .*it is a date"),
    ],
)
def test_hostile_numbers_are_named(tmp_path: Path, line: str, said: str) -> None:
    assert re.search(said, fault(tmp_path, f"[models.a]\n{URL}{line}\n"))


def test_efforts_are_tables_of_request_fields(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(
        f"""[models.a]\n{URL}reasoning_efforts = ["low"]
[models.a.efforts.off]
chat_template_kwargs = {{ enable_thinking = false }}
prompt = "/no_think"
max_output_tokens = 200
"""
    )
    card = Pool.from_toml(path).card("a")
    assert card.effort_names == ("off", "low")
    off = card.effort("off")
    assert off is not None
    assert (off.fields, off.prompt) == ('{"chat_template_kwargs":{"enable_thinking":false}}', "/no_think")
    assert off.max_output_tokens == 200


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            "max_tokens = 9",
            "field 'efforts.low': 'max_tokens' cannot be set by an effort: the output cap is the ledger's",
        ),
        ("extra_body = { n = 2 }", "field 'efforts.low': 'n' cannot be set by an effort: it multiplies"),
        ("since = 2026-01-01", "field 'efforts.low': 'since' is sent as JSON"),
        ("prompt = 3", "field 'efforts.low.prompt': Input should be a valid string; it is 3"),
        ("max_output_tokens = 0", "field 'efforts.low.max_output_tokens': Input should be greater than 0; it is 0"),
    ],
)
def test_an_effort_that_cannot_be_sent_names_its_field(tmp_path: Path, table: str, text: str) -> None:
    message = fault(tmp_path, f"[models.a]\n{URL}[models.a.efforts.low]\n{table}\n")
    assert message.startswith("FILE, table [models.a], ")
    assert text in message
