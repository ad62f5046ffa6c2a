"""The views for those who read a database with SQL: named for what people ask, in tokens, dollars and seconds.

They are made anew at the end of every migration, so a change here needs a step in `migrations`, an empty one at least.
What stands in a view in place of a text that was not kept as text says so. Golds of tasks that belong to the test part
of any study are hidden, and so is what a judge was told and said of these tasks, which may have the gold in it; the
tables `task` and `text` have both.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..records.rows import JUDGE_NODE

__all__ = ["HIDDEN", "OF_TEST", "VIEWS"]

HIDDEN = "[not shown: a verdict on a question of the test part]"
"""What stands for a text that may have such a gold in it."""
OF_TEST = (
    "run.task_id IN (SELECT task_id FROM part WHERE part = 'test') OR "
    "run.trial_id IN (SELECT trial_id FROM trial WHERE part = 'test')"
)
"""Whether the row of `run` is of a question of the test part of any study."""


def _text(column: str) -> str:
    """A text by its hash. A subquery, so that nothing is looked up where the column is not asked for."""
    return (
        "(SELECT CASE typeof(content) WHEN 'text' THEN content WHEN 'blob' THEN '[compressed: ' || bytes || ' bytes]' "
        f"ELSE '[not kept: ' || bytes || ' bytes, sha256 ' || hash || ']' END FROM text WHERE hash = {column})"
    )


def _unless_verdict(span_id: str, column: str, shown: str) -> str:
    """What is shown of a column, but for verdicts on questions of the test part; those on runs that go on may be."""
    return (
        f"CASE WHEN {column} <> '' AND EXISTS (SELECT 1 FROM span AS verdict "
        f"LEFT JOIN run ON run.run_id = verdict.run_id WHERE verdict.span_id = {span_id} "
        f"AND verdict.node = '{JUDGE_NODE}' AND (run.run_id IS NULL OR {OF_TEST})) THEN '{HIDDEN}' ELSE {shown} END"
    )


def _said(column: str) -> str:
    """A text of a call."""
    return _unless_verdict("call.span_id", column, _text(column))


def _of_task(field: str) -> str:
    path = f"json_extract(content, '$.{field}')"
    return f"(SELECT CASE WHEN json_valid(content) THEN {path} END FROM task WHERE task.task_id = run.task_id)"


_ABOVE = (
    "WITH RECURSIVE above (account_id, parent_id) AS ("
    "SELECT account_id, parent_id FROM account WHERE account_id = run.parent_account_id "
    "UNION SELECT account.account_id, account.parent_id "
    "FROM account JOIN above ON account.account_id = above.parent_id) "
)
"""A run that belongs to no trial, as those of a batch, was paid for by its study all the same."""
_STUDY = (
    "CASE WHEN run.trial_id IS NULL THEN "
    f"({_ABOVE} SELECT study_id FROM study JOIN above USING (account_id)) "
    "ELSE (SELECT study_id FROM trial WHERE trial.trial_id = run.trial_id) END"
)
_PART = (
    "CASE WHEN run.trial_id IS NULL THEN "
    f"({_ABOVE} SELECT part.part FROM study JOIN above USING (account_id) JOIN part ON part.task_id = run.task_id "
    "AND part.seed = CASE WHEN json_valid(study.arguments) THEN json_extract(study.arguments, '$.seed') END) "
    "WHEN run.trial_id LIKE 'headroom%' THEN 'headroom' "
    "ELSE (SELECT part FROM trial WHERE trial.trial_id = run.trial_id) END"
)
_GOLD = f"CASE WHEN {OF_TEST} THEN NULL ELSE {_of_task('gold')} END"
_CALL_ERROR = _unless_verdict("call.span_id", "call.error", "call.error")
_SPAN_REASON = _unless_verdict("span.span_id", "span.reason", "span.reason")
"""Reasons quote what a judge said."""
_REASON = "CASE reason WHEN '' THEN stop_reason ELSE reason END"
_NO_VERDICT = (
    f"CASE WHEN run.reason = '' AND run.score IS NULL THEN (SELECT 'no verdict: ' || {_SPAN_REASON} FROM span "
    f"WHERE span.run_id = run.run_id AND span.node = '{JUDGE_NODE}' AND span.kind = 'judge' AND span.status <> 'ok') "
    "END"
)
_IN_UNIT = "CASE limit_unit WHEN 'tokens' THEN {0} WHEN 'weighted' THEN {0} / 1e6 ELSE {0} / 1e9 END"

_RUN_DETAILS = f"""
SELECT run.run_id, {_STUDY} AS study_id, {_PART} AS part, run.trial_id, run.plan_hash AS plan, run.task_id,
  (SELECT family FROM task WHERE task.task_id = run.task_id) AS family, {_of_task("question")} AS question,
  {_GOLD} AS gold, run.answer, run.abstained, run.status, run.stop_reason,
  coalesce({_NO_VERDICT}, {_REASON}) AS reason, run.score,
  run.charged_tokens + run.lost_tokens AS tokens, run.lost_tokens,
  (run.charged_microweighted + run.lost_microweighted) / 1e6 AS weighted,
  (run.charged_nanousd + run.lost_nanousd) / 1e9 AS usd, run.started_at, run.ended_at, run.latency_seconds,
  run.parent_account_id
FROM run
"""
_RUNS_READ = """
SELECT study_id, part, plan, question, gold, answer, status, reason, score, tokens, usd FROM run_details
"""
_CALLS_READ = f"""
SELECT call.call_id, call.run_id, call.span_id, run_details.study_id, run_details.part, run_details.plan, span.node,
  span.kind, span.round, call.gen_ai_request_model AS model, call.attempt, call.sample_index, call.outcome,
  {_CALL_ERROR} AS reason, call.cached, {_said("call.gen_ai_input_messages_hash")} AS prompt,
  {_said("call.reasoning_hash")} AS reasoning, {_said("call.gen_ai_output_messages_hash")} AS reply,
  call.gen_ai_usage_input_tokens AS input_tokens, call.gen_ai_usage_output_tokens AS output_tokens,
  call.gen_ai_usage_reasoning_output_tokens AS reasoning_tokens, call.charged_tokens + call.lost_tokens AS tokens,
  (call.charged_nanousd + call.lost_nanousd) / 1e9 AS usd, call.gen_ai_response_finish_reasons AS finish_reason,
  call.started_at, call.ended_at - call.started_at AS seconds
FROM call LEFT JOIN span ON span.span_id = call.span_id LEFT JOIN run_details ON run_details.run_id = call.run_id
"""
_SPANS_READ = f"""
SELECT span.span_id, span.run_id, run_details.study_id, run_details.part AS study_part, run_details.plan, span.node,
  span.kind, span.round, span.part, span.status, span.answer, {_SPAN_REASON} AS reason,
  {_text("span.evidence_hash")} AS evidence, {_text("span.events_hash")} AS events,
  span.charged_tokens + span.lost_tokens AS tokens,
  (span.charged_nanousd + span.lost_nanousd) / 1e9 AS usd, span.started_at,
  span.ended_at - span.started_at AS seconds
FROM span LEFT JOIN run_details ON run_details.run_id = span.run_id
"""
# What a node was charged beyond its calls, it paid for tools; few runs have that, and they are known by their totals.
_CHARGES = f"""
WITH called AS MATERIALIZED (
  SELECT call.run_id, span.node, span.kind, call.gen_ai_request_model AS model, count(*) AS calls,
    sum(call.cached) AS cached_calls, coalesce(sum(call.gen_ai_usage_input_tokens), 0) AS input_tokens,
    coalesce(sum(call.gen_ai_usage_output_tokens), 0) AS output_tokens,
    coalesce(sum(call.gen_ai_usage_reasoning_output_tokens), 0) AS reasoning_tokens,
    sum(call.lost_tokens) AS lost_tokens, sum(call.charged_tokens + call.lost_tokens) AS tokens,
    sum(call.charged_nanousd + call.lost_nanousd) AS nanousd
  FROM call JOIN span ON span.span_id = call.span_id
  GROUP BY call.run_id, span.node, span.kind, model),
paying AS MATERIALIZED (
  SELECT run.run_id FROM run LEFT JOIN (
    SELECT run_id, sum(nanousd) AS nanousd FROM called WHERE node <> '{JUDGE_NODE}' GROUP BY run_id
  ) AS made ON made.run_id = run.run_id
  WHERE run.charged_nanousd + run.lost_nanousd > coalesce(made.nanousd, 0))
SELECT * FROM called
UNION ALL SELECT run_id, node, kind, '(tools)', 0, 0, 0, 0, 0, 0, 0, sum(nanousd) FROM (
  SELECT run_id, node, kind, charged_nanousd + lost_nanousd AS nanousd FROM span WHERE run_id IN paying
  UNION ALL SELECT run_id, node, kind, -nanousd FROM called WHERE run_id IN paying)
GROUP BY run_id, node, kind HAVING sum(nanousd) > 0
"""
_TOKENS_BY_NODE_MODEL_PLAN = """
SELECT study_id, part, plan, charges.node, charges.kind, charges.model, count(*) AS runs, avg(score) AS score,
  sum(calls) AS calls, sum(cached_calls) AS cached_calls, sum(input_tokens) AS input_tokens,
  sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens,
  sum(charges.tokens) AS tokens, sum(charges.lost_tokens) AS lost_tokens, sum(nanousd) / 1e9 AS usd
FROM charges JOIN run_details ON run_details.run_id = charges.run_id
GROUP BY study_id, part, plan, charges.node, charges.kind, charges.model
"""
_STUDY_COSTS = f"""
SELECT study.study_id, study.created_at, study.state, study.test_reads, limit_unit AS unit,
  {_IN_UNIT.format("limit_value")} AS spend, {_IN_UNIT.format("used")} AS used, paid_tokens, lost_tokens,
  charged_tokens, paid_nanousd / 1e9 AS paid_usd, lost_nanousd / 1e9 AS lost_usd, charged_nanousd / 1e9 AS charged_usd,
  (SELECT count(DISTINCT plan_hash) FROM trial WHERE trial.study_id = study.study_id) AS plans,
  coalesce(made.runs, 0) AS runs, made.ended_at,
  (SELECT max(score) FROM trial WHERE trial.study_id = study.study_id AND part = 'validation' AND state = 'complete')
    AS best_on_validation
FROM study LEFT JOIN account ON account.account_id = study.account_id
LEFT JOIN (SELECT study_id, count(*) AS runs, max(ended_at) AS ended_at FROM run_details GROUP BY study_id) AS made
  ON made.study_id = study.study_id
"""
_PLANS_BY_QUESTION = """
SELECT a.study_id, a.part, a.task_id, a.family, a.question, a.gold, a.plan, b.plan AS other_plan, a.answer,
  b.answer AS other_answer, a.status, b.status AS other_status, a.score, b.score AS other_score, a.tokens,
  b.tokens AS other_tokens, a.usd, b.usd AS other_usd, a.run_id, b.run_id AS other_run_id
FROM run_details AS a JOIN run_details AS b ON b.task_id = a.task_id AND b.plan <> a.plan
WHERE a.study_id = b.study_id AND a.part = b.part
"""
_FAILURES = f"""
SELECT 'run' AS what, run_id AS id, run_id, ended_at AS at, status, task_id AS name, {_REASON} AS reason, lost_tokens,
  lost_nanousd / 1e9 AS lost_usd, {_of_task("question")} AS text
FROM run WHERE status <> 'ok'
UNION ALL SELECT 'span', span_id, run_id, ended_at, status, node, {_SPAN_REASON}, lost_tokens,
  lost_nanousd / 1e9, answer
FROM span WHERE status <> 'ok'
UNION ALL SELECT 'call', call_id, run_id, ended_at, outcome, gen_ai_request_model, {_CALL_ERROR}, lost_tokens,
  lost_nanousd / 1e9, {_said("call.gen_ai_output_messages_hash")}
FROM call WHERE outcome <> 'ok'
UNION ALL SELECT 'reservation', reservation_id, NULL, closed_at, 'lost', account_id, 'its process ended', lost_tokens,
  lost_nanousd / 1e9, NULL
FROM reservation WHERE state = 'lost'
"""
_UNREAD_REPLIES = """
SELECT study_id, part, plan, run_id, call_id, node, kind, model, outcome, reason, prompt, reasoning, reply, tokens, usd
FROM calls_read WHERE outcome NOT IN ('ok', 'cancelled') AND finish_reason <> ''
"""
_GATES = """
SELECT run_details.study_id, run_details.part, run_details.plan, span.run_id, run_details.family,
  json_extract(event.value, '$.source') AS source, span.node AS target, span.round,
  json_extract(event.value, '$.signal') AS signal, json_extract(event.value, '$.value') AS value,
  json_extract(event.value, '$.open') AS open, span.status, run_details.score
FROM span JOIN text ON text.hash = span.events_hash
JOIN json_each(
  CASE WHEN typeof(text.content) = 'text' AND json_valid(text.content) THEN text.content ELSE '[]' END) AS event
LEFT JOIN run_details ON run_details.run_id = span.run_id
WHERE event.type = 'object'
  AND CASE event.type WHEN 'object' THEN json_extract(event.value, '$.event') END = 'gate'
"""
# Policies serve from accounts of such names: one for a question, or one for a batch.
_STAGES = """
SELECT study_id, part, parent_account_id AS account_id, task_id, family, question,
  row_number() OVER asked AS stage, count(*) OVER (PARTITION BY parent_account_id, task_id) AS stages,
  plan, answer, abstained, status, score, tokens, usd, run_id
FROM run_details
WHERE trial_id IS NULL
  AND (parent_account_id GLOB 'question-*' OR parent_account_id GLOB 'batch-*' AND parent_account_id NOT GLOB '*/*')
WINDOW asked AS (PARTITION BY parent_account_id, task_id ORDER BY started_at)
"""
_TOKENS_PER_NODE = """
SELECT span.run_id, span.node, span.kind, count(*) AS spans, coalesce(sum(made.calls), 0) AS calls,
  coalesce(sum(made.cached), 0) AS cached_calls,
  coalesce(sum(made.input_tokens), 0) AS input_tokens, coalesce(sum(made.output_tokens), 0) AS output_tokens,
  sum(span.charged_tokens) AS charged_tokens, sum(span.lost_tokens) AS lost_tokens,
  (sum(span.charged_nanousd) + sum(span.lost_nanousd)) / 1e9 AS usd
FROM span LEFT JOIN (
  SELECT span_id, count(*) AS calls, sum(cached) AS cached, sum(gen_ai_usage_input_tokens) AS input_tokens,
    sum(gen_ai_usage_output_tokens) AS output_tokens
  FROM call GROUP BY span_id
) AS made ON made.span_id = span.span_id
GROUP BY span.run_id, span.node, span.kind
"""


def _of_calls(what: str) -> str:
    """A sum over the calls of a run, but for those of verdicts."""
    verdicts = f"SELECT span_id FROM span WHERE span.run_id = run.run_id AND node = '{JUDGE_NODE}'"
    return f"(SELECT coalesce({what}, 0) FROM call WHERE call.run_id = run.run_id AND span_id NOT IN ({verdicts}))"


def _of_verdicts(what: str) -> str:
    return f"(SELECT coalesce({what}, 0) FROM span WHERE span.run_id = run.run_id AND node = '{JUDGE_NODE}')"


# Whatever a run was charged for was paid, but for what came from the cache.
_COST_PER_RUN = f"""
SELECT run.run_id, run.trial_id, CASE WHEN run.trial_id LIKE 'headroom%' THEN 'headroom' ELSE trial.part END AS part,
  run.task_id, run.plan_hash, run.status, run.score, {_of_calls("count(*)")} AS calls,
  run.charged_tokens, run.lost_tokens,
  run.charged_tokens + run.lost_tokens - {_of_calls("sum(cached * charged_tokens)")} AS paid_tokens,
  run.charged_microweighted / 1e6 AS charged_weighted, run.charged_nanousd / 1e9 AS charged_usd,
  run.lost_nanousd / 1e9 AS lost_usd,
  (run.charged_nanousd + run.lost_nanousd - {_of_calls("sum(cached * charged_nanousd)")}) / 1e9 AS paid_usd,
  {_of_verdicts("sum(charged_tokens + lost_tokens)")} AS judge_tokens,
  {_of_verdicts("sum(charged_nanousd + lost_nanousd)")} / 1e9 AS judge_usd,
  run.latency_seconds AS latency, run.ended_at - run.started_at AS seconds
FROM run LEFT JOIN trial ON trial.trial_id = run.trial_id
"""
_SPEND = f"""
SELECT account_id, parent_id, label, measure, limit_unit, {_IN_UNIT.format("limit_value")} AS limit_value,
  {_IN_UNIT.format("used")} AS used, {_IN_UNIT.format("(limit_value - used)")} AS free, in_flight,
  charged_tokens, lost_tokens, paid_tokens, reserved_tokens, charged_nanousd / 1e9 AS charged_usd,
  lost_nanousd / 1e9 AS lost_usd, paid_nanousd / 1e9 AS paid_usd
FROM account
"""

VIEWS: Mapping[str, str] = {
    "run_details": _RUN_DETAILS,
    "runs_read": _RUNS_READ,
    "calls_read": _CALLS_READ,
    "spans_read": _SPANS_READ,
    "charges": _CHARGES,
    "tokens_by_node_model_plan": _TOKENS_BY_NODE_MODEL_PLAN,
    "study_costs": _STUDY_COSTS,
    "plans_by_question": _PLANS_BY_QUESTION,
    "failures": _FAILURES,
    "unread_replies": _UNREAD_REPLIES,
    "gates": _GATES,
    "stages": _STAGES,
    "tokens_per_node": _TOKENS_PER_NODE,
    "cost_per_run": _COST_PER_RUN,
    "spend": _SPEND,
}
"""By name, the query; those on which others rest come first."""
