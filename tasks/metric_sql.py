"""The metric that compares queries by what they give on a SQLite file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..nodes.symbolic.process import Ended, OutOfTime
from ..records.task import Task
from .metric_text import golds
from .own_process import OwnProcess

__all__ = ["SqlMetric", "sql"]

_SECONDS = 5.0
"""Of the processor, for one query; one that takes longer is not shown to be right."""
_MEMORY = 512 * 1024**2
_LONGEST = 50_000
"""Characters of a query."""
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'?|"(?:[^"]|"")*"?|`(?:[^`]|``)*`?|\[[^\]]*\]?|--[^\n]*|/\*.*?(?:\*/|\Z)|[()]|\w+""", re.DOTALL
)
"""Literals, quoted names and comments of SQLite, parentheses, and words."""
_EXACT = 2.0**53
_DIGITS = 9
"""To so many significant digits two floats must agree."""


class SqlMetric:
    """1 where the answer, a query, gives the same rows as the gold query on the SQLite file `metadata["database"]`.

    Rows may come in any order unless the gold query ends in ORDER BY; names of columns do not count, their order does.
    The file is read only. A query is one SELECT (or WITH, or VALUES), run in a process of its own with limits on time,
    memory, rows and bytes, where SQLite refuses all but reading and a list of functions: what fails there, or takes
    too long, scores 0.

    Raises:
        UsageError: there is no such file, or the gold query itself fails.
    """

    def __init__(self) -> None:
        self._process = OwnProcess(_MEMORY, f"{__package__}.sql_worker")
        self._gold: dict[tuple[str, int, int, str], list[list[Any]]] = {}

    def waits(self, task: Task) -> bool:
        """Whether a call may take so long that it belongs in a thread: always."""
        return True

    def close(self) -> None:
        """Ends the process; the next query starts another."""
        self._process.close()

    def check(self, task: Task) -> None:
        """Sees that the file is there and that the gold query runs.

        Raises:
            UsageError: one of the two is not so.
        """
        self(task, "")

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score; see the class."""
        path = _database(task)
        right = [(gold, self._right(task, path, gold)) for gold in golds(task, "sql")]
        if not answer.strip() or len(answer) > _LONGEST:
            return 0.0
        given, _ = self._rows(task, path, answer)
        return float(given is not None and any(_equal(given, rows, gold) for gold, rows in right))

    def _right(self, task: Task, path: Path, gold: str) -> list[list[Any]]:
        about = path.stat()
        key = (str(path), about.st_mtime_ns, about.st_size, gold)
        if key not in self._gold:
            rows, reason = self._rows(task, path, gold)
            if rows is None:
                raise UsageError(f"{_where(task)}: the gold query fails: {reason}")
            self._gold[key] = rows
        return self._gold[key]

    def _rows(self, task: Task, path: Path, query: str) -> tuple[list[list[Any]] | None, str]:
        """What a query gives; None and why where it gives nothing."""
        try:
            request = {"path": str(path), "query": query, "seconds": _SECONDS}
            reply = self._process.ask(request)
        except OutOfTime:
            return None, f"it takes more than {_SECONDS:g} seconds of the processor"
        except Ended as ended:  # a query may bring its process down
            return None, str(ended)
        return (reply["rows"], "") if reply["status"] == "rows" else (None, str(reply.get("reason", "")))


def _database(task: Task) -> Path:
    given = task.metadata.get("database")
    if not isinstance(given, str) or not given:
        raise UsageError(f"{_where(task)}: metadata 'database' must be the path of a SQLite file")
    path = Path(given).absolute()
    if not path.is_file():
        raise UsageError(f"{_where(task)}: there is no file {given!r} (metadata 'database')")
    return path


def _equal(given: Sequence[Sequence[Any]], gold: Sequence[Sequence[Any]], query: str) -> bool:
    one, other = ([tuple(map(_value, row)) for row in rows] for rows in (given, gold))
    return one == other if _ordered(query) else Counter(one) == Counter(other)


def _ordered(query: str) -> bool:
    """Whether a query has an ORDER BY that is in no parentheses."""
    depth, before = 0, ""
    for token in _TOKEN.findall(query):
        if token.startswith(("--", "/*")):
            continue
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and before == "order" and token.lower() == "by":
            return True
        before = token.lower() if depth == 0 else ""
    return False


def _value(value: Any) -> Any:
    """A value of a row so that equal ones are equal: 2.0 is 2, and a float counts to some digits."""
    if not isinstance(value, float):
        return value
    whole = value.is_integer() and abs(value) < _EXACT
    return int(value) if whole else float(f"{value:.{_DIGITS}g}")


def _where(task: Task) -> str:
    return f"metric 'sql', task {task.name or task.task_id!r}"


sql = SqlMetric()
"""The metric. Its process starts at the first query, and ends with this one."""
