"""A study finds the model that is always right, however it writes its replies."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from apportion import Cap, Graph, Pool, Solver, Task, choose, optimize
from apportion.models.request import Request
from apportion.testing.scripted import ScriptedModel

PROMPTS = Path(__file__).parents[2] / "nodes" / "prompts"
FORMATS = tomllib.loads((PROMPTS / "reply_formats.toml").read_text())["format"]


def number(request: Request) -> int:
    found = re.search(r"q(\d+)", request.messages[-1].content)
    assert found is not None
    return int(found[1])


def in_its_format(request: Request) -> str:
    """The right answer to the n-th question in the n-th format of those for what was asked."""
    style = "direct" if "answer only: no explanation" in request.messages[0].content else "think"
    formats = [form["text"] for form in FORMATS if form.get("style", "think") == style]
    text, answer = formats[number(request) % len(formats)], str(number(request))
    return re.sub(r"\{(answer|latex|json)\}", lambda name: json.dumps(answer) if name[1] == "json" else answer, text)


def right_on_odd_questions(request: Request) -> str:
    return f"Answer: {number(request) if number(request) % 2 else 0}"


def test_the_model_that_is_always_right_wins_with_a_score_of_one() -> None:
    models = [
        ScriptedModel(in_its_format, name="always_right"),
        ScriptedModel(right_on_odd_questions, name="half_right"),
    ]
    graph = Graph("g")
    graph.add("s", Solver(style=choose("direct", "think"), max_output_tokens=400))
    tasks = [Task(question=f"q{index}", gold=str(index)) for index in range(2 * len(FORMATS))]
    report = optimize(graph, tasks, Pool(models), cap=Cap(per_task=5000), spend=1_000_000)
    best = max(report.frontier, key=lambda plan: plan.validation.score)
    assert best.plan["values"]["s.model"] == "always_right"
    assert best.validation.score == 1.0
