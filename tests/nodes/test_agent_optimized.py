"""A search finds how many rounds an agent needs: too few leave questions open, too many only cost."""

from __future__ import annotations

import json
import re

import pytest

from apportion import Agent, Cap, Graph, Pool, Task, choose, optimize
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.models.tools import ToolCall
from apportion.testing.scripted import ScriptedModel

QUESTIONS = 100


def find(person: str) -> str:
    """Where somebody lives."""
    return f"town{person.removeprefix('person')}"


def count(town: str) -> str:
    """How many people live in a town."""
    return f"{1000 + int(town.removeprefix('town'))} people"


TASKS = [
    Task(question=f"How many live where person{number} lives?", gold=str(1000 + number)) for number in range(QUESTIONS)
]


class Restless:
    """Needs two calls, one after the other, and goes on calling as long as it may.

    It knows nothing of its own: what it answers stands in the results that it has seen.
    """

    def __init__(self, *, tools: bool) -> None:
        card = ModelCard(name="m", tools=tools, attempts=1, provider="scripted")
        self.model = ScriptedModel(self.say, name="m", card=card)

    def say(self, request: Request) -> str | Reply:
        seen = "\n".join(message.content for message in request.messages[2:])
        person = re.search(r"person\d+", request.messages[1].content)
        town, people = re.search(r"town\d+", seen), re.search(r"(\d+) people", seen)
        assert person is not None
        if "No more tools" in request.messages[-1].content:
            return f"Answer: {people[1] if people else 'unknown'}"
        asked = sum(message.role == "assistant" for message in request.messages)
        if town is None:
            return self.calls(request, "find", {"person": person[0]})
        if people is None:
            return self.calls(request, "count", {"town": town[0]})
        return self.calls(request, "count", {"town": f"town{500 + asked}"})

    @staticmethod
    def calls(request: Request, name: str, arguments: dict[str, str]) -> str | Reply:
        if request.tools:
            return Reply("", "stop", None, tool_calls=(ToolCall(name, json.dumps(arguments), "x"),))
        return f"Call: {name} {json.dumps(arguments)}"


@pytest.mark.parametrize("tools", [True, False])
def test_a_search_takes_as_many_rounds_as_the_questions_need(tools: bool) -> None:
    node = Agent(tools=(find, count), rounds=choose(2, 4, 8), max_output_tokens=128, result_bytes=512)
    graph = Graph("g").add("act", node)
    report = optimize(
        graph, TASKS, Pool([Restless(tools=tools).model]), cap=Cap(per_task=200_000), spend=30_000_000, policies=()
    )
    assert report.plans_measured == 3
    found = {plan.plan["values"]["act.rounds"]: plan.validation for plan in report.frontier}
    assert found[4].score >= 0.95
    assert 2 not in found or found[2].score == 0.0
    assert 8 not in found  # as good, and it costs more
    assert report.chosen == next(plan.plan_hash for plan in report.frontier if plan.validation is found[4])


@pytest.mark.parametrize("tools", [True, False])
def test_two_calls_one_after_the_other_need_three_rounds_and_more_only_cost(tools: bool) -> None:
    pool = Pool([Restless(tools=tools).model])
    costs = []
    for rounds, right in ((2, 0), (3, QUESTIONS), (4, QUESTIONS), (8, QUESTIONS)):
        graph = Graph("g").add("act", Agent(tools=(find, count), rounds=rounds))
        results = [graph.run(task, pool=pool) for task in TASKS]
        assert sum(result.answer == task.gold for result, task in zip(results, TASKS, strict=True)) == right
        costs.append(sum(result.charged.tokens for result in results))
    assert costs == sorted(costs)
    assert costs[-1] > 1.5 * costs[1]
