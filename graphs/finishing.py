"""The finishing allowance: how a run that has met its cap still ends with an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..budgets.cap import pick
from ..models.metered import call_bound
from ..models.pool import Pool
from ..models.request import Request
from ..nodes.prompts.base import Ask, Dialect, Style
from ..nodes.votes import pooled
from ..records.message import Candidate, Message
from ..records.rows import Unit
from ..records.task import Task
from ..records.usage import Amount

__all__ = ["best_so_far", "direct_call"]


def direct_call(
    task: Task, pool: Pool, dialect: Callable[[str], Dialect], unit: Unit, output_cap: int | None = None
) -> tuple[Request, Amount]:
    """The request for a direct answer whose bound is the lowest in `unit`, and that bound.

    With an output cap, where no call may write more than that.

    Models whose output cannot be capped are left out, unless there are no others.
    """
    ask = Ask(task.question, task.instructions, task.context)
    calls = []
    for model in pool:
        card = model.card
        prompt = dialect(card.dialect).solve(ask, Style.DIRECT)
        request = Request(
            model=card.name,
            messages=prompt.messages,
            max_output_tokens=min(card.direct_output_cap, output_cap or card.direct_output_cap),
            stop=prompt.stop,
            response_schema=prompt.response_schema if card.json_schema else "",
        )
        bound = call_bound(model, request)
        calls.append(((card.output_cap == "ignored", pick(bound, unit)), request, bound))
    _, request, bound = min(calls, key=lambda call: call[0])
    return request, bound


def best_so_far(messages: Iterable[Message]) -> Message | None:
    """The best candidate among what nodes have said about the whole question, at no cost; None where there is none.

    Each node has one vote, spread over its candidates (see `pooled`). What a checker did not accept speaks only where
    nothing else does.
    """
    panels: dict[bool, list[tuple[Candidate, ...]]] = {True: [], False: []}
    for message in messages:
        panel = message.candidates or (Candidate(message.answer),)
        if any(candidate.answer.strip() for candidate in panel):
            panels[message.accepted].append(panel)
    candidates = pooled(panels[True]) or pooled(panels[False])
    if not candidates:
        return None
    best = candidates[0]
    return Message(answer=best.answer, data=best.data, text=best.text, candidates=candidates)
