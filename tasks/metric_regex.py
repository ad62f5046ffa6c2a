"""The metric that matches an answer with a pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..errors import UsageError
from ..records.task import Task

__all__ = ["RegexMetric", "regex"]

_SECONDS = 1.0
"""For one search; an answer on which a pattern takes longer does not match."""
_LONGEST_PATTERN = 2000
_LONGEST = 200_000
"""Characters of an answer that is searched."""


class RegexMetric:
    r"""1 where the pattern is found in the answer; `^...$`, with `(?m)` for lines, or `\A...\Z` tie it to the ends.

    The pattern is `metadata["pattern"]`, or else the gold answer. It is searched for by the library `regex`, which
    reads what Python's `re` reads, for a second at most: a pattern that backtracks without end on some answer scores 0
    there.

    Raises:
        UsageError: there is no pattern, or it is none.
    """

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score; see the class."""
        compiled, text = self._pattern(task), answer[:_LONGEST]
        try:
            return float(bool(answer) and compiled.search(text, timeout=_SECONDS, concurrent=True) is not None)
        except TimeoutError:
            return 0.0

    def waits(self, task: Task) -> bool:
        """Whether a call may take so long that it belongs in a thread: always."""
        return True

    def check(self, task: Task) -> None:
        """Sees that the task has a pattern; where it has a gold answer too, that the answer matches.

        Raises:
            UsageError: one of the two is not so.
        """
        self._pattern(task)
        if "pattern" in task.metadata and task.gold and self(task, task.gold) < 1:
            raise UsageError(f"{_where(task)}: the gold answer {task.gold[:60]!r} does not match metadata 'pattern'")

    @staticmethod
    def _pattern(task: Task) -> Any:
        pattern = task.metadata.get("pattern", task.gold)
        if not isinstance(pattern, str) or not pattern:
            raise UsageError(f"{_where(task)}: there is no pattern; give it as the gold answer or metadata 'pattern'")
        if len(pattern) > _LONGEST_PATTERN:
            raise UsageError(f"{_where(task)}: the pattern has more than {_LONGEST_PATTERN} characters")
        problem, compiled = _compiled(pattern)
        if compiled is None:
            raise UsageError(f"{_where(task)}: {pattern[:60]!r} is no pattern: {problem}")
        return compiled


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> tuple[str, Any]:
    import regex as library

    try:
        return "", library.compile(pattern)
    except (library.error, OverflowError, RecursionError, ValueError) as error:
        return str(error), None


def _where(task: Task) -> str:
    return f"metric 'regex', task {task.name or task.task_id!r}"


regex = RegexMetric()
"""The metric."""
