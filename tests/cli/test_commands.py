"""The commands one after another, as a user would type them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apportion import Agent, Graph, Pool, open_store
from apportion.cli.app import run
from apportion.errors import UsageError
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.models.tools import ToolCall
from apportion.testing.fault_server import CAP_FIELDS, FaultServer
from apportion.testing.scripted import ScriptedModel

OPTIMIZE = ["optimize", "sums_app:graph", "--tasks", "dev.jsonl", "--models", "pool.toml", "--cap", "1e6"]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_optimize_run_runs_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*OPTIMIZE, "--spend", "1e6", "--json", "report.json"]) == 0
    printed = capsys.readouterr().out
    report = read(folder / "report.json")
    chosen = report["chosen"]
    assert report["frontier"][0]["test"]["score"] == 1.0
    assert f"apportion run sums_app:graph --plan {chosen[:8]} --db apportion.db --models pool.toml" in printed
    assert "apportion runs --db apportion.db" in printed

    asked = ["run", "sums_app:graph", "What is 1 + 41?", "--plan", chosen[:8], "--models", "pool.toml", "--cap", "900"]
    assert run([*asked, "--json", "run.json"]) == 0
    assert capsys.readouterr().out.startswith("42\n")
    answered = read(folder / "run.json")
    assert (answered["answer"], answered["status"], answered["stop_reason"]) == ("42", "ok", "complete")

    assert run(["runs", "--json", "runs.json", "--limit", "3"]) == 0
    newest = read(folder / "runs.json")
    assert len(newest) == 3
    assert newest[0]["run_id"] == answered["run_id"]

    assert run(["show", answered["run_id"][:8], "--json", "shown.json"]) == 0
    assert "What is 1 + 41?" in capsys.readouterr().out
    shown = read(folder / "shown.json")
    assert shown["run"]["plan_hash"] == chosen
    assert sum(call["charged"]["tokens"] for call in shown["calls"]) == answered["charged"]["tokens"]
    assert shown["calls"][0]["output_text"] == "Answer: 42"


def test_what_one_would_type_next_keeps_the_ceiling_of_a_task(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*OPTIMIZE, "--spend", "1e6", "--per-task", "900", "--policy-out", "policy.json"]) == 0
    told = [line for line in capsys.readouterr().out.partition("next:")[2].splitlines() if " run " in line]
    assert len(told) == 2
    for line in told:
        assert "--cap 900 --unit tokens" in line
        assert run(shlex.split(line)[1:]) == 0


def test_a_plan_file_is_as_good_as_a_hash(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*OPTIMIZE, "--spend", "1e6", "--json", "report.json"]) == 0
    plan = folder / "plan.json"
    plan.write_text(json.dumps(read(folder / "report.json")["frontier"][0]["plan"]))
    capsys.readouterr()
    assert (
        run(["run", "sums_app:graph", "6 * 7?", "--plan", str(plan), "--models", "pool.toml", "--db", "other.db"]) == 0
    )
    assert capsys.readouterr().out.startswith("42\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("wrong", ["ffffffff", "no-such-file.json"])
def test_a_plan_that_is_nowhere_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "sums_app:graph", "6 * 7?", "--models", "pool.toml"]) == 0
    assert run(["run", "sums_app:graph", "6 * 7?", "--plan", wrong, "--models", "pool.toml"]) == 2
    assert "no plan in apportion.db" in capsys.readouterr().err


def test_a_database_without_the_plan_is_not_made_to_look_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "sums_app:graph", "6 * 7?", "--models", "pool.toml", "--db", "typo.db"]
    assert run([*asked, "--plan", "1f2e3d4c"]) == 2
    assert "there is no database 'typo.db'" in capsys.readouterr().err
    assert not (folder / "typo.db").exists()
    assert run(asked) == 0
    assert (folder / "typo.db").exists()


def test_a_plan_of_another_pool_says_which_option_gives_the_pool(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*OPTIMIZE, "--spend", "1e6", "--json", "report.json"]) == 0
    chosen = read(folder / "report.json")["chosen"]
    capsys.readouterr()
    assert run(["run", "sums_app:graph", "6 * 7?", "--plan", chosen[:8]]) == 2
    said = capsys.readouterr().err
    assert "'local'" in said
    assert "--models" in said


def test_a_plan_of_another_graph_is_refused_by_hash(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "plan.json").write_text('{"graph": "0123456789abcdef", "values": {}, "edges": []}')
    assert run(["run", "sums_app:graph", "6 * 7?", "--plan", "plan.json", "--models", "pool.toml"]) == 2
    assert "0123456789abcdef" in capsys.readouterr().err


def at_length(body: Mapping[str, Any]) -> str:
    """Right on even questions at once, on odd ones only at length."""
    number = int("".join(filter(str.isdigit, body["messages"][-1]["content"].split("+")[0])))
    if max(body.get(field, 0) for field in CAP_FIELDS) > 20:
        return "It is plain to see.\nAnswer: 42"
    return f"Answer: {42 - number % 2}"


def test_the_chosen_policy_is_saved_and_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.dumps({"question": f"What is {i} + {i}?", "gold": "42"}) for i in range(60)]
    (folder / "dev.jsonl").write_text("\n".join(lines) + "\n")
    with FaultServer(reply=at_length) as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        compared = ["--policies", "static, joint", "--policy-out", "policy.json", "--json", "report.json"]
        assert run([*OPTIMIZE, "--spend", "1e6", *compared]) == 0
        printed = capsys.readouterr().out
        assert [each["policy"] for each in read(folder / "report.json")["policies"]["scores"]] == ["static", "joint"]
        assert "apportion run --policy policy.json --db apportion.db --models pool.toml" in printed
        assert "--policy-out FILE" not in printed
        assert run([*OPTIMIZE, "--spend", "1e6", "--policies", "static, joint"]) == 0
        assert "add --policy-out FILE to keep the one that was chosen" in capsys.readouterr().out
        assert run(["run", "--policy", "policy.json", "What is 21 + 21?", "--models", "pool.toml"]) == 0
        assert capsys.readouterr().out.startswith("42\n")
        assert run([*OPTIMIZE, "--spend", "1e6", "--policies", "none", "--policy-out", "other.json"]) == 0
        assert "apportion run --policy other.json" in capsys.readouterr().out
        assert run(["run", "--policy", "other.json", "What is 21 + 21?", "--models", "pool.toml"]) == 0
        assert capsys.readouterr().out.startswith("42\n")
        assert run([*OPTIMIZE, "--spend", "1e6", "--cap", "1", "--policy-out", "none.json"]) != 0
        assert not (folder / "none.json").exists()
        assert run([*OPTIMIZE, "--spend", "1e6", "--policies", "static,jiont"]) == 2
        assert "did you mean 'joint'" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_run_that_is_nowhere_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "sums_app:graph", "6 * 7?", "--models", "pool.toml"]) == 0
    capsys.readouterr()
    assert run(["show", "zzzz"]) == 2
    assert "apportion runs" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_database_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "--db", "nowhere.db"]) == 2
    assert "nowhere.db" in capsys.readouterr().err


def test_tokens_lists_encodings_without_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tokens", "list", "--json", str(tmp_path / "tokens.json")]) == 0
    assert "o200k_base" in capsys.readouterr().out
    assert "cl100k_base" in read(tmp_path / "tokens.json")


def test_a_ranks_file_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong.tiktoken").write_text("nothing")
    assert run(["tokens", "import", str(tmp_path / "wrong.tiktoken")]) == 2
    assert "wrong.tiktoken" in capsys.readouterr().err


def test_json_counts_weighted_tokens_and_dollars_as_people_do(folder: Path) -> None:
    with (folder / "pool.toml").open("a") as pool:
        pool.write("weight = 2.0\ninput_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n")
    assert run(["run", "sums_app:graph", "6 * 7?", "--models", "pool.toml", "--json", "run.json"]) == 0
    charged = read(folder / "run.json")["charged"]
    assert charged["weighted"] == 2 * charged["tokens"]
    assert charged["usd"] == pytest.approx(charged["tokens"] / 1000)
    assert run(["runs", "--json", "runs.json"]) == 0
    assert read(folder / "runs.json")[0]["charged"] == charged


def test_runs_fit_a_narrow_terminal_with_ids_whole(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with FaultServer(reply=lambda body: "Answer: " + "long " * 8) as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        assert run(["run", "sums_app:graph", "6 * 7?", "--models", "pool.toml", "--json", "run.json"]) == 0
    capsys.readouterr()
    assert run(["runs"]) == 0
    printed = capsys.readouterr().out
    assert f" {read(folder / 'run.json')['run_id'][:8]} " in printed
    assert "long long" in printed
    assert "…" not in printed


@pytest.mark.parametrize("file", ["g.py", "my-app.py", "sub_folder/g2.py"])
def test_a_graph_may_be_named_by_its_file(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from apportion.cli.loading import load_graph

    monkeypatch.chdir(tmp_path)
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("from apportion import Graph, Solver\ngraph = Graph('named').add('solve', Solver())\n")
    assert load_graph(f"{file}:graph").name == "named"


def test_a_dev_set_keeps_its_own_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {"prompt": [{"role": "user", "content": f"What is {i} + {i}?"}], "solution": 42, "at": i} for i in range(40)
    ]
    (folder / "theirs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    theirs = ["theirs.jsonl" if word == "dev.jsonl" else word for word in OPTIMIZE]
    options = ["--spend", "1e6", "--policies", "none"]
    assert run([*theirs, *options]) == 2
    assert "field 'prompt': there is no such field" in capsys.readouterr().err
    columns = ["--column", "question=prompt", "--column", "gold=solution"]
    assert run([*theirs, *options, *columns, "--json", "theirs.json", "--db", "theirs.db"]) == 0
    assert run([*OPTIMIZE, *options, "--json", "ours.json", "--db", "ours.db"]) == 0
    assert read(folder / "theirs.json")["study_id"] == read(folder / "ours.json")["study_id"]
    capsys.readouterr()
    for wrong, words in (("question", "write OURS=THEIRS"), ("text=prompt", "unknown field of a task 'text'")):
        assert run([*theirs, *options, "--column", wrong]) == 2
        assert words in capsys.readouterr().err


def test_a_run_tells_the_value_of_an_answer_in_json(folder: Path) -> None:
    (folder / "towns_app.py").write_text(
        "from apportion import Graph, JsonOutput, Solver\n"
        "graph = Graph('towns').add('read', Solver(output=JsonOutput({'type': 'object'}), style='direct'))\n"
    )
    with FaultServer(reply=lambda body: '{"town": "Graz"}') as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        assert run(["run", "towns_app:graph", "Where?", "--models", "pool.toml", "--json", "run.json"]) == 0
    assert read(folder / "run.json")["data"] == {"town": "Graz"}


def test_show_tells_the_calls_of_tools(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def people(town: str) -> str:
        return f"{town}: 718,000"

    def script(request: Request) -> Reply | str:
        if request.messages[-1].role == "tool":
            return "Answer: 718,000"
        return Reply("", "stop", None, tool_calls=(ToolCall("people", '{"town": "Oslo"}'),))

    pool = Pool([ScriptedModel(script, card=ModelCard(name="m", tools=True))])
    with open_store(folder / "agent.db") as store:
        result = Graph("g").add("act", Agent(tools=(people,))).run("How many in Oslo?", pool=pool, store=store)
        events = [event for span in store.spans(result.run_id) for event in json.loads(span.events)]
    assert run(["show", result.run_id, "--db", "agent.db", "--full"]) == 0
    shown = capsys.readouterr().out
    assert shown.count('Call: people {"town": "Oslo"}') == 2  # as a reply, and in the prompt of the next call
    assert "tool: Oslo: 718,000" in shown
    assert [event["result"] for event in events if event.get("event") == "tool"] == ["Oslo: 718,000"]


def test_commands_are_admitted_beside_modules_and_not_imported() -> None:
    from apportion.cli.loading import admitted

    allowed = ["json", "app:python my_app.py", "mcp:$TOKEN python server.py"]
    assert admitted(allowed) == tuple(allowed)
    with pytest.raises(UsageError, match="--allow no_such_module"):
        admitted(["no_such_module"])
