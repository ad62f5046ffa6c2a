"""The support of a reading by the passages, and that the graphs and questions of the benchmark can be made."""

from __future__ import annotations

import asyncio

import pytest

from apportion import Task
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records import Message, Status
from apportion.testing.scripted import ScriptedModel
from benchmarks.gated import (
    Noisy,
    Remembered,
    handed_on,
    mixed,
    read_or_search,
    read_or_search_supported,
    retrieval,
    supported,
    think_or_search,
)

TASK = Task(
    question="Which room is kemo in?",
    context=("kemo stays with rali.", "rali works in room 58.", "lana saw kemo.", "lato works in room 12."),
)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("kemo stays with rali. rali works in room 58", 1.0),
        ("kemo stays with rali. rali works in room 12", 0.5),
        ("kemo stays with lato. lato works in room 12", 0.5),
        ("lato works in room 12", 0.0),
        ("kemo works in room 58", 0.0),
    ],
)
def test_a_reading_is_as_sure_as_the_passages_support_it(text: str, share: float) -> None:
    said = supported(TASK.question, {"read": Message(answer=text[-2:], text=text)}, TASK)
    assert said.answer == text[-2:]
    assert said.candidates[0].confidence == share


def test_where_nothing_was_read_there_is_nothing_to_support() -> None:
    said = supported(TASK.question, {"read": Message(status=Status.PARSE_ERROR)}, TASK)
    assert said.status is Status.SKIPPED
    assert said.candidates == ()


def test_graphs_and_questions_can_be_made() -> None:
    for graph in (think_or_search(), handed_on(), read_or_search(0.5, 0.25), read_or_search_supported()):
        assert graph.blueprint.gated
    assert [task.difficulty for task in retrieval(2)] == [0, 0, 3, 3]
    assert [task.family for task in mixed(1, 1)] == ["hops", "hops", "chains", "chains"]


def test_a_reply_is_asked_for_once_and_noise_is_the_request_s_own() -> None:
    model = ScriptedModel(lambda request: "x", name="m")
    requests = [Request("m", (ChatMessage("user", str(n)),), 8, logprobs=True) for n in range(50)]
    noisy, other = Noisy(Remembered(model), 0), Noisy(model, 1)

    async def ask() -> list[Reply]:
        return [await noisy.complete(request) for request in (*requests, *requests)]

    replies = asyncio.run(ask())
    assert len(model.requests) == 50
    sure = [reply.mean_logprob for reply in replies]
    assert sure[:50] == sure[50:]
    assert len(set(sure)) == 50
    assert asyncio.run(other.complete(requests[0])).mean_logprob != sure[0]
