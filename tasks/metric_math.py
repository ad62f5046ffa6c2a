"""The metric that compares mathematics: expressions, sets, tuples, intervals, equations."""

from __future__ import annotations

import re
from importlib.util import find_spec

from ..errors import UsageError
from ..nodes.symbolic.process import Ended, OutOfTime
from ..records.answers import normal_form
from ..records.task import Task
from .metric_text import golds
from .own_process import OwnProcess

__all__ = ["MathMetric", "math"]

_SECONDS = 2.0
"""Of the processor, for reading each of two expressions and for comparing them; what takes longer is not equal."""
_MEMORY = 2 * 1024**3
_LONGEST = 2000
"""Characters of an expression."""
_ROOT = re.compile(r"√\s?(\w+|\([^()]*\))")
_SIGNS = str.maketrans(
    {
        "π": "\\pi ",
        "∞": "\\infty ",
        "≤": "\\le ",
        "≥": "\\ge ",
        "≠": "\\ne ",
        "×": "\\times ",
        "·": "\\cdot ",
        "∪": "\\cup ",
        "∩": "\\cap ",
        "±": "\\pm ",
        "−": "-",
        "²": "^2",
        "³": "^3",
    }
)
"""Of signs, how LaTeX writes them."""


class MathMetric:
    r"""1 where the answer means the same mathematics as the gold answer, however it is written.

    `\frac{\sqrt{2}}{2}` is `1/\sqrt{2}`, `(x+1)^2` is `x^2+2x+1`, `\{2, 1\}` is `\{1, 2\}`, and `x = 6` is `6`. They
    are read and compared by math-verify (Hugging Face, 2024) on sympy, in a process of its own with limits on time and
    memory: an answer that takes the processor more than a few seconds scores 0. Aliases are right too.

    Raises:
        UsageError: math-verify is not installed, or the gold answer is no mathematics.
    """

    def __init__(self) -> None:
        self._process = OwnProcess(_MEMORY, f"{__package__}.math_worker")

    def waits(self, task: Task) -> bool:
        """Whether a call may take so long that it belongs in a thread: always."""
        return True

    def close(self) -> None:
        """Ends the process; the next pair starts another."""
        self._process.close()

    def __call__(self, task: Task, answer: str, /) -> float:
        """The score; see the class."""
        where = f"metric 'math', task {task.name or task.task_id!r}"
        if find_spec("math_verify") is None:
            raise UsageError(f"{where}: this metric needs math-verify; install it with: pip install 'apportion[math]'")
        right = golds(task, "math")
        if normal_form(answer) in map(normal_form, right):
            return 1.0
        return float(any(self._equal(where, gold, answer) for gold in right))

    def _equal(self, where: str, gold: str, answer: str) -> bool:
        if not answer.strip() or len(answer) > _LONGEST:
            return False
        try:
            request = {"gold": _latex(gold), "answer": _latex(answer), "seconds": _SECONDS}
            verdict = self._process.ask(request)["status"]
        except OutOfTime:
            return False
        except Ended as ended:
            raise UsageError(f"{where}: {ended}") from None
        if verdict == "unread":
            raise UsageError(f"{where}: there is no mathematics in the gold answer {gold[:60]!r}; write it in LaTeX")
        return bool(verdict == "equal")


def _latex(text: str) -> str:
    return _ROOT.sub(lambda root: f"\\sqrt{{{root[1]}}}", text).translate(_SIGNS)


math = MathMetric()
"""The metric. Its process starts at the first pair that differs in writing, and ends with this one."""
