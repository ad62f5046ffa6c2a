from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apportion.errors import UsageError
from apportion.nodes.symbolic import solve as solve_module
from apportion.nodes.symbolic.constraints import AllDifferent, Compare, Linear
from apportion.nodes.symbolic.process import SolverProcess
from apportion.nodes.symbolic.schema import MOST_BYTES, TOO_LONG, Problem, Shown
from apportion.nodes.symbolic.solve import SolverOutcome, SymbolicWorker
from apportion.nodes.symbolic.variables import IntVariable, Relation, Term
from apportion.records.status import Status


def letters() -> Problem:
    """SEND + MORE = MONEY (Dudeney, 1924), which has one solution."""
    names = tuple("SENDMORY")
    weights = {"S": 1000, "E": 91, "N": -90, "D": 1, "M": -9000, "O": -900, "R": 10, "Y": -1}
    return Problem(
        variables=tuple(IntVariable(name=name, low=1 if name in "SM" else 0, high=9) for name in names),
        constraints=(
            AllDifferent(variables=names),
            Linear(
                terms=tuple(Term(variable=name, coefficient=weights[name]) for name in names),
                relation="==",
                constant=0,
            ),
        ),
    )


def number(value: int, relation: Relation = "==") -> Problem:
    return Problem(
        variables=(IntVariable(name="a", low=0, high=99),),
        constraints=(Compare(variable="a", relation=relation, value=value),),
        answer=Shown(form="values"),
    )


@pytest.fixture(scope="module")
def worker() -> Iterator[SymbolicWorker]:
    with SymbolicWorker() as shared:
        yield shared


def test_a_puzzle_is_solved_checked_and_printed(worker: SymbolicWorker) -> None:
    outcome = asyncio.run(worker.solve(letters()))
    assert outcome.status is Status.OK
    assert outcome.answer == "S=9 E=5 N=6 D=7 M=1 O=0 R=8 Y=2"
    assert dict(outcome.assignment)["E"] == 5


def test_unsat_is_an_outcome_without_an_answer(worker: SymbolicWorker) -> None:
    outcome = asyncio.run(worker.solve(number(100)))
    assert outcome == SolverOutcome(Status.UNSAT, reason="the constraints contradict each other")


def test_many_callers_on_several_loops_share_one_worker(worker: SymbolicWorker) -> None:
    seen: dict[int, list[str]] = {}

    async def ask(loop: int) -> None:
        outcomes = await asyncio.gather(*(worker.solve(number(10 * loop + i)) for i in range(10)))
        seen[loop] = [outcome.answer for outcome in outcomes]

    threads = [threading.Thread(target=lambda i=i: asyncio.run(ask(i))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {loop: [str(10 * loop + i) for i in range(10)] for loop in range(4)}


def test_a_caller_that_is_cancelled_leaves_the_others_alone(worker: SymbolicWorker) -> None:
    async def main() -> str:
        given_up = [asyncio.ensure_future(worker.solve(number(1))) for _ in range(5)]
        kept = asyncio.ensure_future(worker.solve(number(7)))
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        return (await kept).answer

    assert asyncio.run(main()) == "7"


def test_callers_without_a_loop_use_a_future(worker: SymbolicWorker) -> None:
    assert worker.submit(number(3)).result().answer == "3"


def process_of(worker: SymbolicWorker) -> SolverProcess:
    (process,) = worker._idle
    return process


def until_busy(worker: SymbolicWorker) -> None:
    while worker._idle:
        time.sleep(0.01)


def test_a_process_that_died_while_idle_is_replaced(worker: SymbolicWorker) -> None:
    worker.submit(number(1)).result()
    old = process_of(worker)
    os.kill(old.pid, signal.SIGKILL)
    while old.alive:
        time.sleep(0.01)
    assert worker.submit(number(2)).result().answer == "2"
    assert process_of(worker).pid != old.pid


def test_a_crash_while_solving_is_typed_and_the_next_problem_is_solved(worker: SymbolicWorker) -> None:
    worker.submit(number(1)).result()
    # Stopped first, so that the crash surely falls into the solving.
    pid = process_of(worker).pid
    os.kill(pid, signal.SIGSTOP)
    future = worker.submit(number(1))
    until_busy(worker)
    os.kill(pid, signal.SIGABRT)
    os.kill(pid, signal.SIGCONT)
    outcome = future.result()
    assert outcome.status is Status.UNKNOWN
    assert "SIGABRT" in outcome.reason
    assert outcome.answer == ""
    assert worker.submit(number(2)).result().answer == "2"


def test_the_clock_ends_a_hanging_process_and_the_next_problem_is_solved(worker: SymbolicWorker) -> None:
    worker.submit(number(1)).result()
    os.kill(process_of(worker).pid, signal.SIGSTOP)
    outcome = worker.submit(number(1), 0.2).result()
    assert outcome == SolverOutcome(Status.TIMEOUT, reason="stopped after 0.2 s")
    assert worker.submit(number(2)).result().answer == "2"


def test_a_text_that_is_no_problem_is_an_outcome_with_the_reason(worker: SymbolicWorker) -> None:
    outcome = worker.submit('{"variables": [], "run": "import os"}').result()
    assert outcome.status is Status.PARSE_ERROR
    assert outcome.reason.startswith("variables")


def test_a_text_that_is_too_long_reaches_no_process() -> None:
    with SymbolicWorker() as worker:
        outcome = worker.submit(" " * (MOST_BYTES + 1)).result()
        assert outcome == SolverOutcome(Status.PARSE_ERROR, reason=TOO_LONG)
        assert worker._idle == []


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "ok", "assignment": [7], "answer": "a=7"},
        {"status": "ok", "assignment": {"a": 7}},
        {"status": "ok"},
        {"status": "fine"},
        {},
        [],
    ],
)
def test_another_reply_than_was_agreed_is_an_error(reply: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class Liar:
        alive = True

        def __init__(self, memory: int) -> None: ...

        def ask(self, request: str, seconds: float) -> str:
            return json.dumps(reply)

        def end(self) -> None: ...

    monkeypatch.setattr(solve_module, "SolverProcess", Liar)
    with SymbolicWorker() as worker:
        outcome = worker.submit(number(7)).result()
    assert outcome.status is Status.UNKNOWN
    assert "said something else" in outcome.reason
    assert outcome.answer == ""
    assert not outcome.assignment


def test_nothing_starts_before_the_first_problem() -> None:
    with SymbolicWorker() as worker:
        assert worker._idle == []


def test_closing_ends_the_process_and_answers_those_who_wait() -> None:
    async def main() -> tuple[list[SolverOutcome], int]:
        worker = SymbolicWorker()
        await worker.solve(number(1))
        pid = process_of(worker).pid
        os.kill(pid, signal.SIGSTOP)
        waiting = [asyncio.ensure_future(worker.solve(number(1), 60.0)) for _ in range(3)]
        await asyncio.to_thread(until_busy, worker)
        await asyncio.to_thread(worker.close)
        return await asyncio.gather(*waiting), pid

    outcomes, pid = asyncio.run(main())
    assert {outcome.status for outcome in outcomes} == {Status.UNKNOWN}
    assert {outcome.reason for outcome in outcomes} == {"the worker was closed"}
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_closed_worker_refuses_and_may_be_closed_again() -> None:
    worker = SymbolicWorker()
    worker.close()
    worker.close()
    with pytest.raises(UsageError, match="is closed; make a new one"):
        worker.submit(number(1))


def test_a_worker_needs_a_process() -> None:
    with pytest.raises(UsageError, match="at least one process"):
        SymbolicWorker(processes=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_copy_in_another_process_refuses(worker: SymbolicWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_owner", os.getpid() + 1)
    with pytest.raises(UsageError, match="make one in each process"):
        worker.submit(number(1))


def test_a_worker_that_nobody_closes_leaves_neither_warning_nor_process(tmp_path: Path) -> None:
    script = tmp_path / "forgetful.py"
    script.write_text(
        "from apportion.nodes.symbolic.schema import IntVariable, Problem\n"
        "from apportion.nodes.symbolic.solve import SymbolicWorker\n"
        "worker = SymbolicWorker()\n"
        "outcome = worker.submit(Problem(variables=(IntVariable(name='a', low=4, high=4),))).result()\n"
        "print(outcome.answer, worker._idle[0].pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", str(script)], capture_output=True, text=True, timeout=60
    )
    answer, pid = done.stdout.split()
    assert (done.returncode, answer) == (0, "a=4"), done.stderr
    assert "Warning" not in done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of the address space is kept on Linux")
def test_a_problem_that_needs_more_memory_than_allowed_is_an_error_and_the_next_is_solved() -> None:
    names = tuple(f"x{i}" for i in range(1000))
    variables = tuple(IntVariable(name=name, low=0, high=2**31) for name in names)
    large = Problem(variables=variables, constraints=(AllDifferent(variables=names),) * 10)
    # Less than an idle process already has, so that every large allocation fails.
    with SymbolicWorker(memory=2**20) as small:
        outcome = small.submit(large).result()
        assert outcome.status is Status.UNKNOWN
        assert "memory" in outcome.reason or "bad_alloc" in outcome.reason or "SIG" in outcome.reason
        assert small.submit(number(2)).result().answer == "2"
