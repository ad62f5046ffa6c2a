"""`apportion run --policy P --in FILE --out FILE`: a file of questions, answered as a deployed policy decides."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from ..errors import UsageError
from .output import say

if TYPE_CHECKING:
    from ..budgets.cap import Cap
    from ..models.pool import Pool
    from ..optimizers.serving.answer import Served
    from ..optimizers.serving.policy import DeployedPolicy
    from ..records.protocols import StudyStore
    from ..records.rows import AccountRow
    from ..records.task import Task
    from ..stores.capture import Capture

if sys.platform != "win32":
    import fcntl

__all__ = ["run_batch"]

_AGAIN = frozenset({"budget", "cancelled", "provider_error", "timeout"})
"""Statuses of questions that are asked again by the next command; whatever else came of one stands."""
_TOLD = 10
"""How often progress is told of, at most."""


def run_batch(
    path: str,
    questions: str,
    out: str,
    pool: Pool,
    cap: Cap,
    db: str,
    allow: Sequence[str] = (),
    *,
    strict: bool,
    capture: Capture = "full",
    compress: bool = False,
) -> None:
    """Answers the questions of a file that have no line in the file of answers yet, under one cap for all of it.

    Exits with 5 where a question is left without an answer by a cap or a failure; asked again, it goes on there.

    Args:
        path: of the policy file.
        questions: a dev set; only questions are needed.
        out: JSONL, a line for each question as soon as it is answered.
        pool: has the policy's models.
        cap: the total for all questions, those of earlier commands on the same files and database included; and
            perhaps the most for each.
        db: SQLite file that keeps every call.
        allow: modules that the files may name.
        strict: whether code that has changed since is an error; it is a warning otherwise.
        capture: what the file keeps of texts, as `open_store`.
        compress: whether it keeps them compressed.

    Raises:
        UsageError: a file cannot be read or written, another command is writing the answers, or the cap is used up or
            lower than before.
    """
    from ..graphs.portal import run_closing
    from ..stores.opening import open_store
    from ..tasks.devset import load_tasks
    from .loading import admitted, check_pool
    from .run_policy import NO_ANSWER, load_policy

    modules = admitted(allow)
    policy = load_policy(path, pool, modules, strict=strict)
    tasks = load_tasks(questions, allow=modules)
    _kept_lines(Path(out))  # before anything else, so that a wrong name costs nothing
    check_pool(pool)
    store = open_store(db, durable=pool.costs_money, capture=capture, compress=compress)
    try:
        _check_alone(Path(out))
        lines = _kept_lines(Path(out))
        answered_before = {line["task_id"] for line in lines}
        left = [task for task in tasks if task.task_id not in answered_before]
        with _rewritten(Path(out), lines) as answers:
            if left:
                run_closing(policy.aclose, _answer, policy, left, len(tasks), answers, cap, store, Path(out))
    finally:
        store.close()
    found = _kept_lines(Path(out))
    asked = {task.task_id for task in tasks}
    told = [line for line in found if line["task_id"] in asked]
    answered = sum(bool(line["answer"]) for line in told)
    say(f"{answered:,} of {len(tasks):,} questions answered, in {out}")
    if len(told) < len(tasks):
        say(f"{len(tasks) - len(told):,} were stopped by the cap or a failure; the same command asks them again")
        raise typer.Exit(NO_ANSWER)


async def _answer(
    policy: DeployedPolicy,
    tasks: Sequence[Task],
    of: int,
    answers: TextIO,
    cap: Cap,
    store: StudyStore,
    out: Path,
) -> None:
    """Answers tasks, and writes what came of each as soon as it is known."""
    import json

    from ..budgets.cap import Cap, in_unit

    by_id, done = {task.task_id: task for task in tasks}, of - len(tasks)

    def finished(served: Served) -> None:
        nonlocal done
        done += 1
        answers.write(json.dumps(_line(by_id[served.task_id], served), ensure_ascii=False) + "\n")
        answers.flush()
        if done % -(-of // _TOLD) == 0:
            say(f"{done:,} of {of:,} questions", flush=True)

    account = _account(out, cap)
    async with policy.opened(store=store) as opened:
        opened.open_account(account)
        spent = store.balance(account.account_id).paid
        rest = (cap.total or 0.0) - in_unit(spent, cap.unit)
        if rest <= 0:
            raise UsageError(f"the cap for {out} is used up, with {len(tasks):,} questions to go; raise --cap")
        limit = Cap(total=rest, per_task=cap.per_task, unit=cap.unit)
        await opened.ainvoke_batch(tasks, limit, parent_account=account.account_id, finished=finished)


def _account(out: Path, cap: Cap) -> AccountRow:
    """The account of a file of answers: the same for every command that writes it."""
    from hashlib import sha256

    from ..records.rows import AccountRow

    name = sha256(str(out.resolve()).encode()).hexdigest()[:16]
    return AccountRow(f"answers-{name}", None, cap.batch_limit(1, 1), "paid", f"answers in {out.name}")


def _line(task: Task, served: Served) -> dict[str, Any]:
    from .encoding import amount_fields

    named = {"name": task.name} if task.name else {}
    return {
        "task_id": task.task_id,
        **named,
        "question": task.question,
        "answer": served.answer,
        "status": served.status.value,
        "reason": served.reason,
        "arm": served.arm,
        "confidence": served.confidence,
        "data": served.data,
        "charged": amount_fields(served.charged),
        "lost": amount_fields(served.lost),
        "run_ids": list(served.run_ids),
    }


def _kept_lines(out: Path) -> list[dict[str, Any]]:
    """The lines of a file of answers that stand: not those of questions to be asked again, nor one cut off at the end.

    Raises:
        UsageError: it is no such file.
    """
    import json

    from ..records.files import read_text

    if not out.exists():
        return []
    if not out.is_file():
        raise UsageError(f"{str(out)!r} is no file; answers need one that can be read again, with --out")
    *lines, _ = read_text(out).split("\n")  # behind the last line end there is nothing, or a line that was cut off
    kept = []
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            if line["status"] not in _AGAIN and isinstance(line["task_id"], str) and isinstance(line["answer"], str):
                kept.append(line)
        except (KeyError, RecursionError, TypeError, ValueError):
            raise UsageError(f"{out}:{number}: this is no line of answers; name another file with --out") from None
    return kept


def _check_alone(out: Path) -> None:
    """Two commands on one file would each drop what the other writes.

    Raises:
        UsageError: another command is writing it.
    """
    if sys.platform == "win32" or not out.exists():
        return
    with out.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another command is writing {str(out)!r}; wait for it, or name another --out") from None


def _rewritten(out: Path, lines: Sequence[dict[str, Any]]) -> TextIO:
    """The file with these lines, open for more.

    Raises:
        UsageError: it cannot be written.
    """
    import json

    try:
        beside = out.with_name(f"{out.name}.new")
        file = beside.open("w", encoding="utf-8")
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        file.flush()
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX)
        beside.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write {str(out)!r}: {error.strerror}") from None
    return file
