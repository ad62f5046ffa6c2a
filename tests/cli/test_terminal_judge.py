"""What a study prints of its judge, and the options that name one."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from apportion.cli.app import run
from apportion.cli.terminal_judge import print_judge
from apportion.optimizers.analysis.judge_agreement import Agreement, GoldAgreement, Shift
from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.study.report import JudgeReport, ReadingExample, ReadingReport, StudyReport
from apportion.testing.fault_server import FaultServer

REPLIES = ReadingReport(
    node="(judge)",
    model="grader",
    style="",
    replies=500,
    answered=488,
    unread=12,
    starved=0,
    refused=0,
    filtered=0,
    oversize=0,
    failed=0,
    examples={"unread": ReadingExample(run_id="0123456789", text="Hm.", reason="no mark from 0 to 10")},
    warning="",
)
JUDGE = JudgeReport(
    model="grader",
    rubric="essay",
    scale=(0, 10),
    votes=3,
    paid=25_000,
    answers=480,
    unscored=12,
    replies=REPLIES,
    itself=Agreement(answers=40, correlation=Interval(0.91, 0.8, 0.96), difference=Interval(0.04, 0.03, 0.05)),
    gold=GoldAgreement(metric="exact", answers=130, right=61, correlation=None, score_right=0.81, score_wrong=None),
    controls=(
        Shift(control="position", answers=40, unread=0, shift=Interval(0.012, -0.01, 0.03)),
        Shift(control="length", answers=38, unread=2, shift=None),
    ),
    notes=("the spend reached for grading 38 of 40 answers again; more tell more",),
)


def printed(report: StudyReport, width: int = 100) -> str:
    out = StringIO()
    print_judge(Console(file=out, width=width, highlight=False), report)
    return out.getvalue()


def said(report: StudyReport) -> str:
    return " ".join(printed(report).split())


def test_nothing_is_printed_without_a_judge(report: StudyReport) -> None:
    assert printed(report) == ""


def test_all_that_is_known_of_a_judge_is_printed(report: StudyReport) -> None:
    text = said(report.model_copy(update={"judge": JUDGE, "paid": 100_000.0}))
    assert "grader gives 0 to 10 by rubric essay, the mean of 3 votes; it was paid 25,000 tokens (25 % of" in text
    assert "no verdict on 12 of 480 answers; they count as 0" in text
    assert "12 replies unread, for example in run 01234567: no mark from 0 to 10" in text
    assert "with itself, other draws: rank correlation 0.91 (0.80 to 0.96), 0.040 of the scale apart" in text
    assert "with gold answers, by exact: rank correlation not defined, 130 answers; it gives 0.810 to the 61" in text
    assert "and none to the others" in text
    assert "told from its best mark down: +0.012 (-0.01 to +0.03) of the scale, 40 answers" in text
    assert "no verdict, 38 answers, 2 verdicts missing" in text
    assert "38 of 40 answers again" in text


def test_a_plan_without_some_verdicts_says_what_it_could_reach(report: StudyReport) -> None:
    first, *others = report.frontier
    lacking = first.model_copy(update={"validation": first.validation.model_copy(update={"unscored": 5})})
    text = said(report.model_copy(update={"judge": JUDGE, "frontier": (lacking, *others)}))
    most = first.validation.score + 5 / first.validation.tasks
    assert f"plan {first.plan_hash[:8]}: validation {first.validation.score:.3f} without 5 of" in text
    assert f"{most:.3f} at most with them" in text


@pytest.mark.parametrize("width", [80, 100])
def test_it_stays_on_the_page(report: StudyReport, width: int) -> None:
    lines = printed(report.model_copy(update={"judge": JUDGE}), width).splitlines()
    assert max(map(len, lines)) <= width


def reply(body: Mapping[str, Any]) -> str:
    asked = body["messages"][-1]["content"]
    if "You grade" not in body["messages"][0]["content"]:
        return f"Answer: {asked.split()[-1]}"
    return f"Score: {random.Random(asked).uniform(3, 9):.1f}"


OPTIONS = ["optimize", "essays_app:graph", "--tasks", "dev.jsonl", "--models", "pool.toml", "--policies", "none"]
OPTIONS += ["--cap", "1e6", "--spend", "4e5"]
JUDGED = ["--judge", "grader", "--rubric", "rubric.md"]


@pytest.fixture
def essays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a dev set without gold, a rubric, and a pool of a writer and a grader on loopback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "essays_app.py").write_text(
        "from apportion import Graph, Solver, choose\n"
        'graph = Graph("essays")\n'
        'graph.add("write", Solver(model="writer", style="direct", max_output_tokens=choose(20, 40)))\n'
    )
    lines = [json.dumps({"question": f"Write essay {number}"}) for number in range(40)]
    (tmp_path / "dev.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "rubric.md").write_text("Is it good?\n{question}\n{answer}\n{format}\n")
    with FaultServer(reply=reply, models=("writer", "grader")) as server:
        tables = (f'[models.{name}]\nbase_url = "{server.base_url}"\n' for name in ("writer", "grader"))
        (tmp_path / "pool.toml").write_text("".join(tables))
        yield tmp_path


def test_optimize_with_a_judge_needs_no_gold(essays: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*OPTIONS, *JUDGED, "--judge-scale", "1,9", "--judge-votes", "2", "--json", "report.json"]
    options += ["--judge-tokens", "300"]
    assert run(options) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(r"judge a verdict may cost about [\d,]+ tokens; the spend pays for them too", out)
    assert "grader gives 1 to 9 by rubric rubric, the mean of 2 votes; it was paid" in out
    judge = json.loads((essays / "report.json").read_text())["judge"]
    assert (judge["model"], judge["scale"], judge["votes"], judge["unscored"]) == ("grader", [1.0, 9.0], 2, 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--judge", "grader"], "--judge needs --rubric FILE as well"),
        (["--rubric", "rubric.md"], "--rubric needs --judge MODEL as well"),
        (["--judge-scale", "1,5"], "--judge-scale needs --judge MODEL and --rubric FILE as well"),
        (["--judge-votes", "1"], "--judge-votes needs --judge MODEL and --rubric FILE as well"),
        (["--judge-tokens", "900"], "--judge-tokens needs --judge MODEL and --rubric FILE as well"),
        ([*JUDGED, "--judge-scale", "10"], "--judge-scale 10: write the worst and the best mark"),
        ([*JUDGED, "--judge-scale", "10,0"], "scale must be the worst mark"),
        (["--judge", "grade", "--rubric", "rubric.md"], "unknown model 'grade'; did you mean 'grader'"),
        (["--judge", "grader", "--rubric", "no.md"], "no.md"),
        (["--judge", "grader", "--rubric", "dev.jsonl"], "has no {answer}"),
    ],
)
def test_options_of_a_judge_that_cannot_be_are_named(
    essays: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert run([*OPTIONS, *options]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
