"""Extraction: codes of some names out of eight records, in the order and with the joiner that is asked for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from string import ascii_lowercase

from .base import Asked, Family, drawn
from .hops import NAMES

__all__ = ["EXTRACTION", "Records", "draw_records"]

_INSTRUCTIONS = (
    "Every record is a name and its code, two digits and a letter. Answer with the codes of the names that are asked "
    "for, in the order in which they are asked for, joined by the given character alone: no space and nothing else."
)
_RECORDS = 8
_JOINERS = "/-;+"


@dataclass(frozen=True, slots=True)
class Records:
    """Names with their codes, and what is asked of them."""

    codes: dict[str, str]
    """In the order in which they are listed."""
    asked: tuple[str, ...]
    joiner: str

    @property
    def text(self) -> str:
        """The question."""
        listed = ", ".join(f"{name} {code}" for name, code in self.codes.items())
        return f"Codes {listed}. Give {', '.join(self.asked)} joined by {self.joiner}."

    @property
    def found(self) -> tuple[str, ...]:
        """The codes that are asked for, in order."""
        return tuple(self.codes[name] for name in self.asked)

    @property
    def answer(self) -> str:
        """The codes as they are to be written."""
        return self.joiner.join(self.found)


def draw_records(rng: random.Random, difficulty: int) -> Records:
    """Eight records, and a question for so many of them in random order."""
    names = rng.sample(NAMES, _RECORDS)
    codes = {name: f"{rng.randrange(100):02d}{rng.choice(ascii_lowercase)}" for name in names}
    return Records(codes, tuple(rng.sample(names, difficulty)), rng.choice(_JOINERS))


def _ask(rng: random.Random, difficulty: int) -> Asked:
    records = draw_records(rng, difficulty)
    return Asked(records.text, records.answer)


EXTRACTION = Family(
    name="extraction",
    metric="verbatim",
    instructions=_INSTRUCTIONS,
    dial="names asked",
    difficulties=range(1, 7),
    stream=drawn(_ask),
)
