"""Generated families of questions with exact graders and a difficulty dial."""

from __future__ import annotations

from ...errors import UnknownName, UsageError
from ...records.task import Task
from .adaptive_retrieval import ADAPTIVE_RETRIEVAL
from .base import Family, Share, share_of
from .chains import CHAINS
from .composites import COMPOSITES
from .connectivity import CONNECTIVITY
from .counting import COUNTING
from .extraction import EXTRACTION
from .hanoi import HANOI
from .hops import HOPS
from .puzzles import PUZZLES
from .repeats import REPEATS
from .stock import STOCK

__all__ = ["FAMILIES", "Family", "Share", "corpus", "generate", "share_of"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        ADAPTIVE_RETRIEVAL,
        CHAINS,
        COMPOSITES,
        CONNECTIVITY,
        COUNTING,
        EXTRACTION,
        HANOI,
        HOPS,
        PUZZLES,
        REPEATS,
        STOCK,
    )
}
"""All families by name."""


def generate(family: str, count: int, seed: int, difficulty: int, *, part: Share = "dev") -> list[Task]:
    """Different questions of a family.

    Args:
        family: a name in `FAMILIES`.
        count: how many.
        seed: the same seed gives the same questions; a larger count continues a smaller one.
        difficulty: the setting of the family's dial.
        part: which share of the questions to draw from; the pocket models were trained on the share `training` only.

    Raises:
        UnknownName: there is no such family.
        UsageError: the difficulty is off the dial, or the family has too few questions for this seed.
    """
    kind = _family(family)
    if difficulty not in kind.difficulties:
        first, last = kind.difficulties[0], kind.difficulties[-1]
        raise UsageError(f"difficulty {difficulty} of family {family!r}: the dial ({kind.dial}) runs {first} to {last}")
    tasks: dict[str, Task] = {}
    idle = 0
    for task in kind.tasks(seed, difficulty, part) if count > 0 else ():
        idle = idle + 1 if task.task_id in tasks else 0
        tasks.setdefault(task.task_id, task)
        if len(tasks) == count or idle > 1000:
            break
    if len(tasks) < count:
        raise UsageError(
            f"family {family!r} has {len(tasks)} different questions at difficulty {difficulty} for seed {seed}, "
            f"{count} were asked for; ask for fewer or take further seeds"
        )
    return list(tasks.values())


def corpus(family: str, seed: int, *, part: Share = "dev") -> tuple[str, ...]:
    """The passages that answer the questions which `generate` draws with the same seed and part.

    Returns:
        One sentence a passage, in a fixed random order; empty for families whose questions say everything.

    Raises:
        UnknownName: there is no such family.
    """
    make = _family(family).corpus
    return make(seed, part) if make else ()


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise UnknownName("family", name, FAMILIES)
    return FAMILIES[name]
