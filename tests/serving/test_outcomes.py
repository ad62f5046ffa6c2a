from __future__ import annotations

import json
from pathlib import Path

import pytest

from apportion.errors import UsageError
from apportion.models.request import ChatMessage, Reply, Request
from apportion.optimizers.tables.log_file import load_outcomes
from apportion.records.usage import Amount, Usage
from apportion.serving.outcomes import OutcomesLog, last_question


def asked(model: str, question: str) -> Request:
    return Request(model, (ChatMessage("system", "be brief"), ChatMessage("user", question)), 20)


def test_with_scores_filled_in_it_can_be_fitted(tmp_path: Path) -> None:
    log = OutcomesLog(tmp_path / "log.jsonl", "tokens")
    for number in range(4):
        for model in ("small", "large"):
            reply = Reply(f"{number}", "stop", Usage(5, 2, 1))
            log.add(f"{number}-{model}", asked(model, f"what is {number}?"), reply, Amount(tokens=7))
    log.close()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(row["score"] is None for row in rows)
    scores = {"small": 0.0, "large": 1.0}
    path = tmp_path / "scored.jsonl"
    path.write_text("\n".join(json.dumps(row | {"score": scores[row["run_id"].split("-")[1]]}) for row in rows))
    found = load_outcomes(path)
    table = found.table
    assert (len(table.questions), [arm.name for arm in table.arms]) == (4, ["small", "large"])
    assert table.questions[0].text == "what is 0?"
    assert table.mean_scores.tolist() == [[0.0, 1.0]] * 4
    assert table.mean_costs.tolist() == [[7.0, 7.0]] * 4
    assert {name for name, _ in found.unread} == {"run_id"}


def test_the_client_may_name_question_and_family_and_secrets_are_blotted_out(tmp_path: Path) -> None:
    log = OutcomesLog(tmp_path / "log.jsonl", "usd", ["tiger-4711-tiger"])
    request = asked("m", "the key is tiger-4711-tiger")
    log.add("r", request, Reply("ok", "stop", None), Amount(usd=5), {"question": "q1", "family": "f", "odd": 3})
    log.close()
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert (row["question"], row["family"], row["cost"], row["text"]) == ("q1", "f", 5e-9, "the key is [redacted]")


def test_two_processes_append_to_one_file(tmp_path: Path) -> None:
    logs = [OutcomesLog(tmp_path / "log.jsonl", "tokens") for _ in range(2)]
    for log in logs * 3:
        log.add("r", asked("m", "q"), Reply("ok", "stop", None), Amount())
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 6


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        OutcomesLog(tmp_path / "no" / "log.jsonl", "tokens")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is needed")
def test_a_disk_that_is_full_costs_no_reply(caplog: pytest.LogCaptureFixture) -> None:
    log = OutcomesLog(Path("/dev/full"), "tokens")
    log.add("r7", asked("m", "q"), Reply("ok", "stop", None), Amount())
    log.close()
    assert "run r7 is not in it" in caplog.text


def test_the_last_question() -> None:
    said = [ChatMessage("user", "a"), ChatMessage("assistant", "b"), ChatMessage("user", "c"), ChatMessage("tool", "d")]
    assert (last_question(said), last_question([])) == ("c", "")
