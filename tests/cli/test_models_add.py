from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run
from apportion.models.pool import Pool
from apportion.testing.fault_server import Behaviour, FaultServer

VLLM = {"id": "Qwen/Qwen3-4B", "owned_by": "vllm", "max_model_len": 32768}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def count(body: Mapping[str, Any]) -> str:
    return "one two three four five six seven eight nine ten " * 10


def test_a_model_is_added_and_can_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(models=[VLLM], reply=count) as server:
        assert run(["models", "add", server.base_url]) == 0
        printed = capsys.readouterr().out
        assert server.requests == 0
        assert run(["models", "--models", "pool.toml", "--check"]) == 0
    (card,) = Pool.from_toml("pool.toml").cards
    assert (card.name, card.served_as, card.context_tokens) == ("Qwen3-4B", "Qwen/Qwen3-4B", 32768)
    assert printed.startswith("[models.Qwen3-4B]\n")
    assert "# to check: max_output_tokens:" in printed


def test_a_second_is_added_beside_the_first_under_a_name_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "canary-0123456789")
    with FaultServer(models=[VLLM, "other"], api_key="canary-0123456789") as server:
        for name in ("other", "Qwen/Qwen3-4B"):
            added = ["models", "add", server.base_url, "--key-env", "MY_KEY", "--into", "my.toml"]
            assert run([*added, "--name", name, "--as", f"my {name}"]) == 0
    assert Pool.from_toml("my.toml").names == ("my other", "my Qwen/Qwen3-4B")
    assert "canary" not in Path("my.toml").read_text()


def test_a_table_is_replaced_only_by_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pool.toml").write_text("# mine\n[models.Qwen3-4B]\nbase_url = 'http://localhost/v1'\n")
    with FaultServer(models=[VLLM]) as server:
        assert run(["models", "add", server.base_url]) == 2
        assert "--force replaces it" in capsys.readouterr().err
        assert run(["models", "add", server.base_url, "--force"]) == 0
    assert Path("pool.toml").read_text().startswith('# mine\n\n[models.Qwen3-4B]\nbase_url = "http://127.0.0.1')


def test_a_check_says_what_is_missing_and_asks_once(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(models=[VLLM], reply=count) as server:
        assert run(["models", "add", server.base_url, "--check"]) == 0
        assert server.requests == 1
        tokens = server.billed_tokens
    printed = capsys.readouterr().out
    assert f"Qwen3-4B: checked for {tokens} tokens\n" in printed
    assert "to check: output_cap:" in printed
    assert "to check: input_usd_per_million and output_usd_per_million: 0 is assumed" in printed
    assert "Qwen3-4B: the output cap is kept (16 of 16 tokens), and usage is complete" in printed


def test_a_check_that_finds_a_fault_exits_with_2_and_the_table_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer([Behaviour.OVERRUN], models=[VLLM]) as server:
        assert run(["models", "add", server.base_url, "--check"]) == 2
    assert "model 'Qwen3-4B', field 'output_cap':" in capsys.readouterr().err
    assert Pool.from_toml("pool.toml").names == ("Qwen3-4B",)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["not a url"], "field 'base_url': this is not a URL"),
        (["http://127.0.0.1:9/v1"], "field 'base_url': http://127.0.0.1:9/v1 cannot be reached"),
        (["URL", "--key-env", "UNSET_KEY"], "field 'api_key_env': the environment variable UNSET_KEY is not set"),
        (["URL"], "lists 2 models; name one with --name"),
        (["URL", "--name", "Qwen"], "lists no model 'Qwen'; did you mean"),
        (["URL", "--name", "other", "--into", "mine.toml"], "mine.toml: not valid TOML"),
        (["URL", "--name", "other", "--into", "none/pool.toml"], "pool.toml: cannot be written"),
    ],
)
def test_bad_input_is_said_and_exits_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNSET_KEY", raising=False)
    Path("mine.toml").write_text("[models.a\n")
    with FaultServer(models=[VLLM, "other"]) as server:
        asked = [server.base_url if each == "URL" else each for each in arguments]
        assert run(["models", "add", *asked]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert not Path("pool.toml").exists()
    assert Path("mine.toml").read_text() == "[models.a\n"


def test_what_a_server_calls_its_model_cannot_write_another_table() -> None:
    name = 'x"]\nbase_url = "http://evil"\n[models."y'
    with FaultServer(models=[{"id": name, "max_model_len": 9}]) as server:
        assert run(["models", "add", server.base_url, "--as", "m"]) == 0
        (card,) = Pool.from_toml("pool.toml").cards
    assert card.served_as == name
    assert json.dumps(name)[1:-1] in Path("pool.toml").read_text()
