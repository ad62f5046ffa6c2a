"""What a study prints: short, on a hundred columns, and with every finding in it."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from apportion.budgets.cap import Cap
from apportion.cli.terminal import TerminalReporter
from apportion.optimizers.analysis.gate_openings import GateReport
from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.study.plan_report import PlanReport
from apportion.optimizers.study.report import ByMoney, FunctionReport, ReadingExample, ReadingReport, StudyReport
from apportion.optimizers.study.reporter import Announcement

GATE = GateReport(
    edge="small->large",
    signal="confidence",
    opens="below 0.9",
    runs=70,
    opened=21,
    score_open=0.5,
    score_shut=0.912,
    cost_open=310.0,
    cost_shut=None,
)


def printed(report: StudyReport, *, width: int = 100, families: bool = True) -> list[str]:
    out = StringIO()
    reporter = TerminalReporter(Console(file=out, width=width, highlight=False), families=families)
    reporter.finish(report)
    return out.getvalue().splitlines()


def below(lines: list[str], label: str) -> str:
    """A label's text and all that stands below it, up to the next label, with single spaces."""
    start = next(place for place, line in enumerate(lines) if line.startswith(f"{label} "))
    end = next((p for p in range(start + 1, len(lines)) if lines[p][:1].strip()), len(lines))
    return " ".join(" ".join(lines[start:end]).split())


@pytest.mark.parametrize("width", [80, 100])
def test_nothing_runs_over_the_edge_or_under_the_labels(report: StudyReport, width: int) -> None:
    lines = printed(report, width=width)
    assert max(map(len, lines)) <= width
    assert all(not line or line[0] == " " or line[8] == " " for line in lines)
    assert len(lines) < 80


def test_every_node_says_what_it_got_and_why(report: StudyReport) -> None:
    nodes = below(printed(report, width=240), "nodes")
    assert "solve 100 % pocket-800k 75 %, pocket-100k-arithmetic 25 %; style think 80 %, draft 18 %;" in nodes
    for said in ("samples 3", "reads search 50 %, constraints 25 %", "capability 56 %, price 40 %", "left out"):
        assert said in nodes
    assert "extraction 100 % pocket-100k-reading 75 %" in nodes
    assert "extraction" not in below(printed(report, families=False), "nodes")


def test_policies_stand_beside_each_other_at_equal_cost(report: StudyReport) -> None:
    lines = printed(report)
    table = below(lines, "policies")
    assert "joint 0.500 0.42-0.58 207 0.100 -0.020 (-0.08 to +0.04) 1 %" in table
    assert "joint_safe, which is joint at this cap" in below(lines, "policy")
    assert "entropy/pocket-30k" in below(lines, "policy")
    test = below(lines, "test")
    assert "score 0.610 (0.53 to 0.69) for 207 tokens a task" in test
    assert "+0.070 (+0.01 to +0.13) over plan 2aaaaaaa for all, which scores 0.500" in test


def test_money_stands_beside_tokens_where_there_are_prices(report: StudyReport) -> None:
    assert not any("USD" in line for line in printed(report))

    def priced(plan: PlanReport, usd: float) -> PlanReport:
        test = None if plan.test is None else plan.test.model_copy(update={"usd": usd})
        return plan.model_copy(update={"validation": plan.validation.model_copy(update={"usd": usd}), "test": test})

    assert report.best is not None
    assert report.policies is not None
    plans = tuple(priced(plan, 0.001 * (1 + number)) for number, plan in enumerate(report.frontier))
    scores = tuple(score.model_copy(update={"usd": 0.0125}) for score in report.policies.scores)
    other = ByMoney(plan_hash="e" * 16, validation=plans[0].validation, affordable=False)
    found = report.model_copy(
        update={
            "frontier": plans,
            "policies": report.policies.model_copy(update={"scores": scores}),
            "by_money": other,
        }
    )
    lines = printed(found)
    frontier, first = below(lines, "frontier"), plans[0]
    assert "cost USD/1,000 test, 95 % cost USD/1,000 answered" in frontier
    assert f"{first.plan_hash[:8]} {first.validation.score:.3f}" in frontier
    assert " 1 " in frontier.partition(first.plan_hash[:8])[2]
    assert "0.42-0.58 207 12.5 0.100" in below(lines, "policies")
    said = below(lines, "by money")
    assert f"plan eeeeeeee would be chosen: {first.validation.score:.3f} for 1 USD a thousand tasks and" in said
    assert said.endswith("but it does not fit the cap in tokens")
    assert "would be chosen" not in " ".join(printed(report))
    assert StudyReport.model_validate_json(found.model_dump_json()) == found


def test_edges_headroom_rounds_and_votes_are_told(report: StudyReport) -> None:
    lines = printed(report)
    edges = below(lines, "edges")
    assert "constraints->judge kept: brings +0.210 (+0.15 to +0.27) +28" in edges
    assert "merge->judge cut: would bring +0.004 (-0.06 to +0.06) +135" in edges
    assert "solve 0.720 +0.220 (+0.16 to +0.28) 90 tasks" in below(lines, "headroom")
    rounds = below(lines, "rounds")
    assert "within 0 rounds 2 rounds 4 rounds" in rounds
    assert "64 0.300 think up to 24 * - -" in rounds
    assert "0.340 think up to 24 *" in rounds
    votes = below(lines, "votes")
    assert "samples 1 3 5 7 10 12 14 16 1 to 9, beta" in votes
    assert "score 0.050 0.150" in votes
    assert votes.endswith("496 99.5")


def test_what_was_left_out_is_said(report: StudyReport) -> None:
    lines = printed(report)
    assert "a tenth of the spend is not enough" in below(lines, "left out")
    assert "231,089 of 1,000,000 tokens (12 of it lost" in below(lines, "paid")
    bare = report.model_copy(
        update={"policies": None, "edges": None, "iso_cost": (), "headroom": (), "votes": (), "notes": ()}
    )
    labels = {line[:8].strip() for line in printed(bare)} - {""}
    assert labels == {"frontier", "plan", "paid", "store"}


def reading(model: str, warning: str = "", **counts: int) -> ReadingReport:
    kinds = ("answered", "unread", "starved", "refused", "filtered", "oversize", "failed")
    known = dict.fromkeys(kinds, 0) | counts
    replies = sum(known.values())
    said = {kind: ReadingExample(run_id="a" * 32, text="", reason=f"{kind}!") for kind in counts}
    return ReadingReport(
        node="solve", model=model, style="think", replies=replies, examples=said, warning=warning, **known
    )


def test_hidden_reasoning_is_told_where_there_was_any(report: StudyReport) -> None:
    def thought(style: str, hidden: int) -> ReadingReport:
        none = dict.fromkeys(("unread", "starved", "refused", "filtered", "oversize", "failed"), 0)
        return ReadingReport(
            node="solve",
            model="thinker",
            style=style,
            replies=10,
            answered=10,
            output_tokens=hidden + 20,
            reasoning_tokens=hidden,
            examples={},
            warning="",
            **none,
        )

    found = report.model_copy(update={"readings": (thought("think, effort low", 980), thought("direct", 0))})
    hidden = below(printed(found), "hidden")
    assert hidden.startswith("hidden reasoning took 980 of 1,000 output tokens; all of them count against the cap")
    assert "solve thinker think, effort low 10 98 98 %" in hidden
    assert "direct" not in hidden
    bare = report.model_copy(update={"readings": (thought("direct", 0),)})
    assert not any(line.startswith("hidden") for line in printed(bare))


def test_of_many_models_without_answers_the_worst_are_told_and_those_a_choice_hung_on(report: StudyReport) -> None:
    many = [reading(f"model-{number}", answered=100 - number, starved=number) for number in range(5, 30)]
    asked = reading("asked", "plan y: may be better", answered=90, unread=10)
    found = report.model_copy(update={"readings": (*many, asked), "notes": ("plan y: may be better",)})
    unread = below(printed(found), "unread")
    assert "solve asked think 100 90 %" in unread
    assert [f"model-{number} " in unread for number in (29, 28, 27, 26, 25, 5)] == [True] * 4 + [False] * 2
    assert "plan y: may be better" in unread
    assert "21 more nodes and models; --json FILE lists all as `readings`" in unread
    few = report.model_copy(update={"readings": tuple(many[:5]), "notes": ()})
    assert "more nodes and models" not in below(printed(few), "unread")
    warned = [reading(f"m{number}", f"plan {number}", answered=50, unread=50) for number in range(8)]
    found = report.model_copy(update={"readings": tuple(warned), "notes": tuple(f"plan {n}" for n in range(8))})
    assert "3 more nodes and models, choices hung on 3 of them" in below(printed(found), "unread")


def test_replies_without_an_answer_are_told_where_there_were_more_than_a_few(report: StudyReport) -> None:
    few = reading("fine", answered=97, unread=3)
    assert not any("fine" in line for line in printed(report.model_copy(update={"readings": (few,)})))
    many = reading("odd", "plan x: may be better", answered=95, starved=4, failed=1)
    found = report.model_copy(update={"readings": (few, many), "notes": ("nothing", "plan x: may be better")})
    unread = below(printed(found), "unread")
    assert unread.startswith("unread 8 of 200 replies gave no answer, 3 of them because nothing could be read")
    assert "replies answered starved failed solve odd think 100 95 % 4 % 1 %" in unread
    assert "starved, solve, odd: starved! in run aaaaaaaa failed, solve, odd: failed! in run aaaaaaaa" in unread
    assert unread.endswith("plan x: may be better")
    assert below(printed(found), "left out").startswith("left out nothing what the search may pay of the spend ran out")


def test_no_affordable_plan_is_said_with_what_the_cheapest_costs(report: StudyReport) -> None:
    lines = printed(report.model_copy(update={"chosen": None}))
    assert "none is affordable: the cheapest on the frontier costs 41.5 tokens a task" in below(lines, "plan")


def test_long_lists_of_models_go_on_below_each_other() -> None:
    out = StringIO()
    reporter = TerminalReporter(Console(file=out, width=80, highlight=False))
    names = tuple(f"model-with-a-long-name-{number}" for number in range(8))
    reporter.announce(Announcement(8, 4, names, {"fit": 50}, Cap(total=1_000), 10.0, 5_000, 20.0, 1_234.0, "study.db"))
    reporter.close()
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert below(lines, "models") == f"models {', '.join(names)}"
    assert "expected: about 1,200" in below(lines, "spend")


def test_gates_are_told_with_what_either_side_came_to(report: StudyReport) -> None:
    said = below(printed(report.model_copy(update={"gates": (GATE,)})), "gates")
    assert "small->large confidence below 0.9 21 of 70 0.500 310 0.912" in said
    assert "brought" not in said
    untold = GATE.model_copy(update={"untold": "a fifth of the spend is not enough to run its twins"})
    said = below(printed(report.model_copy(update={"gates": (untold,)})), "gates")
    assert "small->large: what it brings is not known: a fifth of the spend is not enough to run its twins" in said


def test_what_a_gate_brought_saved_and_lost_stands_with_the_number_of_questions(report: StudyReport) -> None:
    found = {"brought": Interval(0.21, 0.1, 0.32), "saved": Interval(154.2, 120.0, 190.0), "n": 64, "untold": "why"}
    gate = GATE.model_copy(update={"cost_shut": 90.0, **found})
    for width in (80, 100):
        lines = printed(report.model_copy(update={"gates": (gate,)}), width=width)
        assert max(map(len, lines)) <= width
        assert "small->large 64 +0.210 (+0.10 to +0.32) +154 -" in below(lines, "gates")
        assert "small->large: why" in below(lines, "gates")


def test_functions_that_failed_are_named_with_the_newest_reason(report: StudyReport) -> None:
    failed = FunctionReport(
        node="look",
        executions=70,
        failed=12,
        statuses={"tool_error": 11, "timeout": 1},
        reason="LookupError: no \x1b[2J table",
        run_id="ab12cd34" * 4,
    )
    said = below(printed(report.model_copy(update={"failed_functions": (failed,)})), "failed")
    assert "look failed in 12 of 70 executions under the chosen plan (11 tool_error, 1 timeout)" in said
    assert "in run ab12cd34: LookupError: no \\x1b[2J table" in said
