"""Prompts of the user's own on their way through graphs: hashes, plans, files, drawings, and what is sent."""

from __future__ import annotations

import random
from typing import Any

import pytest

from apportion import Cap, Graph, Pool, Prompt, Solver, Task, choose
from apportion.budgets.books import MemoryStore
from apportion.errors import GraphError
from apportion.models.card import ModelCard
from apportion.models.request import Request
from apportion.testing.scripted import ScriptedModel

SHORT = Prompt("Be short.", name="short")
LONG = Prompt("Work it out.\n{question}\n{format}", name="long", examples=(("1+1?", "Answer: 2"),), prefix="Well,")
PIECES = (
    "{question}", "{format}", "{{", "}}", "{", "}", "{node:draft}", "{left}", "{0}", "{question!r:>10}", "%s", "%(a)s",
    "$x", "${question}", "```json\n", "```", "\\1", "\\g<0>", "</s>", "<|im_end|>", "é\u202e", "\n\nQuestion:\n",
)  # fmt: skip


def prompted(*prompts: Prompt) -> Graph:
    return Graph("prompted").add("solve", Solver(model="m", prompt=choose(*prompts)))


def model(prefix: str = "none") -> ScriptedModel:
    card = ModelCard(name="m", provider="scripted", prefix=prefix)  # type: ignore[arg-type]
    return ScriptedModel(lambda request: "Answer: 4", name="m", card=card)


def sent(graph: Graph, question: str, prefix: str = "none", **values: str) -> Request:
    """The one request of a run."""
    one = model(prefix)
    pool = Pool([one])
    graph.run(Task(question=question), pool=pool, plan=graph.space(pool).plan(values or None), cap=Cap(per_task=9000))
    (request,) = one.requests
    return request


def test_the_text_is_in_the_hash_and_the_name_in_the_plan() -> None:
    graph = prompted(SHORT, LONG)
    assert graph.hash != prompted(SHORT, Prompt(LONG.text + " ", name="long")).hash
    assert [dict(plan.values) for plan in graph.space(Pool([model()]))] == [
        {"solve.prompt": "short"},
        {"solve.prompt": "long"},
    ]
    assert "prompt: short | long" in graph.draw()
    pinned = Graph("pinned").add("solve", Solver(model="m", prompt=LONG))
    assert "prompt = long" in pinned.draw()


def test_a_graph_without_prompts_has_the_hash_that_it_had() -> None:
    assert "prompt" not in Solver(model="m").canonical()


def test_a_graph_file_keeps_its_prompts() -> None:
    graph = prompted(SHORT, LONG)
    again = Graph.from_json(graph.to_json())
    assert again.hash == graph.hash
    assert again.blueprint.nodes["solve"] == graph.blueprint.nodes["solve"]


def test_few_shot_turns_and_a_prefix_where_the_model_continues_one() -> None:
    request = sent(prompted(LONG), "2+2?", prefix="assistant", **{"solve.prompt": "long"})
    assert [(message.role, message.content) for message in request.messages] == [
        ("user", "1+1?"),
        ("assistant", "Answer: 2"),
        ("user", "Work it out.\n2+2?\nEnd with one line: Answer: <answer only>"),
    ]
    assert request.prefix == "Well,"
    assert sent(prompted(LONG), "2+2?").prefix == ""


@pytest.mark.parametrize("seed", range(200))
def test_the_prompt_that_is_sent_is_the_one_that_was_written(seed: int) -> None:
    """Placeholders, format specs and fences in a question are text, and so is what is no placeholder in a template."""
    draws = random.Random(seed)
    question = "Q" + "".join(draws.choices(PIECES, k=draws.randint(1, 8)))
    literal = "".join(
        piece for piece in draws.choices(PIECES, k=6) if piece not in PIECES[:8] and piece != "${question}"
    )
    template = Prompt(f"{literal}<{{question}}|{{format}}>{literal}", name="t")
    (message,) = sent(prompted(template), question).messages
    form = "End with one line: Answer: <answer only>"
    assert message.content.encode() == f"{literal}<{question}|{form}>{literal}".encode()
    system, user = sent(prompted(Prompt(f"Mind {literal}", name="i")), question).messages
    assert system.content == f"Mind {literal}".rstrip() + f"\n{form}"
    assert user.content == f"Question:\n{question}"


def test_stored_samples_of_a_prompt_answer_every_smaller_number() -> None:
    graph = Graph("samples").add("solve", Solver(model="m", prompt=choose(SHORT, LONG), samples=choose(1, 3, 9)))
    one, store = model(), MemoryStore()
    pool = Pool([one])
    for samples, calls in ((9, 9), (1, 9), (3, 9)):
        plan = graph.space(pool).plan({"solve.prompt": "long", "solve.samples": samples})
        graph.run(Task(question="2+2?"), pool=pool, plan=plan, store=store)
        assert len(one.requests) == calls


def test_a_template_without_its_form_is_refused() -> None:
    with pytest.raises(GraphError, match=r"'t' of a solver node is a template without \{format\}"):
        prompted(Prompt("{question}", name="t"))


def test_two_prompts_of_one_name_are_refused() -> None:
    with pytest.raises(GraphError, match="two prompts of a solver node are called 'a'"):
        prompted(Prompt("A", name="a"), Prompt("B", name="a"))


@pytest.mark.parametrize("given", ["Be careful.", choose(SHORT, "Be careful.")])
def test_a_bare_text_is_no_prompt_and_the_error_says_what_is(given: Any) -> None:
    with pytest.raises(GraphError, match=r"not the text 'Be careful\.'; write Prompt\("):
        Solver(prompt=given)
