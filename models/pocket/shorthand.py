"""The shorthand that the pocket models were trained on: a letter for the role, then what it is asked of."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from .tokenizer import encode

__all__ = ["PocketRole", "on_one_line", "searching", "solving", "verifying"]

_SEARCH_TOKENS = 240
"""The longest search prompt that leaves room for a query in the models' window of 256."""
_NO_DRAFT = ("Find ", "Codes ", "Count ", "Pegs ")
"""How the questions begin that are asked directly where a draft is wanted."""


class PocketRole(StrEnum):
    """A role; its value is the letter that a prompt for it begins with."""

    DIRECT = "S"
    """The answer only."""
    DRAFT = "C"
    """The results of the steps, then the answer."""
    THINK = "T"
    """Step by step."""
    DECOMPOSE = "D"
    """Split the question into parts."""
    SEARCH = "Q"
    """The next query, or the answer."""
    FORMALISE = "F"
    """Write the question as constraints."""
    VERIFY = "V"
    """Solve every step of a reasoning anew."""


def solving(role: PocketRole, question: str, context: str = "") -> str:
    """Asks for an answer, from the context where there is any. What has no draft is asked directly."""
    role = PocketRole.DIRECT if role is PocketRole.DRAFT and question.startswith(_NO_DRAFT) else role
    return f"{role}{context}\n{question}" if context else role + question


def searching(question: str, rounds: Sequence[tuple[str, str]], *, last: bool) -> str:
    """Asks for the next query, or for the answer where it is the last round.

    The prompt of a round begins with that of the round before, until the models' window is full; then the first rounds
    are left out.

    Args:
        question: on one line.
        rounds: the query and the passages found of each finished round, each on one line.
        last: whether the model must answer now.
    """
    begin, end = f"{PocketRole.SEARCH}{question}\n", "=" if last else ""
    finished = [f">{query}\n{passages}\n" for query, passages in rounds]
    while len(finished) > 1 and len(encode("".join((begin, *finished, end)))) > _SEARCH_TOKENS:
        del finished[0]
    return "".join((begin, *finished, end))


def verifying(question: str, claim: str) -> str:
    """Asks for every step of a reasoning, or for an answer that stands alone, to be solved anew; both on one line."""
    return f"{PocketRole.VERIFY}{question}\n{claim}\n"


def on_one_line(text: str) -> str:
    """A text on one line, because a newline ends a turn."""
    return " ".join(text.split("\n")).strip()
