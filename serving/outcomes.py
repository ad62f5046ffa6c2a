"""A log of what was asked and answered, in the columns that `apportion fit` reads."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..budgets.cap import in_unit
from ..errors import UsageError
from ..models.request import ChatMessage, Reply, Request
from ..records.redaction import Redaction
from ..records.rows import Unit
from ..records.usage import Amount

__all__ = ["OutcomesLog", "last_question"]


class OutcomesLog:
    """Appends a line of JSON for each reply that was not there before; several processes may write one file.

    Nobody knows here how good a reply is, so `score` is null; it is filled in by `run_id`, and then the file can be
    fitted.

    Args:
        path: of the file.
        unit: of the costs.
        secrets: what is blotted out.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path, unit: Unit, secrets: Iterable[str] = ()) -> None:
        self._unit = unit
        self._redaction = Redaction().concealing(secrets)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from None

    def add(
        self, run_id: str, request: Request, reply: Reply, charged: Amount, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Adds a reply.

        Args:
            run_id: of the call.
            request: what was asked.
            reply: what was answered.
            charged: for it.
            metadata: of the client: `question` names the question, so that several arms can be compared on it, and
                `family` its group.
        """
        named = {name: value for name, value in (metadata or {}).items() if isinstance(value, str) and value}
        row: dict[str, Any] = {
            "question": named.get("question") or _name(request.messages),
            "arm": request.model,
            "score": None,
            "cost": in_unit(charged, self._unit),
            "sample": time.time_ns() // 1000,
            "text": last_question(request.messages),
            "answer": reply.text,
            "model": request.model,
            "run_id": run_id,
        }
        if "family" in named:
            row["family"] = named["family"]
        if reply.usage is not None:
            row |= {"output_tokens": reply.usage.output_tokens, "thinking_tokens": reply.usage.reasoning_tokens}
        line = self._redaction.json(json.dumps(row, ensure_ascii=False)) + "\n"
        try:
            os.write(self._file, line.encode(errors="replace"))
        except OSError as error:  # the reply is paid for, and on the books; its client gets it all the same
            told = "the log of outcomes cannot be written: %s; the reply of run %s is not in it"
            logging.getLogger(__name__).error(told, error.strerror, run_id)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)


def last_question(messages: Iterable[ChatMessage]) -> str:
    """What the user said last."""
    said = [message.content for message in messages if message.role == "user"]
    return said[-1] if said else ""


def _name(messages: Iterable[ChatMessage]) -> str:
    """A name that the same conversation has whoever answers it."""
    content = json.dumps([message.in_key for message in messages])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
