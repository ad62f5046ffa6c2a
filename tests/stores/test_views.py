from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    Limit,
    PartRow,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    Status,
    StudyRow,
    TaskRow,
    TrialRow,
)
from apportion.stores import Store, open_store


@pytest.fixture
def ask(store: Store, path: Path, row: Callable[..., Any]) -> Callable[[str], list[tuple[Any, ...]]]:
    """Two runs: in the first, two spans of one node with a fresh and a cached call; the second failed."""
    asyncio.run(store.reserve(Reservation("r", "task", Amount(90), store.owner)))
    charged, none = Amount(40, 80, 2_000_000_000), Amount()
    store.settle(Settlement("r", charged=charged), row(CallRow, reservation_id="r", charged=charged))
    store.record(row(CallRow, call_id="cached", span_id="span2", charged=charged, cached=True))
    store.record(row(SpanRow, charged=charged, lost=none))
    store.record(row(SpanRow, span_id="span2", charged=charged, lost=none))
    store.record(row(SpanRow, span_id="span3", node="merge", kind="merger", charged=none, lost=none))
    store.record(row(RunRow, charged=Amount(80, 160, 4_000_000_000), lost=none))
    late = {"outcome": Status.TIMEOUT, "error": "too late", "charged": none, "lost": Amount(90)}
    store.record(row(CallRow, call_id="lost", run_id="bad", span_id="bad1", usage=None, **late))
    store.record(
        row(
            SpanRow,
            span_id="bad1",
            run_id="bad",
            status=Status.TIMEOUT,
            reason="no reply",
            charged=none,
            lost=Amount(90),
        )
    )
    bad = {
        "status": Status.TIMEOUT,
        "stop_reason": "complete",
        "reason": "no reply",
        "charged": none,
        "lost": Amount(90),
    }
    store.record(row(RunRow, run_id="bad", trial_id="headroom/study", **bad))
    store.record(row(TrialRow))
    store.record(row(TaskRow, content='{"question":"12*3","gold":"36"}'))
    store.record(row(StudyRow, account_id="study"))
    store.flush()

    def ask(question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(question).fetchall()

    return ask


def test_tokens_per_node(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask(
        "SELECT node, spans, calls, cached_calls, input_tokens, output_tokens, charged_tokens, lost_tokens, usd "
        "FROM tokens_per_node WHERE run_id = 'run' ORDER BY node"
    ) == [("merge", 1, 0, 0, 0, 0, 0, 0, 0.0), ("solve", 2, 2, 1, 60, 20, 80, 0, 4.0)]


def test_cost_per_run(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask(
        "SELECT run_id, part, calls, charged_tokens, lost_tokens, paid_tokens, charged_usd, paid_usd, seconds "
        "FROM cost_per_run ORDER BY run_id DESC"
    ) == [("run", "fit", 2, 80, 0, 40, 4.0, 2.0, 5.0), ("bad", "headroom", 1, 0, 90, 90, 0.0, 0.0, 5.0)]


def test_failures(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask("SELECT what, id, status, name, reason, text FROM failures ORDER BY what") == [
        ("call", "lost", "timeout", "small", "too late", "36"),
        ("run", "bad", "timeout", "task", "no reply", "12*3"),
        ("span", "bad1", "timeout", "solve", "no reply", "36"),
    ]


def test_spend(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask("SELECT account_id, used, free, paid_tokens, charged_usd FROM spend ORDER BY account_id") == [
        ("study", 40, 960, 40, 2.0),
        ("task", None, None, 40, 2.0),
    ]


def test_spend_is_in_the_unit_of_its_limit(store: Store, path: Path) -> None:
    store.open_account(AccountRow("dear", None, Limit("usd", 2_500_000_000)))
    store.open_account(AccountRow("heavy", None, Limit("weighted", 1_500_000)))
    store.flush()
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT limit_value, used, free FROM spend WHERE limit_unit <> 'tokens' ORDER BY 1")
        assert found.fetchall() == [(1.5, 0.0, 1.5), (2.5, 0.0, 2.5)]


def test_runs_read(ask: Callable[[str], list[tuple[Any, ...]]], path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT * FROM runs_read ORDER BY tokens")
        names = "study_id part plan question gold answer status reason score tokens usd"
        assert [column[0] for column in found.description] == names.split()
        assert found.fetchall() == [
            ("study", "fit", "plan", "12*3", "36", "36", "ok", "", 1.0, 80, 4.0),
            (None, "headroom", "plan", "12*3", "36", "36", "timeout", "no reply", 1.0, 90, 0.0),
        ]


@pytest.mark.parametrize("known_by", ["its trial", "its task"])
def test_golds_of_the_test_part_are_not_shown(
    ask: Callable[[str], list[tuple[Any, ...]]], store: Store, row: Callable[..., Any], known_by: str
) -> None:
    assert ask("SELECT DISTINCT gold FROM run_details") == [("36",)]
    store.record(row(TrialRow, part="test") if known_by == "its trial" else row(PartRow))
    store.flush()
    for view in ("runs_read", "run_details"):
        assert ask(f"SELECT gold FROM {view} WHERE status = 'ok'") == [(None,)]


def test_calls_with_their_texts(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask(
        "SELECT call_id, study_id, part, plan, node, model, prompt, reasoning, reply, tokens, usd, seconds "
        "FROM calls_read WHERE run_id = 'run' AND cached = 0"
    ) == [
        ("call", "study", "fit", "plan", "solve", "small", '[{"role":"user","content":"zwölf mal drei?"}]',
         "three dozen", "36", 40, 2.0, 1.5)
    ]  # fmt: skip


def test_spans_with_their_texts(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask("SELECT study_id, node, part, evidence, events, tokens FROM spans_read WHERE span_id = 'span'") == [
        ("study", "solve", "which?", '["a dozen is twelve"]', '[{"vote":"36"}]', 40)
    ]


def test_tokens_and_score_by_node_model_and_plan(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask(
        "SELECT study_id, part, plan, node, model, runs, score, calls, cached_calls, input_tokens, tokens, "
        "lost_tokens, usd FROM tokens_by_node_model_plan ORDER BY tokens"
    ) == [
        ("study", "fit", "plan", "solve", "small", 1, 1.0, 2, 1, 60, 80, 0, 4.0),
        (None, "headroom", "plan", "solve", "small", 1, 1.0, 1, 0, 0, 90, 90, 0.0),
    ]


def test_what_a_study_cost(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask(
        "SELECT study_id, state, unit, spend, used, paid_tokens, charged_usd, plans, runs, ended_at FROM study_costs"
    ) == [("study", "running", "tokens", 1000, 40, 40, 2.0, 1, 1, 103.0)]


def test_two_plans_question_by_question(
    ask: Callable[[str], list[tuple[Any, ...]]], store: Store, row: Callable[..., Any]
) -> None:
    store.record(row(TrialRow, trial_id="trial2", plan_hash="other"))
    store.record(row(RunRow, run_id="run2", trial_id="trial2", plan_hash="other", answer="63", score=0.0))
    store.record(row(RunRow, run_id="run3", trial_id="trial2", plan_hash="other", task_id="alone"))
    store.flush()
    assert ask(
        "SELECT part, question, answer, other_answer, score, other_score, run_id, other_run_id FROM plans_by_question "
        "WHERE plan = 'plan' AND other_plan = 'other'"
    ) == [("fit", "12*3", "36", "63", 1.0, 0.0, "run", "run2")]


def test_replies_that_could_not_be_read(
    ask: Callable[[str], list[tuple[Any, ...]]], store: Store, row: Callable[..., Any]
) -> None:
    odd = {"outcome": Status.PARSE_ERROR, "error": "no answer in it", "output_text": "dunno"}
    store.record(row(CallRow, call_id="odd", **odd))
    store.record(row(CallRow, call_id="cut off", finish_reason="", **odd))
    store.flush()
    assert ask("SELECT run_id, node, outcome, reason, reply FROM unread_replies WHERE run_id = 'run'") == [
        ("run", "solve", "parse_error", "no answer in it", "dunno")
    ]


def test_gates(ask: Callable[[str], list[tuple[Any, ...]]], store: Store, row: Callable[..., Any]) -> None:
    gate = '{"event":"gate","source":"solve","signal":"confidence","value":0.25,"open":true}'
    store.record(row(SpanRow, span_id="gated", node="search", events=f'[{gate},{{"event":"query"}},3,"x",null]'))
    store.record(row(SpanRow, span_id="odd", node="odd", events="[{"))
    store.flush()
    assert ask("SELECT run_id, plan, source, target, signal, value, open, score FROM gates") == [
        ("run", "plan", "solve", "search", "confidence", 0.25, 1, 1.0)
    ]


def test_stages_of_a_question_and_the_study_of_a_run_without_a_trial(
    ask: Callable[[str], list[tuple[Any, ...]]], store: Store, row: Callable[..., Any]
) -> None:
    store.open_account(AccountRow("batch-1", "task"))
    store.record(row(PartRow, seed=1, part="test"))
    store.record(row(PartRow, seed=2, part="fit"))
    for number, plan in enumerate(("cheap", "dear")):
        cascade = {"trial_id": None, "plan_hash": plan, "parent_account_id": "batch-1", "started_at": 200.0 + number}
        store.record(row(RunRow, run_id=f"stage{number}", **cascade))
    for number, elsewhere in enumerate(("runner-1", "task", "batch-1/looks")):
        store.record(row(RunRow, run_id=f"by hand {number}", trial_id=None, parent_account_id=elsewhere))
    store.flush()
    assert ask("SELECT study_id, part, question, stage, stages, plan, run_id FROM stages ORDER BY stage") == [
        ("study", "test", "12*3", 1, 2, "cheap", "stage0"),
        ("study", "test", "12*3", 2, 2, "dear", "stage1"),
    ]
    assert ask("SELECT study_id, part FROM run_details WHERE run_id = 'by hand 0'") == [(None, None)]


def test_a_view_says_where_a_text_is_not_kept_as_text(path: Path, row: Callable[..., Any]) -> None:
    with open_store(path, capture="hash") as store:
        store.record(row(CallRow))
    with open_store(path, compress=True) as store:
        store.record(row(CallRow, call_id="packed", output_text="so " * 200))
    with closing(sqlite3.connect(path)) as connection:
        replies = [*connection.execute("SELECT reply FROM calls_read ORDER BY call_id")]
    assert replies[1] == ("[compressed: 600 bytes]",)
    assert replies[0][0].startswith("[not kept: 2 bytes, sha256 76a50887d8f1c2e9")


def test_damaged_rows_do_not_keep_views_from_the_others(
    ask: Callable[[str], list[tuple[Any, ...]]], path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE task SET content = '{'")
        connection.execute("UPDATE study SET arguments = 'no JSON'")
    assert ask("SELECT count(*), count(question) FROM runs_read") == [(2, 0)]
    assert len(ask("SELECT * FROM failures")) == 3


@pytest.fixture
def judged(
    ask: Callable[[str], list[tuple[Any, ...]]], store: Store, row: Callable[..., Any]
) -> Callable[[str], list[tuple[Any, ...]]]:
    """A node that paid tools for a run, in a span without and in one with a call, and a judge without a verdict."""
    dear, none = Amount(0, 0, 3_000_000_000), Amount()
    call = Amount(40, 80, 2_000_000_000)
    store.record(row(SpanRow, span_id="agent1", run_id="run9", node="agent", charged=dear, lost=none))
    store.record(row(SpanRow, span_id="agent2", run_id="run9", node="agent", charged=call, lost=dear))
    store.record(row(CallRow, call_id="agent2", run_id="run9", span_id="agent2", charged=call))
    store.record(row(RunRow, run_id="run9", charged=call + dear, lost=dear, score=None, stop_reason="complete"))
    verdict = {"node": "(judge)", "kind": "judge", "status": Status.PARSE_ERROR, "reason": "no mark in 'As 36'"}
    store.record(row(SpanRow, span_id="verdict", run_id="run9", charged=call, lost=none, **verdict))
    said = {"request_messages": '[{"content":"the gold is 36"}]', "outcome": Status.PARSE_ERROR, "output_text": "As 36"}
    said["error"] = verdict["reason"]
    store.record(row(CallRow, call_id="verdict", run_id="run9", span_id="verdict", charged=call, **said))
    store.flush()
    return ask


def test_what_a_run_cost_has_its_tools_and_not_its_verdict(judged: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert judged(
        "SELECT calls, charged_tokens, paid_tokens, charged_usd, lost_usd, paid_usd, judge_tokens, judge_usd "
        "FROM cost_per_run WHERE run_id = 'run9'"
    ) == [(1, 40, 40, 5.0, 3.0, 8.0, 40, 2.0)]
    assert judged("SELECT tokens, usd FROM run_details WHERE run_id = 'run9'") == [(40, 8.0)]


def test_tools_and_verdicts_have_rows_of_their_own(judged: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert judged(
        "SELECT node, model, runs, score, calls, tokens, lost_tokens, usd FROM tokens_by_node_model_plan "
        "WHERE node <> 'solve' ORDER BY node, model"
    ) == [
        ("(judge)", "small", 1, None, 1, 40, 0, 2.0),
        ("agent", "(tools)", 1, None, 0, 0, 0, 6.0),
        ("agent", "small", 1, None, 1, 40, 0, 2.0),
    ]
    assert judged("SELECT node, calls, usd FROM tokens_per_node WHERE run_id = 'run9' ORDER BY node") == [
        ("(judge)", 1, 2.0),
        ("agent", 1, 8.0),
    ]


def test_a_run_without_a_verdict_says_why(judged: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert judged("SELECT status, reason, score FROM runs_read WHERE score IS NULL") == [
        ("ok", "no verdict: no mark in 'As 36'", None)
    ]
    assert judged("SELECT what, name, lost_usd, text FROM failures WHERE run_id = 'run9' ORDER BY what") == [
        ("call", "small", 0.0, "As 36"),
        ("span", "(judge)", 0.0, "36"),
    ]


def test_a_verdict_on_a_question_of_the_test_part_does_not_tell_the_gold(
    judged: Callable[[str], list[tuple[Any, ...]]], store: Store, row: Callable[..., Any]
) -> None:
    hidden = "[not shown: a verdict on a question of the test part]"
    told = (hidden,) * 3
    texts = "SELECT prompt, reasoning, reply FROM calls_read WHERE call_id = '{}'"
    assert judged(texts.format("verdict"))[0][::2] == ('[{"content":"the gold is 36"}]', "As 36")
    store.record(row(PartRow))
    store.flush()
    assert judged(texts.format("verdict")) == [told]
    assert judged("SELECT text FROM failures WHERE id = 'verdict' AND what = 'call'") == [told[:1]]
    assert judged("SELECT prompt, reasoning, reply FROM unread_replies WHERE call_id = 'verdict'") == [told]
    reasons = (
        "SELECT reason FROM calls_read UNION ALL SELECT reason FROM spans_read UNION ALL SELECT reason FROM failures "
        "UNION ALL SELECT reason FROM run_details"
    )
    found = [reason for (reason,) in judged(reasons) if "verdict" in reason]
    assert sorted(found) == [hidden] * 4 + [f"no verdict: {hidden}"]
    assert not any("As 36" in reason for (reason,) in judged(reasons))
    assert judged(texts.format("agent2"))[0][2] == "36", "what the nodes said is no secret"
