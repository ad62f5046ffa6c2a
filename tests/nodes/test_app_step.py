from __future__ import annotations

import asyncio
from typing import Any

from apportion.nodes.app_step import KIND, LEFT_OUT, AppStep
from apportion.nodes.base import Inputs
from apportion.records.message import Message
from apportion.records.status import Status
from apportion.records.task import Task


def test_it_says_whether_the_plan_runs_it() -> None:
    nobody: Any = None
    inputs = Inputs(Task(question="q"), "q", {})

    async def ran(runs: bool) -> Message:
        return await KIND.run(AppStep(runs=runs), inputs, nobody)

    said = [asyncio.run(ran(runs)) for runs in (True, False)]
    assert [(message.status, message.reason) for message in said] == [(Status.OK, ""), (Status.SKIPPED, LEFT_OUT)]


def test_whether_it_runs_is_a_knob() -> None:
    assert AppStep().open_knobs(()) == {"runs": (True, False)}
