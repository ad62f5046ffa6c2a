"""`fit` and `simulate` one after the other, as a user would type them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from apportion.cli.app import run
from apportion.optimizers.policies.registry import POLICIES


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sums and words; model a answers the sums and model b the words, whatever they cost."""
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    rows = []
    for number in range(120):
        sums = number % 2 == 0
        text = f"{draws.integers(10, 99)}+{draws.integers(10, 99)}=" if sums else "where is the river"
        for arm, cost in (("a", 10.0), ("b", 12.0)):
            right = (arm == "a") == sums
            rows.append({"query": f"q{number}", "arm": arm, "score": float(right), "cost": cost, "text": text})
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "log.parquet")
    return tmp_path


FIT = ["fit", "--outcomes", "log.parquet", "--column", "question=query"]
SIMULATE = ["simulate", "policy.json", "--outcomes", "log.parquet", "--column", "question=query"]


def test_fit_then_simulate(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--budget", "11.5", "--set-aside", "0.3"]) == 0
    printed = capsys.readouterr().out
    assert "learned  joint_safe from " in printed
    following = printed.splitlines()[-1].split()
    assert following[1:] == [*SIMULATE, "--set-aside", "0.3", "--budget", "11.5"]

    assert run([*following[1:], "--json", "price.json"]) == 0
    printed = capsys.readouterr().out
    assert "score    1.000" in printed
    assert "note" not in printed
    figures = json.loads((log / "price.json").read_text())
    assert figures["questions"] < 60
    assert figures["score"]["mean"] == figures["capped_score"] == 1
    assert figures["cost"] <= 11.5
    assert {use["arm"] for use in figures["arms"]} == {"a", "b"}
    assert figures["gain"]["low"] > 0.2

    # A file in which the policy is one of several fields, as optimize writes it, is as good.
    (log / "deployed.json").write_text(json.dumps({"policy": json.loads((log / "policy.json").read_text())}))
    assert run(["simulate", "deployed.json", *following[3:], "--json", "again.json"]) == 0
    assert json.loads((log / "again.json").read_text()) == figures

    # The dial moves without learning anew: there is not enough for the right arm everywhere.
    assert run([*SIMULATE, "--set-aside", "0.3", "--budget", "10.2", "--json", "tight.json"]) == 0
    tight = json.loads((log / "tight.json").read_text())
    assert tight["cost"] <= 10.2
    assert 0.4 < tight["score"]["mean"] < 0.8


def test_a_policy_priced_on_what_it_has_seen_says_so(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--policy", "static_mix"]) == 0
    assert run(SIMULATE) == 0
    assert "questions that fit has seen flatter the policy" in capsys.readouterr().out


def test_a_policy_is_priced_at_what_it_was_fitted_for(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--policy", "static_mix", "--budget", "10.75"]) == 0
    assert run([*SIMULATE, "--json", "price.json"]) == 0
    assert json.loads((log / "price.json").read_text())["budget"] == 10.75
    capsys.readouterr()
    assert run([*SIMULATE, "--unit", "usd"]) == 2
    assert "fitted for 10.75 tokens a question" in capsys.readouterr().err
    assert run([*SIMULATE, "--unit", "usd", "--budget", "1"]) == 0
    content = json.loads((log / "policy.json").read_text())
    # What older versions wrote does not say.
    old = {field: value for field, value in content.items() if field != "fitted_for"}
    for fitted_for in ({"budget": "much"}, {"budget": -1}, {"budget": True}):
        (log / "policy.json").write_text(json.dumps(old | {"fitted_for": fitted_for}))
        assert run(SIMULATE) == 2
        assert "field 'budget'" in capsys.readouterr().err
    (log / "policy.json").write_text(json.dumps(old))
    assert run([*SIMULATE, "--json", "price.json"]) == 0
    assert json.loads((log / "price.json").read_text())["budget"] > 0


def test_a_budget_below_the_cheapest_arm_is_said(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--policy", "static_mix", "--budget", "2"]) == 0
    assert "more than the budget" in capsys.readouterr().out


def test_cascades_are_told_by_their_arms(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read = pa.parquet.read_table(log / "log.parquet").to_pylist()
    told = [{**row, "confidence": 0.9 if row["score"] == 1 else 0.1, "confidance": 1} for row in read]
    pa.parquet.write_table(pa.Table.from_pylist(told), log / "log.parquet")
    assert run([*FIT, "--policy", "cascade", "--budget", "15"]) == 0
    printed = capsys.readouterr()
    assert "2 arms, and " in printed.out
    assert "not read columns confidance" in printed.out
    assert run(SIMULATE) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cascade-") and " = " in line]
    assert lines
    assert all("; answer: " in line and " > " in line for line in lines)


def test_a_column_that_is_spelt_wrongly_is_warned_of(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.parquet.read_table(log / "log.parquet")
    table = table.append_column("confidense", pa.array([0.5] * len(table)))
    pa.parquet.write_table(table, log / "log.parquet")
    assert run([*FIT, "--policy", "static_mix"]) == 0
    assert "if it is 'confidence', say --column confidence=confidense" in capsys.readouterr().err


def test_incomplete_logs(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.parquet.read_table(log / "log.parquet")
    pa.parquet.write_table(table.slice(1), log / "log.parquet")
    assert run([*FIT, "--policy", "static_mix"]) == 2
    assert "--drop-incomplete" in capsys.readouterr().err
    assert run([*FIT, "--policy", "static_mix", "--drop-incomplete"]) == 0
    assert "dropped  1 questions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*FIT, "--policy", "join"], "unknown policy 'join'; did you mean 'joint'"),
        ([*FIT, "--budget", "0"], "--budget must be a number above 0"),
        ([*FIT, "--set-aside", "1.5"], "the share to set aside must be"),
        ([*FIT, "--column", "score"], "--column score: write OURS=THEIRS"),
        (["fit", "--outcomes", "log.parquet"], "there is no column 'question'"),
        (["fit", "--outcomes", "none.csv"], "no file 'none.csv'"),
        (SIMULATE, "policy.json: cannot be read: No such file"),
        (["simulate", "log.parquet", "--outcomes", "log.parquet"], "log.parquet:1: byte 0xa4 at column 8 is not UTF-8"),
        (["simulate", "list.json", "--outcomes", "log.parquet"], "list.json: this is no policy"),
        (["simulate", "empty.json", "--outcomes", "log.parquet"], "names the policy in its field 'policy'"),
    ],
)
def test_bad_input_is_one_line(log: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    (log / "list.json").write_text("[]")
    (log / "empty.json").write_text("{}")
    assert run(arguments) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert len(errors.splitlines()) == 1


def test_the_line_that_comes_next_runs_as_it_is_printed(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.parquet.read_table(log / "log.parquet").slice(1)
    (log / "my logs").mkdir()
    pa.parquet.write_table(table, log / "my logs" / "log.parquet")
    given = ["--outcomes", "my logs/log.parquet", "--column", "question=query", "--drop-incomplete", "--unit", "usd"]
    assert run(["fit", *given, "--policy", "static_mix", "--set-aside", "0.3"]) == 0
    following = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert run(following[1:]) == 0
    printed = capsys.readouterr().out
    assert "usd a question" in printed
    assert "dropped" in printed


def test_where_nothing_could_be_set_aside_the_next_line_runs_all_the_same(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*FIT, "--policy", "static_mix", "--set-aside", "1e-9"]) == 0
    printed = capsys.readouterr().out
    assert "no question was set aside" in printed
    following = shlex.split(printed.splitlines()[-1])
    assert "--set-aside" not in following
    assert run(following[1:]) == 0


def test_the_order_of_the_file_makes_no_difference(log: Path) -> None:
    found = []
    for step in (1, -1):
        rows = pa.parquet.read_table(log / "log.parquet").to_pylist()[::step]
        kinds = ("sum it up", "where is the river")
        rows = [{**row, "text": kinds[int(row["query"][1:]) % 2]} for row in sorted(rows, key=lambda row: row["arm"])]
        pa.parquet.write_table(pa.Table.from_pylist(rows), "alike.parquet")
        files = ["--outcomes", "alike.parquet", "--column", "question=query"]
        assert run(["fit", *files, "--policy", "joint", "--budget", "11"]) == 0
        assert run(["simulate", "policy.json", *files, "--budget", "11", "--json", "price.json"]) == 0
        price = json.loads((log / "price.json").read_text())
        found.append((price["score"], price["cost"]))
    assert found[0] == found[1]


def test_a_log_without_texts_is_warned_of(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.parquet.read_table(log / "log.parquet")
    pa.parquet.write_table(table.drop_columns(["text"]), log / "log.parquet")
    assert run([*FIT, "--policy", "static_mix"]) == 0
    assert "no text of the questions" in capsys.readouterr().err


def test_all_policies_are_compared_on_what_none_has_seen(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--policy", "all", "--budget", "11.5", "--json", "fit.json"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    figures = json.loads((log / "fit.json").read_text())
    compared = [score["policy"] for score in figures["scores"]]
    # Nobody says how sure it is in this log, so that one policy cannot be learned.
    assert compared == [name for name in POLICIES if name != "cascade"]
    assert "left out cascade: policy 'cascade' needs something to stop on" in printed
    assert f"compared on {figures['set_aside']} that were set aside" in printed
    assert figures["questions"] + figures["set_aside"] == 120
    assert "taken joint_safe: it is" in printed
    assert figures["policy"] == json.loads((log / "policy.json").read_text())["policy"] == "joint_safe"
    scores = {score["policy"]: score["score"] for score in figures["scores"]}
    assert scores["joint_safe"] == 1 > scores["static"]
    assert all(f" {name} {score:.3f} " in printed for name, score in scores.items())
    # What it prints next prices the same policy on the same questions.
    following = shlex.split(printed.partition("next: ")[2])
    assert following[1:] == [*SIMULATE, "--set-aside", "0.3", "--budget", "11.5"]
    assert run([*following[1:], "--json", "price.json"]) == 0
    price = json.loads((log / "price.json").read_text())
    assert (price["questions"], price["capped_score"]) == (figures["set_aside"], scores["joint_safe"])


def test_the_simplest_is_taken_where_choosing_gains_nothing(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {**row, "score": float(row["arm"] == "b")} for row in pa.parquet.read_table(log / "log.parquet").to_pylist()
    ]
    pa.parquet.write_table(pa.Table.from_pylist(rows), log / "log.parquet")
    assert run([*FIT, "--policy", "all", "--set-aside", "0.4", "--unit", "usd"]) == 0
    printed = capsys.readouterr().out
    assert "taken    joint_safe: it is the best" in printed
    assert shlex.split(printed.splitlines()[-1])[-6:-2] == ["--set-aside", "0.4", "--unit", "usd"]
    assert run(shlex.split(printed.splitlines()[-1])[1:]) == 0
    assert run([*FIT, "--policy", "all", "--set-aside", "0.0001"]) == 2
    assert "name a larger --set-aside" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["joint_safe", "all"])
def test_an_arm_is_given_no_question_of_a_family_that_it_was_not_run_on(
    log: Path, capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    """The arm that answers all sums was run on sums alone; a failure or a price of 0 in its gaps would show."""
    rows = pa.parquet.read_table(log / "log.parquet").to_pylist()
    rows = [{**row, "family": "sums" if "+" in row["text"] else "words"} for row in rows]
    rows = [row for row in rows if (row["arm"], row["family"]) != ("a", "words")]
    pa.parquet.write_table(pa.Table.from_pylist(rows), log / "log.parquet")
    assert run([*FIT, "--policy", policy, "--set-aside", "0.3"]) == 0
    printed = capsys.readouterr().out
    assert "absent   a was not run on family 'words', and is not chosen there" in printed
    assert "apart    2 groups of families" in printed
    assert "best arm " in printed
    assert ": score 1.000 for 11" in printed.partition("best arm ")[2].splitlines()[0]
    following = shlex.split(printed.splitlines()[-1])
    assert run([*following[1:], "--json", "price.json"]) == 0
    capsys.readouterr()
    price = json.loads((log / "price.json").read_text())
    assert price["score"]["mean"] == price["best_arm_score"] == 1
    uses = {use["arm"]: use for use in price["arms"]}
    assert (uses["a"]["score"], uses["a"]["cost"], uses["b"]["cost"]) == (1, 10, 12)
    assert uses["a"]["questions"] + uses["b"]["questions"] == price["questions"]


def test_a_gain_of_templates_seen_before_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    words = [a + b for a in ("bar", "con", "del", "fen", "gal", "hor") for b in ("tor", "min", "sap", "wex")]
    right = draws.permutation(40) % 2
    lines = []
    for template in range(40):
        text = " ".join(draws.choice(words, size=9))
        for number in range(5):
            row = {"question": f"q{template}-{number}", "text": f"{text} {draws.integers(999)}?"}
            for arm in (0, 1):
                score = float(draws.random() < (0.95 if right[template] == arm else 0.2))
                lines.append(json.dumps(row | {"arm": f"arm-{arm}", "score": score, "cost": 1.0}))
    Path("log.jsonl").write_text("\n".join(lines))
    assert run(["fit", "--outcomes", "log.jsonl", "--budget", "1.1", "--json", "fit.json"]) == 0
    printed = capsys.readouterr().out
    assert "clusters 200 of the questions" in printed
    assert "the gain is of templates seen before" in printed
    figures = json.loads(Path("fit.json").read_text())
    assert figures["clusters"] == {"notes": [], "clusters": 40, "clustered": 200}
    assert figures["templates"]["at_random"]["low"] > 0 >= figures["templates"]["together"]["low"]
    # What is given counts: told that all questions stand alone in all but name, nothing is kept together.
    own = [json.dumps(json.loads(line) | {"cluster_id": json.loads(line)["question"]}) for line in lines]
    Path("log.jsonl").write_text("\n".join(own))
    assert run(["fit", "--outcomes", "log.jsonl", "--budget", "1.1", "--policy", "static"]) == 0
    assert "gain" not in capsys.readouterr().out


def test_the_smallest_budget_for_a_score(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--budget", "14", "--target-score", "0.7", "--policy", "joint", "--json", "fit.json"]) == 0
    printed = capsys.readouterr().out
    assert "a score of 0.7 is reached from" in printed
    target = json.loads((log / "fit.json").read_text())["target"]
    assert target["reached"]
    assert target["budget"] <= 14
    assert target["test"]["verdict"] == "confirmed"
    assert printed.splitlines()[-1].endswith(f"--set-aside 0.3 --budget {target['budget']:.6g}")
    assert run([*FIT, "--budget", "14", "--target-score", "1", "--policy", "static", "--json", "fit.json"]) == 0
    assert "is not reached within 14 tokens a question" in " ".join(capsys.readouterr().out.split())
    target = json.loads((log / "fit.json").read_text())["target"]
    assert not target["reached"]
    assert target["best_score"] < 0.8


@pytest.mark.parametrize("target", ["1.2", "0", "-1", "nan"])
def test_what_is_no_score_is_a_usage_error(log: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--target-score", target]) == 2
    assert "target_score must be a mean score to reach" in capsys.readouterr().err


def test_wrong_answers_may_cost_something(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT, "--policy", "static", "--wrong-costs", "2", "--json", "fit.json"]) == 0
    assert "best arm a: value -0.500" in capsys.readouterr().out
    assert json.loads((log / "fit.json").read_text())["wrong_costs"] == 2
    # No answer is worth more than one that is as often wrong as right.
    assert run([*SIMULATE, "--json", "price.json"]) == 0
    printed = capsys.readouterr().out
    assert "value    0.000" in printed
    assert "answers  right 0.0%, wrong 0.0%, abstained 0.0%, unanswered 100.0%" in printed
    figures = json.loads((log / "price.json").read_text())
    assert figures["wrong_costs"] == 2
    assert figures["shares"] == {"right": 0.0, "wrong": 0.0, "abstained": 0.0, "unanswered": 1.0}
    assert run([*FIT, "--policy", "joint_up_front", "--budget", "12", "--wrong-costs", "2"]) == 0
    assert run([*SIMULATE, "--budget", "12", "--wrong-costs", "0"]) == 0
    printed = capsys.readouterr().out
    assert "score    1.000" in printed
    assert "answers  right 100.0%, wrong 0.0%" in printed


@pytest.mark.parametrize("price", ["-1", "nan", "inf", "1e7"])
def test_what_cannot_be_a_price_is_refused(log: Path, capsys: pytest.CaptureFixture[str], price: str) -> None:
    assert run([*FIT, "--policy", "static"]) == 0
    for command in (FIT, SIMULATE):
        assert run([*command, "--wrong-costs", price]) == 2
        errors = capsys.readouterr().err
        assert "wrong_costs must be" in errors
        assert len(errors.splitlines()) == 1


def test_fit_says_how_sure_arms_are(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draws = np.random.default_rng(0)
    rows = pa.parquet.read_table(log / "log.parquet").to_pylist()
    for row in rows:
        row["thinking_tokens"] = float(np.exp(5 - 2 * row["score"] + draws.normal()))
        row["output_tokens"] = row["thinking_tokens"] + 5
    pa.parquet.write_table(pa.Table.from_pylist(rows), log / "log.parquet")
    assert run([*FIT, "--policy", "static_mix", "--json", "fit.json"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "AUROC how well each arm's confidence tells right answers from wrong ones" in printed
    assert "reads answers right AUROC ECE" in printed
    first, second = json.loads((log / "fit.json").read_text())["confidences"]
    assert (first["arm"], first["kind"], first["answers"]) == ("a", "calibrated", 120)
    assert min(first["auroc"], second["auroc"]) > 0.8
    assert f"a thinking 120 50 % {first['auroc']:.2f}" in printed
