from __future__ import annotations

from apportion.graphs.finishing import best_so_far, direct_call
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.prompts import dialect_named
from apportion.records.message import Candidate, Message
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="why?")


def model(name: str, **card: object) -> ScriptedModel:
    return ScriptedModel(lambda request: "x", name=name, card=ModelCard.model_validate({"name": name, **card}))


def test_the_direct_call_takes_the_model_that_is_cheapest_in_the_unit_of_the_cap() -> None:
    pool = Pool(
        [
            model("uncapped", output_cap="ignored"),
            model("heavy", weight=5, input_usd_per_million=0.1),
            model("light", weight=1, template_tokens=17, input_usd_per_million=2),
        ]
    )
    assert direct_call(TASK, pool, dialect_named, "tokens")[0].model == "heavy"
    assert direct_call(TASK, pool, dialect_named, "weighted")[0].model == "light"
    assert direct_call(TASK, pool, dialect_named, "usd")[0].model == "heavy"


def test_the_card_says_how_long_a_direct_answer_is() -> None:
    deep = model("deep", kind="reasoning")
    request, bound = direct_call(TASK, Pool([deep]), dialect_named, "tokens")
    assert request.max_output_tokens == deep.card.direct_output_cap
    assert bound.tokens > request.max_output_tokens


def test_the_best_is_what_most_nodes_say() -> None:
    best = best_so_far([Message(answer="1"), Message(answer="2"), Message(answer="2.0"), Message(evidence=("seen",))])
    assert best is not None
    assert best.answer == "2"


def test_what_was_checked_counts_more_than_votes() -> None:
    checked = Message(answer="1", candidates=(Candidate("1", checked=True),))
    best = best_so_far([checked, Message(answer="2"), Message(answer="2")])
    assert best is not None
    assert best.answer == "1"


def test_what_a_checker_refused_speaks_only_alone() -> None:
    refused = Message(answer="1", accepted=False)
    with_other = best_so_far([refused, refused, Message(answer="2")])
    alone = best_so_far([refused])
    assert with_other is not None
    assert alone is not None
    assert (with_other.answer, alone.answer) == ("2", "1")


def test_nothing_was_said() -> None:
    assert best_so_far([Message(), Message(answer=" ")]) is None
