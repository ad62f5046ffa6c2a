"""A pool that calculates, and ways to run an app on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apportion import Cap, Pool, Role, Workflow
from apportion.graphs.result import Result
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.models.tools import ToolCall
from apportion.testing.scripted import ScriptedModel

CAP = Cap(per_task=20_000)


def calculated(request: Request) -> str | Reply:
    """The sum in the last message; with tools, a call of the first one."""
    if request.tools and request.tool_choice != "none":
        return Reply("", "stop", None, tool_calls=(ToolCall("add", '{"left": 1, "right": 2}', "call_7"),))
    if request.response_schema:
        return '{"left": 3, "right": 4}'
    left, _, right = request.messages[-1].content.partition("+")
    return str(int(left) + int(right)) if right else f"said {left}"


@pytest.fixture
def pool() -> Pool:
    card = ModelCard(name="good", attempts=1, tools=True, json_schema=True)
    return Pool([ScriptedModel(calculated, name="good", card=card)])


@pytest.fixture
def run_app(pool: Pool) -> Callable[..., Result]:
    """Runs an app with one role, `worker` where nothing else is said."""

    def run(app: Any, question: str = "1+2", cap: Cap = CAP, role: str = "worker", **settings: Any) -> Result:
        return Workflow(app, {role: Role()}, **settings).run(question, pool=pool, cap=cap)

    return run
