"""Clusters of questions: of one template or one premise, so that what is learned of one is known of all.

A policy that reads questions learns templates by heart. It is judged on templates that it has not seen where clusters
stay together: in the parts of a dev set, and in the folds of whatever is cross-fitted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..records.task import Task
from .near_duplicates import masked, near_duplicates, tells

__all__ = ["Clusters", "clusters_of", "task_clusters"]

_SHARE = 1 / 3
"""The most of all questions, or of a family, that a cluster may hold: with three parts, larger ones leave one empty."""
_FAMILY = 10
"""Smaller families cannot be divided in parts anyway; they may be one cluster."""
_FOUND = "~"
"""With which the names of found clusters begin."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which questions stay together."""

    names: tuple[str, ...]
    """(questions,): the name of the cluster; empty where a question stands alone."""
    one_template: tuple[str, ...] = ()
    """Families that are of few templates, so that a template holds more than a third of them: nothing can be held out
    by template there, and their questions stand alone, but for those of one text."""
    too_large: tuple[str, ...] = ()
    """Given clusters that hold more than a third of all questions; their questions count as if none were given."""

    @property
    def any(self) -> bool:
        """Whether any two questions stay together."""
        return any(self.names)

    @property
    def counts(self) -> dict[str, int]:
        """How many clusters there are, and how many questions are in them."""
        named = [name for name in self.names if name]
        return {"clusters": len(set(named)), "clustered": len(named)}

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be kept together, in words."""
        found = []
        if self.one_template:
            families = ", ".join(repr(family) for family in self.one_template if family)
            where = f"of family {families}" if families else "without a family"
            found.append(
                f"the questions {where} are of one template or few, and cannot be set aside by template; only those of "
                "one text stay together"
            )
        given = [name for name in self.too_large if not name.startswith(_FOUND)]
        if given:  # of a part, what was found on the whole may be too large; that is said of its families
            found.append(
                f"cluster {given[0]!r} holds more than a third of all questions, which cannot be set aside "
                "together; give smaller clusters, or none"
            )
        return tuple(found)


def task_clusters(tasks: Sequence[Task]) -> Clusters:
    """The clusters of tasks: `Task.cluster` where it is given, else near-duplicates of question and context."""
    texts = ["\n".join((task.question, *task.context)) for task in tasks]
    return clusters_of(texts, [task.family for task in tasks], [task.cluster for task in tasks])


def clusters_of(texts: Sequence[str], families: Sequence[str], given: Sequence[str]) -> Clusters:
    """Which questions stay together: those that are said to, else near-duplicates.

    Near-duplicates are alike without their numbers and names (see `near_duplicates`). A cluster that holds more than a
    third of a family says that the family is one template: there only questions that are equal but for numbers and
    names stay together; where these are too many as well, as in sums, only those of one text.

    Args:
        texts: of the questions.
        families: theirs; those that are one template are told apart by them.
        given: the names of their clusters, empty where none is given.
    """
    sizes = Counter(filter(None, given))
    too_large = {name for name, size in sizes.items() if size > _SHARE * len(texts)}
    names = ["" if name in too_large else name for name in given]
    open_ones = [number for number, name in enumerate(names) if not name]
    tokens = {number: masked(texts[number]) for number in open_ones}
    exact = {number: " ".join(texts[number].casefold().split()) for number in open_ones}
    alike = dict(zip(open_ones, near_duplicates([tokens[number] for number in open_ones]), strict=True))

    def told(number: int, template: str) -> str:
        """The template, where the text says which it is of; else its text, and where there is none it stands alone."""
        return template if tells(tokens[number]) else exact[number] or str(number)

    levels: list[Callable[[int], str]] = [
        lambda number: told(number, f"{alike[number]} "),
        lambda number: told(number, " ".join(tokens[number])),
        lambda number: exact[number] or str(number),
    ]
    of_family = Counter(families)
    waiting, one_template = open_ones, set[str]()
    for key in levels:
        groups: dict[str, list[int]] = {}
        for number in waiting:
            groups.setdefault(key(number), []).append(number)
        waiting = []
        for members in groups.values():
            own = Counter(families[number] for number in members)
            crowded = {family for family in own if own[family] > _SHARE * max(_FAMILY, of_family[family])}
            if len(members) > max(1, _SHARE * len(texts)):
                crowded = set(own)
            one_template |= crowded
            waiting += [number for number in members if families[number] in crowded]
            together = [number for number in members if families[number] not in crowded]
            if len(together) > 1:
                name = _name([exact[number] for number in together])
                for number in together:
                    names[number] = name
    return Clusters(tuple(names), tuple(sorted(one_template)), tuple(sorted(too_large)))


def _name(texts: Sequence[str]) -> str:
    """By the content alone, so that the order of a file makes no difference."""
    return f"{_FOUND}{hashlib.sha256(min(texts).encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
