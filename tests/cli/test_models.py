from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run
from apportion.stores import open_store
from apportion.testing.fault_server import Behaviour, FaultServer


def pool(folder: Path, server: FaultServer, **fields: str) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"base_url": server.base_url, **fields}.items()]
    (folder / "pool.toml").write_text("\n".join(["[models.local]", *lines]))


def cards(folder: Path) -> Any:
    return json.loads((folder / "cards.json").read_text())


def test_the_cards_are_shown_and_nothing_is_called(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server:
        pool(folder, server)
        assert run(["models", "--models", "pool.toml", "--json", "cards.json"]) == 0
        assert server.requests == 0
    assert "local" in capsys.readouterr().out
    assert [(card["name"], "check" in card) for card in cards(folder)] == [("local", False)]


def test_without_a_file_they_are_the_embedded_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--check"]) == 0
    printed = capsys.readouterr().out
    assert "pocket-100k" in printed
    assert "checked 0 models behind endpoints for 0 tokens" in printed


def test_a_check_says_what_it_found_and_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--models", "pool.toml", "--check", "--json", "cards.json"]) == 0
    printed = capsys.readouterr().out
    assert "local: the output cap is kept" in printed
    assert "checked 1 model behind endpoints for" in printed
    (card,) = cards(folder)
    assert card["check"]["faults"] == []


def test_a_name_that_does_not_exist_exits_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(models=("local-7b", "other"), strict_names=True) as server:
        pool(folder, server, served_as="local")
        assert run(["models", "--models", "pool.toml", "--check", "--json", "cards.json"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("apportion: model 'local', field 'served_as':")
    assert "did you mean 'local-7b'?" in said
    assert cards(folder)[0]["check"]["faults"]


def test_a_breach_outlives_the_process_and_a_check_lifts_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "sums_app:graph", "2?", "--models", "pool.toml", "--db", "books.db"]
    with FaultServer([Behaviour.OVERRUN], reply=lambda body: "Answer: 42", models=("local",)) as server:
        pool(folder, server)
        assert run(asked) == 4
        assert server.requests == 1
        assert run(asked) == 4
        assert server.requests == 1
        assert "apportion models --check --db" in capsys.readouterr().err
        assert run(["models", "--models", "pool.toml", "--check", "--db", "books.db"]) == 0
        assert "local: it was barred after a breach; that is lifted" in capsys.readouterr().out
        assert run(asked) == 0
    with open_store(folder / "books.db", read_only=True) as store:
        assert len(store.runs()) == 3


def test_a_probe_prints_lines_for_the_pool_and_keeps_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["models", "--models", "pool.toml", "--probe", "--db", "books.db", "--json", "cards.json"]
    with FaultServer(models=("local",)) as server:
        pool(folder, server)
        assert run(asked) == 0
        first = server.requests
        printed = capsys.readouterr().out
        assert run(asked) == 0
        assert server.requests == first + 1  # the check's own
    assert '[models."local"]' in printed
    assert "template_tokens = 3" in printed
    assert printed[printed.index("[models.") :] == (again := capsys.readouterr().out)[again.index("[models.") :]
    assert "template_tokens = 3" in str(cards(folder)[0]["probe"]["lines"])


def test_replicas_answer_a_run_and_secrets_of_their_headers_stay_out_of_the_books(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "CANARY0123456789abcdef"
    monkeypatch.setenv("GATEWAY_KEY", f"Bearer {secret}")
    with (
        FaultServer([Behaviour.SERVER_ERROR] * 99, models=("local",)) as failing,
        FaultServer(reply=lambda body: f"{secret}. Answer: 42", models=("local",)) as good,
    ):
        urls = ["http://127.0.0.1:9/v1", failing.base_url, good.base_url]
        (folder / "pool.toml").write_text(
            f"[models.local]\nbase_urls = {json.dumps(urls)}\n"
            'headers = { Authorization = { env = "GATEWAY_KEY" }, X-Team = "blue" }\n'
        )
        assert run(["run", "sums_app:graph", "2?", "--models", "pool.toml", "--db", "books.db", "--cap", "5000"]) == 0
        said = capsys.readouterr()
        assert "42" in said.out
        assert "cannot be reached" in said.err
        assert "other endpoints of the same model answer in its place" in said.err
        assert good.received[0].headers["authorization"] == f"Bearer {secret}"
        assert run(["models", "--models", "pool.toml", "--check"]) == 2
    said = capsys.readouterr()
    assert f"at {good.base_url}: answers as local-2026-01-01" in said.out
    assert "field 'base_urls': http://127.0.0.1:9/v1 cannot be reached" in said.err
    assert secret not in said.out + said.err
    for file in folder.glob("books.db*"):
        assert secret.encode() not in file.read_bytes()
    with open_store(folder / "books.db", read_only=True) as store:
        (row,) = store.runs()
        calls = store.calls(row.run_id)
    assert len({call.reservation_id for call in calls}) == len(calls)
    assert calls[-1].outcome.value == "ok"
