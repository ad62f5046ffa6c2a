"""The process that compares mathematics: JSON lines in, JSON lines out, see `nodes.symbolic.worker`.

Only LaTeX is read, by a grammar; the library's reader of plain Python expressions, which evaluates text, is not used.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from ..nodes.symbolic.worker import serve

__all__ = ["main"]

T = TypeVar("T")

_CLOCK_SECONDS = 20
"""The library's own limit on each step, by the clock: far off where the processor's time is limited, as on POSIX."""


def main() -> None:
    """Compares answers with gold answers until its input ends."""
    serve(_load)


def _limited(seconds: float, step: Callable[[], T], late: T) -> T:
    """What a step gives, or `late` where it takes more of the processor's time."""
    if not hasattr(signal, "setitimer"):
        return step()
    from math_verify.errors import TimeoutException

    def stop(*_: object) -> None:
        raise TimeoutException

    signal.signal(signal.SIGPROF, stop)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        found = step()
        signal.setitimer(signal.ITIMER_PROF, 0)
    except TimeoutException:
        return late
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return found


def _load() -> Callable[[Any, int], Mapping[str, object]]:
    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable()
    latex = [LatexExtractionConfig(boxed_match_priority=0)]

    def read(text: str, seconds: float) -> list[Any]:
        parsed = partial(parse, f"\\boxed{{{text}}}", extraction_config=latex, parsing_timeout=_CLOCK_SECONDS)
        return _limited(seconds, parsed, [])

    def compare(request: Any, memory: int) -> Mapping[str, object]:
        seconds = float(request["seconds"])
        gold = read(request["gold"], seconds)
        if all(isinstance(found, str) for found in gold):
            return {"status": "unread"}
        try:
            answer = read(request["answer"], seconds)
            equal = _limited(seconds, partial(verify, gold, answer, timeout_seconds=_CLOCK_SECONDS), False)
        except RecursionError:
            equal = False
        return {"status": "equal" if equal else "different"}

    return compare


if __name__ == "__main__":
    main()
