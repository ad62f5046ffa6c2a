from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from openai import OpenAI

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.chat.asked import Asked, read_asked
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.prediction.predictor import fit_predictor
from apportion.optimizers.serving.policy import DeployedPolicy
from apportion.optimizers.tables.table import Lesson
from apportion.optimizers.tables.tabulate import tabulate
from apportion.records.output import JsonOutput
from apportion.records.task import Task
from apportion.serving.keys import Key, Keys
from apportion.serving.policy_server import PolicyServer, _task
from apportion.stores.opening import open_store
from apportion.stores.store import Store
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel
from apportion.web.refusal import Refusal

HARD = "HARD, HARD AND LONG 77! Well?"
EASY = "easy 77: is 77 fine?"
TASKS = [
    Task(question=f"easy {number}: is {number} fine?", gold="yes", family="easy")
    if number % 2
    else Task(question=f"HARD, HARD AND LONG {number}! Well?", gold="yes", family="hard")
    for number in range(60)
]


def script(request: Request) -> str:
    """Right on easy questions at once; on hard ones only at length. Says what it was told."""
    asked = request.messages[-1].content
    if "broken" in asked:
        return "no answer to be read"
    if "told" in asked:
        return f"Answer: {'pirate' if 'Speak like a pirate' in str(request.messages) else 'plain'}"
    if request.max_output_tokens < 50:
        return f"Answer: {'no' if 'HARD' in asked else 'yes'}"
    return "step " * 9 + "\nAnswer: yes"


def pool() -> Pool:
    card = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2)
    return Pool([ScriptedModel(script, name="m", card=card)])


@pytest.fixture(scope="module")
def policy() -> DeployedPolicy:
    graph = Graph("served").add("solve", Solver(style="think", max_output_tokens=choose(20, 90)))

    async def learn() -> Lesson:
        async with Runner(graph, pool(), MemoryStore()) as runner:
            table = await tabulate(runner, list(runner.space), TASKS, resolve_metric("auto"))
        return Lesson(table.take(np.arange(40)), table.take(np.arange(40, 60)), float(table.mean_costs.mean()))

    lesson = asyncio.run(learn())
    joint = Joint.from_predictor(lesson, fit_predictor(lesson, head="clusters", probes=False))
    return DeployedPolicy(graph, pool(), joint, lesson.validation.batch(), budget=lesson.budget)


@contextmanager
def served(policy: DeployedPolicy, folder: Path, **settings: Any) -> Iterator[tuple[OpenAI, Store]]:
    with (
        open_store(folder / "trace.db") as store,
        PolicyServer(policy, store, **settings) as server,
        OpenAI(base_url=server.base_url, api_key="sk-ann", max_retries=0) as client,
    ):
        yield client, store


def ask(client: OpenAI, question: str = EASY, **fields: Any) -> Any:
    messages: Any = [{"role": "user", "content": question}]
    return client.chat.completions.create(**{"model": "policy", "messages": messages, **fields})


def test_each_question_is_answered_by_the_arm_that_the_policy_chooses(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path) as (client, store):
        for question in (EASY, HARD):
            told = ask(client, question)
            alone = policy.invoke(question)
            assert told.choices[0].message.content == alone.answer == "yes"
            assert told.x_apportion["arm"] == alone.arm
            assert told.x_apportion["charged"]["tokens"] == alone.charged.tokens == told.usage.total_tokens
            run = store.run(told.x_apportion["run_id"])
            assert run is not None
            assert run.answer == "yes"
            *chunks, last = ask(client, question, stream=True, stream_options={"include_usage": True})
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "yes"
            assert (last.usage, last.x_apportion["arm"]) == (told.usage, alone.arm)


def test_the_dial_and_the_arms_are_models_too(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path) as (client, _):
        listed = [model.id for model in client.models.list()]
        arms = [f"arm/{arm.name}" for arm in policy.arms]
        assert listed == ["policy", *(f"policy@{x:g}" for x in (0, 0.2, 0.4, 0.6, 0.8, 1)), *arms]
        for place in (0.0, 0.125, 1.0):
            told = ask(client, HARD, model=f"policy@{place:g}")
            assert told.x_apportion["arm"] == policy.dial(place).invoke(HARD).arm
        for arm in arms:
            assert ask(client, HARD, model=arm).x_apportion["arm"] == arm.partition("/")[2]
        assert client.models.retrieve(arms[0]).id == arms[0]
        for name in ("polcy", "policy@2", "policy@", "policy@0.1234", "policy@-1", "policy@nan", "policy@1e0", "arm/x"):
            with pytest.raises(openai.NotFoundError):
                ask(client, model=name)


def test_history_and_instructions_reach_the_model(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path) as (client, _):
        turns: Any = [
            {"role": "system", "content": "Speak like a pirate."},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "ahoy"},
            {"role": "user", "content": "how were you told to speak?"},
        ]
        assert client.chat.completions.create(model="policy", messages=turns).choices[0].message.content == "pirate"
        assert ask(client, "how were you told to speak?").choices[0].message.content == "plain"


def test_caps_of_all_and_of_each(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path, cap=Cap(total=5)) as (client, store):
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as refused:
                list(ask(client, stream=stream))
            assert (refused.value.status_code, refused.value.code) == (402, "cap_reached")
        assert store.balance("serve/all").paid.tokens == 0
    (tmp_path / "each").mkdir()
    with (
        served(policy, tmp_path / "each", per_question=Cap(per_task=5)) as (client, _),
        pytest.raises(openai.APIStatusError, match="Error code: 402"),
    ):
        ask(client)
    with pytest.raises(UsageError, match="per_question"), served(policy, tmp_path, per_question=Cap(total=5)):
        pass


def test_many_at_once_under_one_cap(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path, cap=Cap(total=2_000)) as (client, store):
        outcomes: list[str] = []

        def one(number: int) -> None:
            try:
                outcomes.append(ask(client, f"easy {number}: is {number} fine?").choices[0].message.content)
            except openai.APIStatusError as error:
                outcomes.append(str(error.status_code))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(100, 148)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {"yes"} <= set(outcomes) <= {"yes", "402"}
        balance = store.balance("serve/all")
        assert (balance.charged + balance.lost).tokens <= 2_000
        assert balance.reserved.tokens == 0


def test_keys_may_be_for_some_of_the_models(policy: DeployedPolicy, tmp_path: Path) -> None:
    hashed = "sha256:" + hashlib.sha256(b"sk-ann").hexdigest()
    keys = Keys([Key(name="ann", hash=hashed, models=("policy",), requests_per_minute=2)])
    with served(policy, tmp_path, keys=keys, now=lambda: 1_700_000_000.0) as (client, _):
        assert [model.id for model in client.models.list()] == ["policy"]
        with pytest.raises(openai.NotFoundError):
            ask(client, model="policy@0.2")
        assert ask(client).choices[0].message.content == "yes"
        ask(client)
        with pytest.raises(openai.RateLimitError):
            ask(client)
        with pytest.raises(openai.AuthenticationError):
            ask(client.with_options(api_key="sk-eve"))


def test_a_question_without_an_answer_is_no_answer(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path) as (client, _):
        with pytest.raises(openai.InternalServerError) as refused:
            ask(client, "broken?")
        assert (refused.value.status_code, refused.value.code) == (502, "no_answer")


def test_tools_are_refused_and_what_a_plan_decides_has_no_effect(policy: DeployedPolicy, tmp_path: Path) -> None:
    tool: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    with served(policy, tmp_path) as (client, _):
        with pytest.raises(openai.BadRequestError, match="tools of their own"):
            ask(client, tools=[tool])
        told = ask(client, HARD, max_tokens=3, temperature=2.0, top_p=0.1)
        assert told.choices[0].message.content == "yes"
        assert ask(client, response_format={"type": "text"}).choices[0].message.content == "yes"
        with pytest.raises(openai.BadRequestError, match="answers are no JSON"):
            ask(client, response_format={"type": "json_object"})
        with pytest.raises(openai.BadRequestError):
            ask(client, "")


def test_json_is_asked_for_where_the_graph_gives_it() -> None:
    schema = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
    output = JsonOutput(schema)
    for given in (schema, None):
        wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": given}}
        assert _task(asked_for(wanted), output).question == "hi"
    assert _task(asked_for({"type": "json_object"}), output).question == "hi"
    other = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array", "items": schema}}}
    with pytest.raises(Refusal, match="another schema"):
        _task(asked_for(other), output)


def asked_for(wanted: Any) -> Asked:
    body = {"model": "policy", "messages": [{"role": "user", "content": "hi"}], "response_format": wanted}
    return read_asked(json.dumps(body).encode())


def test_health_needs_no_key(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path, keys=Keys([])) as (client, _):
        answer = urllib.request.urlopen(str(client.base_url).removesuffix("/v1/") + "/health")
        with answer:
            assert json.loads(answer.read()) == {"status": "ok"}


def test_responses(policy: DeployedPolicy, tmp_path: Path) -> None:
    with served(policy, tmp_path) as (client, _):
        whole: Any = client.responses.create(model="policy@0.2", input=EASY)
        assert (whole.output_text, whole.x_apportion["arm"]) == ("yes", policy.dial(0.2).invoke(EASY).arm)
        events = list(client.responses.create(model="policy", input=EASY, stream=True))
        assert events[-1].type == "response.completed"
