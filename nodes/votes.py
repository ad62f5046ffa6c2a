"""Choosing among answers: how votes are counted. Answers of one form are one answer, see `Candidate.form`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..records.answers import normal_form
from ..records.message import Candidate

__all__ = ["Ballot", "VoteRule", "ballots", "heard", "normal_form", "pooled", "same_form"]

VoteRule = Literal["majority", "confidence", "first"]


@dataclass(frozen=True, slots=True)
class Ballot:
    """One distinct answer with the votes for it."""

    candidate: Candidate
    """The vote that speaks for it: checked if one is, then the most confident, then the first."""
    count: int
    """How many votes it has."""
    weight: float
    """Their confidences added up; see `ballots`."""


def same_form(candidate: Candidate) -> str:
    """What candidates of the same answer have in common."""
    return candidate.form or normal_form(candidate.answer)


def ballots(votes: Iterable[Candidate], rule: VoteRule = "majority") -> tuple[Ballot, ...]:
    """Counts votes; the best answer comes first.

    Answers that something beside a model's word supports come before all others. Then the rule decides: `majority`
    by number of votes, ties by mean confidence; `confidence` by the sum of confidences; `first` by order. What is
    still equal is decided by order. A vote without a confidence has the mean of those that have one, or 1 where none
    has. Who abstains is left out while another has an answer.
    """
    cast = heard(votes)
    known = [vote.confidence for vote in cast if vote.confidence is not None]
    usual = sum(known) / len(known) if known else 1.0
    groups: dict[str, list[Candidate]] = {}
    for vote in cast:
        groups.setdefault(same_form(vote), []).append(vote)
    counted = [_ballot(group, usual) for group in groups.values()]

    def order(ballot: Ballot) -> tuple[float, ...]:
        if rule == "first":
            return (ballot.candidate.checked,)
        if rule == "confidence":
            return ballot.candidate.checked, ballot.weight
        return ballot.candidate.checked, ballot.count, ballot.weight / ballot.count

    return tuple(sorted(counted, key=order, reverse=True))


def heard(votes: Iterable[Candidate]) -> list[Candidate]:
    """Those that count: who abstains is left out while another has an answer."""
    cast = [vote for vote in votes if vote.answer.strip()]
    return [vote for vote in cast if not vote.abstained] or cast


def pooled(panels: Sequence[Sequence[Candidate]]) -> tuple[Candidate, ...]:
    """The candidates of several makers as one list of distinct answers, best first.

    Each maker spreads at most one vote over its candidates by their confidence, 1 where it gives none; an answer's
    new confidence is its mean over the makers (the linear opinion pool, Stone 1961). Answers that something beside a
    model's word supports come first, with confidence 1.
    """
    spoken = [panel for panel in panels if any(vote.answer.strip() for vote in panel)]
    votes = [
        replace(vote, confidence=share / len(spoken))
        for panel in spoken
        for vote, share in zip(panel, _shares(panel), strict=True)
    ]
    return tuple(
        replace(ballot.candidate, confidence=1.0 if ballot.candidate.checked else min(1.0, ballot.weight))
        for ballot in ballots(votes, "confidence")
    )


def _ballot(group: list[Candidate], usual: float) -> Ballot:
    weights = [usual if vote.confidence is None else vote.confidence for vote in group]
    best = max(range(len(group)), key=lambda position: (group[position].checked, weights[position], -position))
    return Ballot(group[best], len(group), sum(weights))


def _shares(panel: Sequence[Candidate]) -> list[float]:
    shares = [1.0 if vote.confidence is None else vote.confidence for vote in panel]
    total = sum(shares)
    return [share / total for share in shares] if total > 1 else shares
