"""The process that compares mathematics: JSON lines in, JSON lines out, see `nodes.symbolic.worker`.

Only LaTeX is read, by a grammar; the library's reader of plain Python expressions, which evaluates text, is not used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..nodes.symbolic.worker import serve

__all__ = ["main"]


def main() -> None:
    """Compares answers with gold answers until its input ends."""
    serve(_load)


def _load() -> Callable[[Any, int], Mapping[str, object]]:
    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable()
    latex = [LatexExtractionConfig(boxed_match_priority=0)]

    def read(text: str, seconds: int) -> list[Any]:
        found: list[Any] = parse(f"\\boxed{{{text}}}", extraction_config=latex, parsing_timeout=seconds)
        return found

    def compare(request: Any, memory: int) -> Mapping[str, object]:
        seconds = max(1, int(request["seconds"]))
        gold = read(request["gold"], seconds)
        if all(isinstance(found, str) for found in gold):
            return {"status": "unread"}
        try:
            equal = verify(gold, read(request["answer"], seconds), timeout_seconds=seconds)
        except RecursionError:
            equal = False
        return {"status": "equal" if equal else "different"}

    return compare


if __name__ == "__main__":
    main()
