"""What a judge is paid: within the spend, on books of its own, and never twice, also after a kill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from apportion import Cap, Prompt, open_store
from apportion.budgets.books import MemoryStore
from apportion.errors import CallFailed, UsageError
from apportion.models.request import Request
from apportion.records.status import Status
from apportion.testing.essays import ESSAY_CARD, ESSAY_JUDGE, Essays, essay_judge, essay_writer
from apportion.testing.scripted import ScriptedModel


def test_a_study_that_goes_on_pays_for_no_verdict_twice(tmp_path: Path) -> None:
    bench, store = Essays(), open_store(tmp_path / "study.db")
    first = bench.optimize(store=store)
    store.close()
    paid = bench.requests
    store = open_store(tmp_path / "study.db")
    again = bench.optimize(store=store)
    store.close()
    assert bench.requests == paid
    assert again.judge == first.judge
    assert (again.paid, again.frontier, again.chosen) == (first.paid, first.frontier, first.chosen)


@pytest.mark.parametrize("spend", [30_000, 100_000])
def test_another_rubric_over_answers_that_are_paid_for_reaches_as_far(tmp_path: Path, spend: int) -> None:
    other = replace(ESSAY_JUDGE, rubric=Prompt(f"{ESSAY_JUDGE.rubric.text}\nBe fair.", name="fair"))
    bench, store = Essays(), open_store(tmp_path / "study.db")
    bench.optimize(store=store)
    cold = Essays().optimize(judge=other, spend=spend)
    warm = bench.optimize(judge=other, spend=spend, store=store)
    store.close()
    assert warm.judge is not None
    assert warm.judge.paid <= warm.paid <= spend
    assert [plan.plan_hash for plan in warm.frontier] == [plan.plan_hash for plan in cold.frontier]
    assert [plan.validation for plan in warm.frontier] == [plan.validation for plan in cold.frontier]


def test_a_judge_that_nobody_can_read_stops_the_search_at_once() -> None:
    bench, store = Essays(essay_judge(silent=1.0)), MemoryStore()
    with pytest.raises(
        UsageError, match=r"no verdict on any of \d+ answers: no mark from 0 to 10 .*'It is hard to say"
    ):
        bench.optimize(store=store)
    assert bench.requests < 100
    with pytest.raises(UsageError, match="cut off at 3 tokens"):
        Essays().optimize(judge=replace(ESSAY_JUDGE, max_output_tokens=3))


def test_another_judge_makes_another_study_and_the_same_one_does_not() -> None:
    others = (ESSAY_JUDGE, replace(ESSAY_JUDGE, against="exact"), replace(ESSAY_JUDGE, scale=(0, 5)))
    ids = [Essays().optimize(judge=judge, spend=20_000).study_id for judge in others]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("spend", [300, 2_000, 8_000, 20_000, 60_000])
def test_nothing_passes_a_spend_that_stops_the_study_in_the_middle(spend: int) -> None:
    bench, store = Essays(), MemoryStore()
    report = bench.optimize(spend=spend, store=store)
    billed = sum(model.count_tokens(request.messages) for model in bench.models for request in model.requests)
    paid = store.balance(f"study/{report.study_id}").paid.tokens
    assert billed <= paid <= spend
    assert report.paid == paid
    assert report.stopped_early
    assert report.judge is not None
    assert report.judge.paid < paid
    assert report.judge.unscored == 0  # what could not be paid for is no verdict that failed
    assert report.notes
    assert report.judge.notes
    assert report.policy is not None


def test_a_stopped_study_goes_on_with_a_larger_spend_from_what_is_paid() -> None:
    bench, store = Essays(), MemoryStore()
    bench.optimize(spend=30_000, store=store)
    before = bench.requests
    report = bench.optimize(spend=1e6, store=store)
    asked = [request.key(model.card.name) for model in bench.models for request in model.requests]
    assert report.best is not None
    assert len(asked) > before
    assert len(set(asked)) == len(asked)


def test_verdicts_that_failed_for_a_place_are_asked_again_by_a_study_that_goes_on() -> None:
    down = 1.0

    def script(request: Request) -> str:
        if random.Random(request.messages[-1].content).random() < down:
            raise CallFailed(Status.PROVIDER_ERROR, "down", billed=False)
        return essay_judge()(request)

    bench, store = Essays(script), MemoryStore()
    with pytest.raises(UsageError, match="no verdict on any of 12 answers: down; mend its endpoint"):
        bench.optimize(store=store)
    down = 0.5
    first = bench.optimize(store=store)
    down = 0.0
    second = bench.optimize(store=store)
    assert first.judge is not None
    assert second.judge is not None
    assert 0 < first.judge.unscored < first.judge.answers
    assert second.judge.unscored == 0
    assert second.best is not None
    assert second.best.validation.score > 0.6
    writers = [request for model in bench.models[:2] for request in model.requests]
    assert len(writers) == len({repr(request) for request in writers})


def test_policies_are_fitted_to_verdicts_and_serve_under_the_cap() -> None:
    store, bench = MemoryStore(), Essays(essay_judge(silent=0.1))
    bench.models[1] = ScriptedModel(
        lambda request: f"{essay_writer(0.2)(request)}{' indeed' * 4}", name="good", card=ESSAY_CARD
    )
    policies = ("static", "static_mix", "joint")
    report = bench.optimize(cap=90 * 160, store=store, policies=policies)
    assert report.policies is not None
    tested = report.policies.test
    assert tested is not None
    assert 0 < tested.score.unscored < tested.score.tasks
    assert tested.shares is not None
    assert tested.shares.abstained == pytest.approx(tested.score.unscored / tested.score.tasks)
    # Verdicts take nothing of the cap for serving: eight of them would have used it up.
    batches = [account for account in store._chains if "/test/" not in account and account.startswith("batch-")]
    assert [store.balance(batch).charged.tokens <= 27 * 160 for batch in batches] == [True]
    assert report.policy is not None
    service = report.policy.invoke_batch(bench.tasks[:5], Cap(total=20_000), scorer=ESSAY_JUDGE, store=store)
    assert any(one.score is not None and 0 < one.score < 1 for one in service.served)
    assert service.charged.tokens + service.lost.tokens <= 20_000
    alone = report.policy.invoke_batch(bench.tasks[:5], Cap(total=20_000), store=store)
    assert service.charged.tokens > alone.charged.tokens  # where nobody pays for a search, verdicts are in the cap


def test_a_study_that_broke_off_pays_for_no_verdict_twice(tmp_path: Path) -> None:
    verdicts = 0

    def script(request: Request) -> str:
        nonlocal verdicts
        verdicts += 1
        if verdicts == 40:
            raise RuntimeError("the process is stopped here")
        return essay_judge()(request)

    bench = Essays(script)
    store = open_store(tmp_path / "study.db")
    with pytest.raises(RuntimeError, match="stopped here"):
        bench.optimize(store=store)
    store.close()
    broke = bench.judge.requests[39].key("grader")
    before = len(bench.judge.requests)
    store = open_store(tmp_path / "study.db")
    report = bench.optimize(store=store)
    store.close()
    asked = [request.key("grader") for request in bench.judge.requests]
    assert len(asked) > before
    assert sorted(key for key in set(asked) if asked.count(key) > 1) in ([], [broke])
    assert report.judge is not None
    assert report.judge.unscored == 0


def test_killed_twice_nothing_is_billed_beyond_the_spend_and_no_settled_verdict_is_paid_again(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from apportion.stores.opening import open_store
        from apportion.testing.essays import Essays

        bench = Essays()

        def logged(model, said):
            def script(request):
                time.sleep(0.002)
                reply = said(request)
                with open(sys.argv[1] + ".calls", "a") as log:
                    billed = model.count_tokens(request.messages) + len(reply)
                    log.write(f"{request.key(model.card.name)} {billed:8}\\n")
                return reply
            return script

        for model in bench.models:
            model._script = logged(model, model._script)
        store = open_store(sys.argv[1])
        report = bench.optimize(store=store, spend=80_000)
        store.close()
        print(report.paid, report.judge.paid, report.judge.unscored)
        """
    )
    database = tmp_path / "study.db"
    log = Path(f"{database}.calls")
    command = [sys.executable, "-c", script, str(database)]
    for _ in range(2):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = log.stat().st_size if log.exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not log.exists() or log.stat().st_size < before + 74 * 40):
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    sent = [line.split() for line in log.read_text().splitlines()]
    paid, judge, unscored = map(float, done.stdout.split())
    assert sum(int(billed) for _, billed in sent) <= paid <= 80_000
    assert 0 < judge < paid
    assert unscored == 0
    assert len(sent) - len({key for key, _ in sent}) <= 2 * 32  # only what was in flight at a kill
