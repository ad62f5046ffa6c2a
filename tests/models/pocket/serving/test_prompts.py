from __future__ import annotations

from collections.abc import Iterator

import pytest

from apportion.models.pocket.serving.prompts import is_shorthand, prompt_of
from apportion.models.request import ChatMessage
from apportion.nodes.prompts.base import Ask, Dialect, Messages, SearchRound, Style
from apportion.nodes.prompts.chat import ChatDialect
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.records.message import Part
from apportion.tasks.families import FAMILIES, corpus, generate
from apportion.tasks.families.hops import NAMES

SOME_PASSAGES = corpus("hops", 1)[:3]


def user(text: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", text),)


def every_prompt(dialect: Dialect, ask: Ask) -> Iterator[Messages]:
    """What a dialect writes for each role."""
    for style in Style:
        yield dialect.solve(ask, style)
    yield dialect.decompose(ask, 4)
    parts = [(Part("p1", "47+83="), "30"), (Part("p2", "12-05="), "07")]
    yield dialect.merge(ask, parts, "{p1}-{p2}=")
    yield dialect.merge(ask, parts[:1], "")
    rounds = [SearchRound("kemo stays", SOME_PASSAGES), SearchRound("lato", ())]
    for finished in range(3):
        yield dialect.search(ask, rounds[:finished], last=False)
        yield dialect.search(ask, rounds[:finished], last=True)
    yield dialect.search(ask, rounds * 12, last=True)
    yield dialect.formalise(ask, "")
    yield dialect.formalise(ask, "variables: search for the reason, step by step")
    yield dialect.verify(ask, "30", "")
    yield dialect.verify(ask, "30", "47+83=30*02=60")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chat_dialect_selects_what_the_pocket_dialect_writes(family: str) -> None:
    for difficulty in FAMILIES[family].difficulties[::2]:
        (task,) = generate(family, 1, 1, difficulty)
        for passages in {task.context, SOME_PASSAGES}:
            ask = Ask(task.question, task.instructions, passages, ("41 (reasoning: think step by step)",))
            chat, pocket = every_prompt(ChatDialect(), ask), every_prompt(PocketDialect(), ask)
            for english, shorthand in zip(chat, pocket, strict=True):
                assert prompt_of(english.messages) == shorthand.messages[-1].content


def test_passages_that_begin_with_any_name_are_shorthand() -> None:
    fact = ("calls lana", "met lana", "saw lana", "stays with lana", "works in room 47")
    texts = [f"{role}{name} {said}.\nWhich room is lana in?" for role in "SCT" for name in NAMES for said in fact]
    assert [text for text in texts if not is_shorthand(text)] == []
    assert not is_shorthand("State your answer.")


@pytest.mark.parametrize("family", FAMILIES)
def test_shorthand_passes_untouched_and_questions_alone_do_not(family: str) -> None:
    task = generate(family, 1, 2, FAMILIES[family].difficulties[0])[0]
    for prompt in every_prompt(PocketDialect(), Ask(task.question, passages=task.context)):
        (message,) = prompt.messages
        assert is_shorthand(message.content)
        assert prompt_of((ChatMessage("system", "Answer only."), message)) == message.content
    assert not is_shorthand(task.question)
    assert prompt_of(user(task.question)) == f"S{task.question}"


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("What is 47 + 83?", "S47+83="),
        ("Think step by step: 47+83*2", "T47+83*02="),
        ("What is (47+83) - (12-5) =? Reason in steps.", "T(47+83)-(12-05)="),
        ("Do not explain. 1+1=", "S01+01="),
        ("Step by step, but don't skip steps: 01+01=", "T01+01="),
        ("Draft: 47+83-12=", "C47+83-12="),
        ("Use as few words as possible. Sum of kemo,\n lato?", "CSum of kemo, lato?"),
        ("Draft this. Pegs cab. All to c?", "SPegs cab. All to c?"),
        ("Split into sub-questions: (47+83)-(12-05)=", "D(47+83)-(12-05)="),
        ("Decompose it and think step by step.\n47+83=", "D47+83="),
        ("Into constraints: Find a,b from 1 to 3: a is less\nthan b.", "FFind a,b from 1 to 3: a is less than b."),
        ("Search for it. Which room is kemo in?", "QWhich room is kemo in?\n"),
        ("Look it up.\nWhich room is kemo in?", "QWhich room is kemo in?\n"),
        ("Arrows c>d a>b. From a?", "SArrows c>d a>b. From a?"),
        (
            "Codes kemo 47b, lato 12k. Give lato, kemo joined by ;. Answer only.",
            "SCodes kemo 47b, lato 12k. Give lato, kemo joined by ;.",
        ),
        ("Count k in qwkek, think", "TCount k in qwkek"),
        ("kemo works with lato. lato stays\nin room 12. Which room is kemo in?",
         "Skemo works with lato. lato stays in room 12.\nWhich room is kemo in?"),
        ("Stock kemo 47, lato 12.\nSum of kemo, lato?", "SStock kemo 47, lato 12.\nSum of kemo, lato?"),
        ("Context: the lamp is on.\nand off\n\nQuery: Which room is kemo in?\nAnswer: ",
         "Sthe lamp is on. and off\nWhich room is kemo in?"),
        ("Question: where is\nkemo?", "Swhere is kemo?"),
        ("Check your work. 47+83=", "S47+83="),
        ("Question: 47+83=\nProposed answer: 31\nVerify the answer.", "V47+83=\n31\n"),
        ("Question: 47+83=\nReasoning: 47+83=31\nIs this right?", "V47+83=\n47+83=31\n"),
        ("Question: 1+1=\nAnswer: 02\n\nQuestion: 47+83=\nAnswer:", "S47+83="),
        ("Q: 47+83=", "S47+83="),
    ],
)  # fmt: skip
def test_plain_english(text: str, prompt: str) -> None:
    assert prompt_of(user(text)) == prompt


@pytest.mark.parametrize(
    "text", ["hello there", "The total on 2026-11-22 was 5.", "Is 47+83=30 right?", "two\nlines", "x" * 20_000]
)
def test_a_message_without_a_question_is_asked_as_it_is(text: str) -> None:
    assert prompt_of((ChatMessage("system", "Think step by step."), *user(text))) == text


def test_the_nearest_instruction_chooses_the_role() -> None:
    system = ChatMessage("system", "Think step by step.")
    before = (ChatMessage("user", "Draft only from now on. 1+1="), ChatMessage("assistant", "Search!"))
    plain, own = ChatMessage("user", "47+83="), ChatMessage("user", "Answer only. 47+83=")

    assert prompt_of((system, *before, plain)) == "T47+83="
    assert prompt_of((*before, plain)) == "C47+83="
    assert prompt_of((system, *before, own)) == "S47+83="
    assert prompt_of((plain, own, ChatMessage("assistant", "30"))) == "S47+83="
    assert prompt_of((ChatMessage("user", "T1+1="), plain)) == "S47+83="


def test_without_a_user_message_there_is_no_prompt() -> None:
    assert prompt_of((ChatMessage("system", "Think."),)) == ""
