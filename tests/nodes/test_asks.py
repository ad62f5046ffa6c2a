from __future__ import annotations

from functools import partial
from itertools import groupby
from string import printable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.models.request import ChatMessage
from apportion.nodes.asks import NOTES, PASSAGES, REASON_BYTES, ask_of, bound_of
from apportion.nodes.base import Incoming, Inputs, Speakers
from apportion.nodes.prompts import dialect_named
from apportion.nodes.prompts.base import Ask, Messages, Style
from apportion.records.message import Candidate, Forward, Message, MessageSize
from apportion.records.task import Task
from apportion.records.text import longest_bytes

TASK = Task(question="Who?", context=("own passage",))
SIZE = MessageSize(answer=400, text=600, candidates=20, evidence=4000, passages=50)

TEXTS = st.text(max_size=60)
MESSAGES = st.builds(
    Message,
    answer=TEXTS,
    text=st.text(max_size=400),
    candidates=st.lists(st.builds(Candidate, answer=TEXTS, text=TEXTS), max_size=20).map(tuple),
    evidence=st.lists(TEXTS, max_size=50).map(tuple),
    reason=st.text(max_size=400),
    accepted=st.booleans(),
)
EXACT = st.builds(
    lambda answer, text, data, more: Message(
        answer=answer,
        text=text,
        data=data,
        candidates=(Candidate(answer, form=answer), *(Candidate(other, form=other) for other in more)),
    ),
    st.text("ab \n`", max_size=60),
    st.text(max_size=400),
    st.none() | st.just({}),
    st.lists(st.text("ab \n", max_size=40), max_size=15),
)


def test_an_answer_is_noted_once_with_its_reasoning() -> None:
    message = Message(answer="Ann", text="x\n so Ann", candidates=(Candidate("ann."), Candidate("Bob")))
    ask = ask_of(Inputs(TASK, "Who?", {"a": message, "b": Message(answer="BOB")}))
    assert ask.notes == ("Ann (reasoning: x so Ann)", "Bob")


def test_an_answer_with_a_form_of_its_own_is_noted_sign_by_sign() -> None:
    code, other = "def f(x):\n    return  X", "def f(x):\n    return  x"
    drawn = (Candidate(code, form=code), Candidate(other, form=other))
    ask = ask_of(Inputs(TASK, "Who?", {"a": Message(answer=code, text="so\nI say", candidates=drawn)}))
    assert ask.notes == (f"\n```\n{code}\n```", f"\n```\n{other}\n```")
    fenced = "a\n```\nb"
    kept = ask_of(Inputs(TASK, "Who?", {"a": Message(answer=fenced, candidates=(Candidate(fenced, form=fenced),))}))
    assert kept.notes == (f"\n{fenced}",)
    value = '{"a":"two  blanks"}'
    told = ask_of(Inputs(TASK, "Who?", {"a": Message(answer=value, data={"a": "two  blanks"})}))
    assert told.notes == (value,)
    previous = Message(answer=code, candidates=drawn, accepted=False, reason="it fails")
    again = ask_of(Inputs(TASK, "Who?", {}, 1, previous))
    assert again.notes == (f"\n```\n{code}\n``` (not accepted: it fails)",)


def test_a_bare_answer_has_no_reasoning() -> None:
    assert ask_of(Inputs(TASK, "Who?", {"a": Message(answer="Ann", text=" ann. ")})).notes == ("Ann",)


def test_notes_and_passages_are_limited_and_those_of_the_task_stay() -> None:
    crowd = Message(candidates=tuple(Candidate(f"c{n}") for n in range(40)), evidence=tuple(f"e{n}" for n in range(90)))
    ask = ask_of(Inputs(TASK, "Who?", {"a": crowd}))
    assert len(ask.notes) == NOTES
    assert len(ask.passages) == 1 + PASSAGES
    assert ask.passages[:2] == ("own passage", "e0")


def test_an_objection_is_cut_and_on_one_line() -> None:
    previous = Message(answer="", accepted=False, reason="no\n" * 900)
    note = ask_of(Inputs(TASK, "Who?", {}, 1, previous)).notes[0]
    assert note.startswith("no answer (not accepted: no no")
    assert len(note) <= REASON_BYTES + 40
    assert "\n" not in note


@pytest.mark.parametrize("shown", ["passages", "notes"])
def test_what_surrounds_each_item_is_foreseen(shown: str) -> None:
    """A dialect that shows only one of the two has no slack from the other."""

    def render(ask: Ask) -> Messages:
        items: tuple[str, ...] = getattr(ask, shown)
        return Messages((ChatMessage("user", "".join(f"<{item:->40}>" for item in items)),))

    letters = printable[:62]
    crowd = Message(candidates=tuple(Candidate(a) for a in letters[:NOTES]), evidence=tuple(letters[:PASSAGES]))
    incoming = Incoming([MessageSize(answer=1, text=0, candidates=NOTES, evidence=PASSAGES, passages=PASSAGES)])
    prompt = render(ask_of(Inputs(Task(question="Who?"), "Who?", {"a": crowd})))
    assert len(prompt.messages[0].content) <= bound_of("m", render, Ask("Who?"), incoming, 10).prompt_bytes


@settings(max_examples=60, deadline=None)
@given(st.lists(MESSAGES | EXACT, max_size=3), st.none() | MESSAGES | EXACT)
def test_no_prompt_is_larger_than_its_bound(messages: list[Message], previous: Message | None) -> None:
    """Whatever comes over the edges, the rendered prompt stays below what was foreseen from the edges' limits."""
    forwarded = {str(n): message.forwarded(Forward.FULL, SIZE) for n, message in enumerate(messages)}
    back = None if previous is None else previous.forwarded(Forward.FULL, SIZE)
    incoming = Incoming([SIZE] * len(messages), None if previous is None else SIZE)
    for name in ("chat", "pocket"):
        render = partial(dialect_named(name).solve, style=Style.THINK)
        bound = bound_of("m", render, Ask("Who?", passages=TASK.context), incoming, 10)
        prompt = render(ask_of(Inputs(TASK, "Who?", forwarded, 1, back)))
        assert sum(longest_bytes(message.content) for message in prompt.messages) <= bound.prompt_bytes
        assert len(prompt.messages) <= bound.messages


def runs_of_letters(text: str) -> int:
    """A tokenizer that makes one token of any number of equal letters, as real ones do of some."""
    return sum(1 for _ in groupby(text))


def test_what_is_not_known_yet_is_no_run_of_equal_letters() -> None:
    """An objection of a checker may be any text, so a tokenizer that merges equal letters must not shrink its bound."""
    reason = "".join(chr(97 + n * 7 % 26) for n in range(REASON_BYTES))
    previous = Message(answer="no", accepted=False, reason=reason)
    inputs = Inputs(TASK, "Who?", {}, 1, previous)
    dialect = dialect_named("chat")
    render = partial(dialect.solve, style=Style.THINK)
    speakers = Speakers(lambda model: dialect, lambda model, tokens: tokens, measure=runs_of_letters)
    known = Ask("Who?", TASK.instructions, TASK.context)
    bound = bound_of("m", render, known, Incoming((), MessageSize(answer=2, text=0)), 9, speakers=speakers)
    sent = sum(runs_of_letters(message.content) for message in render(ask_of(inputs)).messages)
    assert sent <= bound.prompt_bytes <= 2 * sent
