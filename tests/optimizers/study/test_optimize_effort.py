"""A study over efforts, against a server that bills what it thinks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import pytest

from apportion import Cap, Graph, Pool, Solver, Task, choose, optimize
from apportion.budgets.books import MemoryStore
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.optimizers.study.report import StudyReport
from apportion.testing.fault_server import Answer, FaultServer

THOUGHT = {"low": 20, "medium": 120, "high": 480}
"""Reasoning tokens at each effort."""
RIGHT = {"low": 0.05, "medium": 0.15, "high": 0.95}
"""The share of hard questions that are answered right; easy ones are at any effort."""
ANSWER_TOKENS = 4


def question(number: int, *, hard: bool) -> str:
    text = "prove by induction over both parameters and give the code of lemma" if hard else "look up the code of item"
    return f"{text} {number}"


def thinker(body: Mapping[str, Any]) -> Answer:
    """Thinks as long as its effort says, which is what hard questions need."""
    text, effort = body["messages"][-1]["content"], body["reasoning_effort"]
    number = int(re.findall(r"\d+", text)[-1])
    luck = crc32(f"{effort} {text} {body.get('seed')}".encode()) / 2**32
    right = "induction" not in text or luck < RIGHT[effort]
    written = THOUGHT[effort] + ANSWER_TOKENS
    prompt = sum(len(message["content"]) for message in body["messages"]) // 4
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "completion_tokens_details": {"reasoning_tokens": THOUGHT[effort]},
    }
    message = {"role": "assistant", "content": f"Answer: {number if right else number + 1}"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Answer({"id": "x", "model": "thinker", "choices": [choice], "usage": usage}, billed_tokens=prompt + written)


@pytest.fixture(scope="module")
def studied() -> Any:
    tasks = [
        Task(question=question(number, hard=hard), gold=str(number), family="hard" if hard else "easy")
        for number in range(1000, 1060)
        for hard in (True, False)
    ]
    graph = Graph("efforts").add(
        "solve", Solver(style="direct", effort=choose("low", "medium", "high"), max_output_tokens=600)
    )
    with FaultServer(answer=thinker) as server:
        card = ModelCard(
            name="thinker", kind="reasoning", reasoning_efforts=("low", "medium", "high"), direct_output_tokens=600
        )
        pool = Pool([OpenAIModel(card, server.base_url)])
        store = MemoryStore()
        report = optimize(
            graph,
            tasks,
            pool,
            cap=Cap(total=33_000),
            spend=600_000,
            store=store,
            seed=1,
            policies=["static_mix", "joint_up_front"],  # which choose by the text of the question alone
        )
        yield server, report, report.paid, server.billed_tokens


def test_the_policy_gives_hard_questions_high_effort_and_easy_ones_low(studied: Any) -> None:
    server, report, *_ = studied
    for number in range(2101, 2106):
        for hard, effort in ((True, "high"), (False, "low")):
            served = report.policy.invoke(question(number, hard=hard))
            assert served.answer
            assert server.received[-1].body["reasoning_effort"] == effort, question(number, hard=hard)
    batch = {each.family: each.knobs["effort"] for each in report.policies.nodes[0].families}
    assert batch["hard"]["high"] > 0.6
    assert batch["easy"]["low"] > 0.6


def test_what_was_charged_is_what_the_server_billed(studied: Any) -> None:
    _, report, paid, billed = studied
    assert paid == billed > 0
    assert report.lost == 0


def test_hidden_reasoning_is_reported_by_effort(studied: Any) -> None:
    report: StudyReport = studied[1]
    by_style = {found.style: found for found in report.readings if found.style.startswith("direct")}
    assert set(by_style) == {f"direct, effort {effort}" for effort in THOUGHT}
    for effort, thought in THOUGHT.items():
        found = by_style[f"direct, effort {effort}"]
        assert found.reasoning_tokens == found.replies * thought
        assert found.output_tokens == found.replies * (thought + ANSWER_TOKENS)
