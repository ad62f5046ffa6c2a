"""What is said as soon as a server of `proxy` or `serve` listens."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from typing import TYPE_CHECKING

from .loading import write_json
from .numbers import clients, number
from .output import say

if TYPE_CHECKING:
    from ..budgets.cap import Cap
    from ..serving.keys import Keys
    from ..web.server import Server

__all__ = ["say_ready"]


def say_ready(
    server: Server,
    what: str,
    *,
    models: Sequence[str],
    keys: Keys | None,
    cap: Cap | None,
    per_question: Cap | None = None,
    period: str,
    db: str,
    json: str | None,
) -> None:
    """Says where a server listens, for whom, and under which cap; for programs in a file.

    Args:
        server: listens.
        what: is served.
        models: that can be asked.
        keys: of those who may ask; None: anybody on this machine.
        cap: of all calls of a period.
        per_question: the ceiling of each question.
        period: how long the cap lasts.
        db: where calls are kept.
        json: the file for programs; None: none.
    """
    write_json(json, dumps({"base_url": server.base_url, "models": list(models)}, indent=2))
    unit = "" if cap is None else cap.unit
    most = clients(keys, None if cap is None else cap.total, unit, period)
    if per_question is not None and per_question.per_task is not None:
        most += f", {number(per_question.per_task)} {per_question.unit} a question"
    say(f"serving {what} at {server.base_url} to {most} (Ctrl-C stops)")
    say(f"every call is kept in {db}", flush=True)
