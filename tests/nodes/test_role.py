from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from apportion import Cap, Pool, Role, Workflow, choose, open_store, openai_client
from apportion.errors import GraphError
from apportion.graphs.result import Result
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.nodes.role import KIND, SAMPLES
from apportion.records.status import Status
from apportion.testing.scripted import ScriptedModel

CAP = Cap(per_task=100_000)


class Asking:
    """An app that sends one request and answers with what came; and a pool that keeps what reached it."""

    def __init__(self, script: Any = None, **card: Any) -> None:
        made = ModelCard(name="only", attempts=1, **card)
        self.model = ScriptedModel(script or (lambda request: "said"), name="only", card=made)
        self.pool = Pool([self.model])

    def ask(self, role: Role, times: int = 1, values: dict[str, Any] | None = None, **fields: Any) -> Result:
        def app(question: str) -> str:
            client: Any = openai_client("worker")
            body = {"messages": [{"role": "user", "content": question}], **fields}
            said = [client.chat.completions.create(model="x", **body) for _ in range(times)]
            return " ".join(each.choices[0].message.content or "" for each in said)

        workflow = Workflow(app, {"worker": role})
        plan = workflow.space(self.pool).plan(values)
        return workflow.run("hello", plan, pool=self.pool, cap=CAP)

    @property
    def requests(self) -> tuple[Request, ...]:
        return self.model.requests


def test_what_the_app_asks_for_is_asked_for() -> None:
    asking = Asking()
    asking.ask(Role(), temperature=0.3, max_tokens=9, stop=["x"], top_p=0.5)
    (request,) = asking.requests
    assert (request.temperature, request.max_output_tokens, request.stop) == (0.3, 9, ("x",))
    assert json.loads(request.further) == {"top_p": 0.5}


@pytest.mark.parametrize(("kind", "tokens"), [("standard", 1024), ("reasoning", 4096)])
def test_where_nothing_is_said_replies_have_a_usual_length(kind: str, tokens: int) -> None:
    asking = Asking(kind=kind)
    asking.ask(Role())
    assert (asking.requests[0].temperature, asking.requests[0].max_output_tokens) == (1.0, tokens)


@pytest.mark.parametrize(("own", "asked", "got"), [(50, 9, 9), (9, 50, 9), (9, None, 9), (None, 9, 9)])
def test_of_two_output_caps_the_smaller_holds(own: int | None, asked: int | None, got: int) -> None:
    asking = Asking()
    fields: dict[str, Any] = {} if asked is None else {"max_tokens": asked}
    asking.ask(Role(max_output_tokens=own), **fields)
    assert asking.requests[0].max_output_tokens == got


def test_the_plan_sets_temperature_and_effort() -> None:
    asking = Asking(reasoning_efforts=("low", "high"))
    role = Role(temperature=choose(0.0, 0.7), effort=choose("low", "high"))
    asking.ask(
        role, values={"worker.temperature": 0.7, "worker.effort": "high"}, temperature=0.2, reasoning_effort="low"
    )
    assert asking.requests[0].temperature == 0.7
    assert json.loads(asking.requests[0].effort_fields) == {"reasoning_effort": "high"}


def test_the_apps_own_effort_serves_where_the_model_has_it() -> None:
    with_efforts, without = Asking(reasoning_efforts=("low", "high")), Asking()
    for asking in (with_efforts, without):
        assert asking.ask(Role(), reasoning_effort="low").answer == "said"
    assert json.loads(with_efforts.requests[0].effort_fields) == {"reasoning_effort": "low"}
    assert without.requests[0].effort_fields == ""


def test_samples_vote_and_the_app_is_told_what_all_of_them_used() -> None:
    replies = iter(["no", "yes", "yes "])

    def app(question: str) -> str:
        client: Any = openai_client("worker")
        said = client.chat.completions.create(model="x", messages=[{"role": "user", "content": question}])
        return f"{said.choices[0].message.content.strip()} {said.usage.total_tokens}"

    pool = Pool([ScriptedModel(lambda request: next(replies), name="only")])
    result = Workflow(app, {"worker": Role(samples=3)}).run("hello", pool=pool, cap=CAP)
    assert result.answer == f"yes {result.charged.tokens}"


def test_one_draw_is_made_at_temperature_0() -> None:
    asking = Asking()
    asking.ask(Role(samples=5), temperature=0)
    assert len(asking.requests) == 1


def test_samples_that_call_tools_agree_by_what_they_call() -> None:
    from apportion.models.tools import ToolCall

    replies = iter([Reply("", "stop", None, tool_calls=(ToolCall("f", f'{{"a": {n}}}'),)) for n in (1, 2, 2)])
    asking = Asking(lambda request: next(replies), tools=True)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    seen: list[str] = []

    def app(question: str) -> str:
        client: Any = openai_client("worker")
        body = {"messages": [{"role": "user", "content": question}], "tools": [tool]}
        seen.append(
            client.chat.completions.create(model="x", **body).choices[0].message.tool_calls[0].function.arguments
        )
        return "done"

    Workflow(app, {"worker": Role(samples=3)}).run("hello", pool=asking.pool, cap=CAP)
    assert seen == ['{"a": 2}']


def test_each_time_the_same_is_asked_is_another_draw_and_samples_contain_fewer(tmp_path: Any) -> None:
    asking = Asking()
    asking.ask(Role(samples=choose(1, 3)), times=2)
    asking.ask(Role(samples=choose(1, 3)), times=2, values={"worker.samples": 3})
    samples = [request.sample for request in asking.requests]
    assert samples[:2] == [0, SAMPLES]
    assert sorted(samples[2:]) == [0, 1, 2, SAMPLES, SAMPLES + 1, SAMPLES + 2]
    assert {request.source for request in asking.requests} == {"worker"}


def test_draws_are_found_again_so_that_nothing_is_paid_twice(tmp_path: Any) -> None:
    asking, store = Asking(), open_store(tmp_path / "draws.db")

    def app(question: str) -> str:
        client: Any = openai_client("worker")
        for seed in (1, 2):
            client.chat.completions.create(model="x", messages=[{"role": "user", "content": question}], seed=seed)
        return "done"

    workflow = Workflow(app, {"worker": Role()})
    results = [workflow.run("hello", pool=asking.pool, cap=CAP, store=store) for _ in range(3)]
    assert len(asking.requests) == 2
    assert len({result.charged for result in results}) == 1
    store.close()


def test_what_the_model_cannot_take_is_refused_and_costs_nothing() -> None:
    asking = Asking()
    result = asking.ask(Role(), tools=[{"type": "function", "function": {"name": "f"}}])
    assert (result.status, "tools" in result.reason) == (Status.TOOL_ERROR, True)
    assert (asking.requests, result.charged.tokens, result.lost.tokens) == ((), 0, 0)


def test_bad_settings_are_named() -> None:
    wrong: list[dict[str, Any]] = [
        {"samples": 0},
        {"samples": 65},
        {"temperature": 3},
        {"max_output_tokens": 0},
        {"sampels": 1},
    ]
    for settings in wrong:
        with pytest.raises((GraphError, ValidationError), match=next(iter(settings))):
            Role(**settings)
    with pytest.raises((GraphError, ValidationError), match="prompt"):
        Role(prompt="Be brief.")  # type: ignore[arg-type]


def test_several_models_are_a_choice() -> None:
    assert Role(models=["a", "b"]) == Role(models=choose("a", "b"))  # type: ignore[arg-type]
    assert Role().open_knobs(("a", "b")) == {"models": ("a", "b")}
    assert Role(models="a").open_knobs(("a", "b")) == {}


def test_what_makes_no_difference_is_no_knob() -> None:
    assert "vote" in Role(samples=1).idle_knobs()
    assert {"samples", "vote"} <= Role(temperature=0.0, samples=3).idle_knobs()
    assert Role(samples=3).idle_knobs() == {"prompt"}
    draws = KIND.draws(Role(models="a", samples=3))
    assert draws is not None
    assert (draws.number, draws.curves) == (3, False)
