from __future__ import annotations

import asyncio
import json
import operator
import re
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, interrupt

from apportion import (
    Cap,
    Function,
    Graph,
    Policy,
    Pool,
    Role,
    Task,
    Workflow,
    chat_model,
    load_pocket_models,
    open_store,
    openai_client,
    optimize,
    skippable,
)
from apportion.cli.app import run as apportion
from apportion.errors import GraphError, UsageError
from apportion.graphs.result import Result
from apportion.models.card import ModelCard
from apportion.models.request import Request
from apportion.records.status import Status
from apportion.serving.policy_server import PolicyServer
from apportion.testing.scripted import ScriptedModel

CAP = Cap(per_task=20_000, unit="weighted")


class State(TypedDict, total=False):
    question: str
    answer: str
    steps: Annotated[int, operator.add]


def echo() -> Pool:
    return Pool([ScriptedModel(lambda request: request.messages[-1].content, name="echo")])


def say(state: State) -> Any:
    return {"answer": chat_model("worker").invoke(state["question"]).text, "steps": 1}


def looping(rounds: int) -> StateGraph[State]:
    """An app that asks its role once in each round."""
    graph = StateGraph(State)
    graph.add_node("say", say)
    graph.add_edge(START, "say")
    graph.add_conditional_edges("say", lambda state: "say" if state["steps"] < rounds else END, ["say", END])
    return graph


def run(app: Any, question: str = "hello", roles: Any = None, **settings: Any) -> Result:
    workflow = Graph.from_langgraph(app, roles or {"worker": Role()}, **settings)
    return workflow.run(question, pool=echo(), cap=CAP)


def test_a_state_graph_and_a_compiled_one_answer_alike() -> None:
    for app in (looping(3), looping(3).compile()):
        result = run(app)
        assert (result.answer, result.status) == ("hello", Status.OK)
        assert result.usage.total_tokens == result.charged.tokens > 0


def test_its_recursion_limit_is_its_own() -> None:
    assert run(looping(40)).answer == "hello"
    limited = run(looping(40).compile().with_config(recursion_limit=10))
    assert (limited.status, "recursion" in limited.reason.lower()) == (Status.TOOL_ERROR, True)


def test_a_langgraph_app_inside_a_function_keeps_its_limit_too() -> None:
    inner = StateGraph(State)
    inner.add_node("count", lambda state: {"answer": str(state.get("steps", 0)), "steps": 1})
    inner.add_edge(START, "count")
    inner.add_conditional_edges("count", lambda state: "count" if state["steps"] < 30 else END, ["count", END])
    compiled: Any = inner.compile()

    async def function(question: str, inputs: Any, task: Task) -> str:
        state = await compiled.ainvoke({"question": question})
        return str(state["answer"])

    graph = Graph("inside").add("call", Function(function))
    assert graph.run("hello", pool=echo()).answer == "29"


def test_retries_checkpoints_and_streams_go_on_working_inside() -> None:
    tries: list[str] = []
    streamed: list[str] = []

    def flaky(state: State) -> Any:
        tries.append("try")
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return say(state)

    graph = StateGraph(State)
    graph.add_node("flaky", flaky, retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.01))
    graph.add_edge(START, "flaky")
    graph.add_edge("flaky", END)
    saver = InMemorySaver()
    app: Any = graph.compile(checkpointer=saver)
    assert run(app).answer == "hello"
    assert (len(tries), len(list(saver.list(None))) > 0) == (3, True)

    def streaming(question: str) -> str:
        state: Any = {}
        for mode, piece in looping(2).compile().stream({"question": question}, stream_mode=["messages", "values"]):
            if mode == "values":
                state = piece
            else:
                message: Any = piece[0]
                streamed.append(str(message.text))
        return str(state["answer"])

    assert Workflow(streaming, {"worker": Role()}).run("hello", pool=echo(), cap=CAP).answer == "hello"
    assert "".join(streamed) == "hellohello"


def asks_back(state: State) -> Any:
    return {"answer": interrupt("Are you sure?") + say(state)["answer"]}


def test_an_app_that_waits_for_an_answer_says_so_and_a_function_may_give_it() -> None:
    graph = StateGraph(State)
    graph.add_node("asks", asks_back)
    graph.add_edge(START, "asks")
    app: Any = graph.compile(checkpointer=InMemorySaver())
    waiting = run(app)
    assert (waiting.status, "Are you sure?" in waiting.reason) == (Status.TOOL_ERROR, True)

    def answering(question: str) -> str:
        config = {"configurable": {"thread_id": question}}
        app.invoke({"question": question}, config)
        return str(app.invoke(Command(resume="yes, "), config)["answer"])

    assert Workflow(answering, {"worker": Role()}).run("hello", pool=echo(), cap=CAP).answer == "yes, hello"


def test_keys_of_the_state_are_named_and_a_wrong_one_is_told() -> None:
    class Messages(TypedDict, total=False):
        task: str
        said: list[Any]

    graph = StateGraph(Messages)
    graph.add_node("say", lambda state: {"said": [chat_model("worker").invoke(state["task"])]})
    graph.add_edge(START, "say")
    workflow = Graph.from_langgraph(graph, {"worker": Role()}, question="task", answer="said")
    assert workflow.run("hello", pool=echo(), cap=CAP).answer == "hello"
    wrong = Graph.from_langgraph(graph, {"worker": Role()}, question="task")
    result = wrong.run("hello", pool=echo(), cap=CAP)
    assert (result.status, "'said'" in result.reason) == (Status.TOOL_ERROR, True)


def test_what_is_no_langgraph_app_is_refused() -> None:
    for wrong in (len, "json:dumps", StateGraph(State)):
        with pytest.raises(UsageError, match="from_langgraph"):
            Graph.from_langgraph(wrong, {"worker": Role()})


def test_marked_nodes_become_knobs() -> None:
    @skippable("shout")
    def shout(state: State) -> Any:
        return {"answer": state["answer"].upper()}

    graph = StateGraph(State)
    graph.add_node("say", say)
    graph.add_node("shout", shout)
    graph.add_edge(START, "say")
    graph.add_edge("say", "shout")
    graph.add_edge("shout", END)
    workflow = Graph.from_langgraph(graph, {"worker": Role()})
    pool = echo()
    space = workflow.space(pool)
    answers = {plan.values["shout.runs"]: workflow.run("hello", plan, pool=pool, cap=CAP).answer for plan in space}
    assert answers == {True: "HELLO", False: "hello"}


def test_the_app_is_drawn_with_its_own_nodes_and_edges() -> None:
    drawn = Graph.from_langgraph(looping(2), {"worker": Role(), "gpt-4.1": Role()}).draw()
    assert "inside app" in drawn
    assert '["say"]' in drawn
    assert "-.->" in drawn.partition("subgraph")[2]
    assert "worker" in drawn
    assert "gpt-4-1" in drawn
    assert "<svg" in Graph.from_langgraph(looping(2), {"worker": Role()}).draw("svg")
    assert "subgraph" not in Workflow(str, {"worker": Role()}).draw()


def test_roles_may_have_any_name_that_a_model_has() -> None:
    names = ["gpt-4.1", "openai/gpt-4.1", "gpt 4:1", "app", "task", "__x", "日本"]

    def app(question: str) -> str:
        client: Any = openai_client()
        message = {"role": "user", "content": question}
        said = [client.chat.completions.create(model=name, messages=[message]) for name in names]
        return ", ".join(each.model for each in said)

    workflow = Workflow(app, {name: Role() for name in names})
    assert workflow.run("hello", pool=echo(), cap=Cap(per_task=90_000)).answer == ", ".join(names)
    assert len(workflow.nodes) == len(names) + 1


def test_bad_roles_are_refused() -> None:
    with pytest.raises(GraphError, match="roles"):
        Workflow(str, {})
    with pytest.raises(UsageError, match="worker"):
        Workflow(str, {"worker": "gpt"})  # type: ignore[dict-item]
    for roles in (["worker"], {1: Role()}, {"": Role()}):
        with pytest.raises(UsageError, match="role"):
            Workflow(str, roles)  # type: ignore[arg-type]


def test_steps_are_a_list_of_names_each_counted_once() -> None:
    with pytest.raises(UsageError, match="steps="):
        Workflow(str, {"worker": Role()}, steps="rerank")
    assert list(Workflow(str, {"worker": Role()}, steps=["rerank", "rerank"]).nodes) == ["worker", "rerank", "app"]


def test_a_graph_that_langgraph_does_not_compile_says_why() -> None:
    app = StateGraph(MessagesState)
    app.add_node("alone", lambda state: {})
    workflow = Workflow(app, {"worker": Role()})
    for doing in (workflow.draw, lambda: workflow.run("hello", pool=echo(), cap=Cap(per_task=9_000))):
        with pytest.raises(UsageError, match="entrypoint"):
            doing()


def calculated(right: int) -> Any:
    """A model that is right on every `right`-th question."""

    def script(request: Request) -> str:
        left, other = re.findall(r"[0-9]+", request.messages[-1].content)[-2:]
        total = int(left) + int(other)
        return str(total if total % right == 0 else 0)

    return script


def two_models() -> Pool:
    return Pool(
        [
            ScriptedModel(calculated(3), name="small", card=ModelCard(name="small", attempts=1)),
            ScriptedModel(calculated(1), name="large", card=ModelCard(name="large", attempts=1, weight=10)),
        ]
    )


SUMS = [Task(question=f"{a}+{b}", gold=str(a + b)) for a in range(1, 7) for b in range(1, 7)]
COMMAND = """
import json, os, sys, urllib.request
body = {"model": "worker", "max_tokens": 16, "messages": [{"role": "user", "content": sys.stdin.read()}]}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
    {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
"""


def adds(question: str) -> str:
    client: Any = openai_client("worker")
    message = {"role": "user", "content": question}
    said = client.chat.completions.create(model="x", max_tokens=16, messages=[message])
    return str(said.choices[0].message.content)


def test_a_search_chooses_for_an_app_and_the_same_app_as_a_command_gets_the_same_plan_and_charges() -> None:
    found = []
    for app in (adds, [sys.executable, "-c", COMMAND]):
        pool = two_models()
        workflow = Workflow(app, {"worker": Role(), "idle": Role(models="small")})
        report = optimize(workflow, SUMS, pool, cap=CAP, spend=500_000, policies=())
        chosen = next(plan for plan in report.frontier if plan.plan_hash == report.chosen)
        assert report.paid <= 500_000
        assert any("'idle' was never asked for" in note for note in report.notes)
        assert chosen.test is not None
        found.append((chosen.plan["values"], chosen.validation, chosen.test, report.paid))
    assert found[0][0] == {"worker.models": "large"}
    assert found[0][1].score == 1.0
    assert found[0] == found[1]


FILED = """
def answer(question):
    return question[::-1]

if __name__ == "__main__":
    print(answer(input()))
"""


@pytest.mark.parametrize(
    ("app", "per_task"),
    [("filed_app:answer", None), ("filed_app:answer", "600"), ([sys.executable, "filed_app.py"], "600")],
    ids=["without a ceiling", "function", "command"],
)
def test_a_policy_for_an_app_answers_a_file_with_a_ceiling_for_each_question(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    app: str | list[str],
    per_task: str | None,
) -> None:
    (tmp_path / "filed_app.py").write_text(FILED)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    workflow = Workflow(app, {"worker": Role()})
    tasks = [Task(question=f"{number}", gold=f"{number}"[::-1]) for number in range(40)]
    pool = Pool(load_pocket_models())
    report = optimize(workflow, tasks, pool, cap=Cap(total=24_000, per_task=600), spend=100_000)
    assert report.policy is not None
    report.policy.save("policy.json")
    with open_store(tmp_path / "serve.db") as store, pytest.raises(UsageError, match="per-question"):
        PolicyServer(report.policy, store, cap=Cap(total=9_000))
    Path("in.jsonl").write_text('{"question": "12"}\n{"question": "34"}\n')
    (allowed,) = report.policy.modules
    command = ["run", "--policy", "policy.json", "--in", "in.jsonl", "--out", "out.jsonl", "--cap", "9000"]
    code = apportion([*command, "--allow", allowed, *([] if per_task is None else ["--per-task", per_task])])
    if per_task is None:
        assert (code, "--per-task" in capsys.readouterr().err) == (2, True)
    else:
        answers = [json.loads(line)["answer"] for line in Path("out.jsonl").read_text().splitlines()]
        assert (code, sorted(answers)) == (0, ["21", "43"])
        assert apportion(["run", "filed_app:answer", "q", "--cap", "9", "--per-task", "9"]) == 2


def test_a_policy_for_an_app_is_saved_loaded_and_needs_an_allowance(tmp_path: Path) -> None:
    # By a name at the top of this module, so that the file can name it.
    workflow, pool = Workflow(adds, {"worker": Role()}), two_models()
    report = optimize(workflow, SUMS, pool, cap=CAP, spend=500_000)
    assert report.policy is not None
    report.policy.save(tmp_path / "policy.json")
    with pytest.raises(UsageError, match="allow"):
        Policy.load(tmp_path / "policy.json", pool=pool)
    policy = Policy.load(tmp_path / "policy.json", pool=pool, allow=report.policy.modules)
    assert policy.invoke("2+2", cap=CAP).answer == "4"
    with pytest.raises(UsageError, match="per_task"):
        policy.invoke("2+2")
    service = policy.invoke_batch(["1+2", "2+3"], Cap(per_task=20_000, total=40_000, unit="weighted"))
    assert [served.answer for served in service.served] == ["3", "5"]
    with pytest.raises(UsageError, match="per_task"):
        policy.invoke_batch(["1+2"], Cap(total=40_000, unit="weighted"))


def test_a_study_of_an_app_goes_on_without_paying_twice(tmp_path: Path) -> None:
    asked = []
    for _ in range(2):
        pool, store = two_models(), open_store(tmp_path / "study.db")
        report = optimize(Workflow(adds, {"worker": Role()}), SUMS, pool, cap=CAP, spend=500_000, store=store)
        models: list[Any] = [pool.model(name) for name in pool.names]
        asked.append(sum(len(model.requests) for model in models))
        paid = report.paid
        store.close()
    assert asked[0] > 0
    assert asked[1] == 0
    assert paid > 0


def test_parallel_runs_of_one_workflow() -> None:
    workflow = Graph.from_langgraph(looping(3), {"worker": Role()})
    pool = echo()

    async def main() -> list[Result]:
        return await asyncio.gather(*(workflow.arun(f"q{n}", pool=pool, cap=CAP) for n in range(12)))

    assert [result.answer for result in asyncio.run(main())] == [f"q{n}" for n in range(12)]


def test_a_history_of_messages_is_asked_and_its_last_one_answers() -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("say", lambda state: {"messages": [chat_model("worker").invoke(state["messages"])]})
    graph.add_edge(START, "say")
    workflow = Graph.from_langgraph(graph, {"worker": Role()}, question="messages", answer="messages")
    assert workflow.run("hello", pool=echo(), cap=CAP).answer == "hello"
