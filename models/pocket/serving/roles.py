"""The words of plain English that ask for a role."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..shorthand import PocketRole

__all__ = ["choose_role", "role_in"]


_WORDS: tuple[tuple[PocketRole, re.Pattern[str]], ...] = tuple(
    (role, re.compile(words, re.I))
    for role, words in (
        (PocketRole.FORMALISE, r"\bformali[sz]|\bconstraint solver|\b(?:in|into|as|to) constraints?\b"),
        (
            PocketRole.DECOMPOSE,
            r"\bdecompos|\bsub-?(?:question|problem)|\bsmaller (?:question|problem)|\bsplit\b|\bbreak\b.{0,60}\binto\b",
        ),
        (PocketRole.VERIFY, r"\bverif|\bcheck|\bjudge|\b(?:right|correct)\?"),
        (PocketRole.SEARCH, r"\bsearch|\blook(?:ing)?(?: \w+)? up\b"),
        (PocketRole.DRAFT, r"\bdraft|\bfew(?:er|est)? words|\bwords at most\b|\bat most \w+ words\b"),
        (
            PocketRole.DIRECT,
            r"(?:\bno|\bnot|n['’]t|\bwithout)(?: any| your| the| further)? (?:expla|reason|step|think|work)",
        ),
        (PocketRole.THINK, r"\bstep|\bthink|\breason|\bexplain|\bshow (?:your|the) work"),
        (
            PocketRole.DIRECT,
            r"\banswer only|\b(?:only|just) (?:with )?(?:the |an |your )?(?:final )?answer"
            r"|\bnothing (?:else|but)|\bdirect",
        ),
    )
)
"""In the order in which they are looked for: what is more particular stands first, because instructions to think,
draft, split or search mostly say something of steps and of the answer too."""


def role_in(text: str, *, verifiable: bool) -> PocketRole | None:
    """The role that a text asks for, or None where it asks for none.

    Args:
        text: instructions in plain English.
        verifiable: whether there is anything to verify; without it, "check" is advice to a solver.
    """
    return next(
        (role for role, words in _WORDS if (verifiable or role is not PocketRole.VERIFY) and words.search(text)), None
    )


def choose_role(texts: Iterable[str], *, verifiable: bool) -> PocketRole:
    """The role that the first of several texts asks for; a direct answer where none asks for any."""
    found = (role_in(text, verifiable=verifiable) for text in texts)
    return next((role for role in found if role is not None), PocketRole.DIRECT)
