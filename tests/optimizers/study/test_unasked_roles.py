from __future__ import annotations

from typing import Any

from apportion import Cap, Pool, Role, Task, Workflow, openai_client, optimize
from apportion.budgets.books import MemoryStore
from apportion.graphs.graph import Graph
from apportion.nodes.solver import Solver
from apportion.optimizers.study.unasked_roles import unasked_roles
from apportion.testing.scripted import ScriptedModel

TASKS = [Task(question=f"Is {number} fine?", gold="yes") for number in range(40)]


def app(question: str) -> str:
    client: Any = openai_client("worker")
    said = client.chat.completions.create(model="x", max_tokens=8, messages=[{"role": "user", "content": question}])
    return str(said.choices[0].message.content)


def test_a_role_that_the_app_never_asks_for_is_told_of() -> None:
    pool, store = Pool([ScriptedModel(lambda request: "yes")]), MemoryStore()
    workflow = Workflow(app, {"worker": Role(), "wroker": Role()})
    report = optimize(workflow, TASKS, pool, cap=Cap(per_task=500), spend=50_000, policies=(), store=store)
    (note,) = report.notes
    runs = report.tasks["validation"]
    assert note.startswith(f"role 'wroker' was never asked for in {runs} runs of the chosen plan")


def test_of_other_graphs_nothing_is_told() -> None:
    pool, store = Pool([ScriptedModel(lambda request: "Answer: yes")]), MemoryStore()
    graph = Graph("plain").add("solve", Solver())
    space = graph.space(pool)
    assert unasked_roles(store, "none", space, space.default()) == []
