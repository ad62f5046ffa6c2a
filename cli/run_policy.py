"""`apportion run --policy`: one question, answered as a deployed policy decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from .output import complain, say

if TYPE_CHECKING:
    from ..budgets.cap import Cap
    from ..models.pool import Pool
    from ..optimizers.serving.answer import Served
    from ..optimizers.serving.policy import DeployedPolicy
    from ..optimizers.tables.table import Arm
    from ..stores.capture import Capture

__all__ = ["NO_ANSWER", "load_policy", "run_policy"]

NO_ANSWER = 5
"""The exit code of a question that got no answer."""


def run_policy(
    path: str,
    dial: float | None,
    question: str,
    pool: Pool,
    cap: Cap | None,
    db: str,
    json: str | None,
    allow: Sequence[str] = (),
    *,
    strict: bool = False,
    capture: Capture = "full",
    compress: bool = False,
) -> None:
    """Answers a question and prints what came of it; exits with `NO_ANSWER` where it got none.

    Args:
        path: of the policy file.
        dial: where between the cheapest and the dearest; as it was searched where it is None.
        question: what is asked.
        pool: has the policy's models.
        cap: the ceiling.
        db: SQLite file that keeps every call.
        json: file for the result.
        allow: modules that the file may name.
        strict: whether code that has changed since is an error; it is a warning otherwise.
        capture: what the file keeps of texts, as `open_store`.
        compress: whether it keeps them compressed.
    """
    from ..stores.opening import open_store
    from .loading import admitted, check_pool, program, write_json
    from .numbers import number

    policy = load_policy(path, pool, admitted(allow), strict=strict)
    policy = policy if dial is None else policy.dial(dial)
    check_pool(pool)
    store = open_store(db, durable=pool.costs_money, capture=capture, compress=compress)
    try:
        found = policy.invoke(question, cap=cap, store=store)
        try:
            say(found.answer or f"no answer: {found.reason or found.stop_reason}")
            say(f"{found.status.value}: {found.charged.tokens:,} tokens charged, {found.lost.tokens:,} lost")
            arm = next((arm for arm in policy.arms if arm.name == found.arm), None)
            what = "leaves it unanswered" if arm is None else f"gives it {_given(arm)}"
            say(f"policy {policy.name} at {number(policy.budget)} {policy.unit} a question {what}")
            if found.run_ids:
                say(f"next:\n  {program()} show {found.run_ids[-1][:8]} --db {db}")
        finally:
            write_json(json, _to_json(found))
    finally:
        store.close()
    if not found.answer:
        raise typer.Exit(NO_ANSWER)


def load_policy(path: str, pool: Pool, allow: Sequence[str], *, strict: bool) -> DeployedPolicy:
    """Reads a policy file, and says what has changed since it was written; arguments as of `run_policy`."""
    import warnings

    from ..optimizers.serving.policy import DeployedPolicy

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        policy = DeployedPolicy.load(path, pool=pool, allow=allow, strict=strict)
    for warning in told:
        complain(f"warning: {warning.message}")
    return policy


def _given(arm: Arm) -> str:
    """What an arm runs, in a few words."""
    from ..optimizers.tables.arms import plan_of

    if arm.stages:
        what = "one plan" if len(arm.stages) == 1 else f"a cascade of {len(arm.stages)} plans"
        return f"{what}, whose answer stands at a confidence of {arm.answers_at:.2f}" if arm.answers_at else what
    return ", ".join(f"{name}={value}" for name, value in plan_of(arm).values.items()) or "the only plan there is"


def _to_json(found: Served) -> str:
    import json

    from .encoding import amount_fields

    return json.dumps(
        {
            "run_ids": found.run_ids,
            "task_id": found.task_id,
            "arm": found.arm,
            "status": found.status.value,
            "stop_reason": found.stop_reason,
            "reason": found.reason,
            "answer": found.answer,
            "data": found.data,
            "charged": amount_fields(found.charged),
            "lost": amount_fields(found.lost),
        },
        indent=2,
        ensure_ascii=False,
    )
