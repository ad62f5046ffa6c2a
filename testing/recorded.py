"""An endpoint on this machine that answers from a file of recorded replies: graphs can be tried offline, at true usage.

The calls are real ones, over HTTP: prompts are composed, reserved and charged, output caps cut replies, and whatever
answers in the end is read as a chat model's reply is. Only what the model says is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import FileError
from ..models.card import ModelCard
from ..models.openai_compatible import OpenAIModel
from ..records.files import json_lines
from .behaviours import Answer
from .fault_server import FaultServer

__all__ = ["RecordedEndpoint"]

_FORM = '{"asked": ["text that the request has"], "replies": ["reply"]}'
_UNKNOWN = 422
"""The status of an answer to a request that is not recorded: it is not tried again."""


@dataclass(frozen=True, slots=True)
class _Recording:
    asked: tuple[str, ...]
    replies: tuple[str, ...]


class RecordedEndpoint:
    """Serves recorded replies as an OpenAI-compatible endpoint on 127.0.0.1; a context manager.

    The file has one JSON object a line, `{"asked": [...], "replies": [...]}`. The first line answers whose texts all
    stand in the request's messages; of several replies the seed of the request chooses, so that the samples of a node
    get one after the other, and at temperature 0 the first is given. A token is four bytes. A request that no line
    answers fails with the status `provider_error`, and says so.

    Example:
        ```python
        with RecordedEndpoint("replies.jsonl") as endpoint:
            print(graph.run("Which towns?", pool=Pool([endpoint.model()])).answer)
        ```

    Args:
        path: the file.
        concurrency: the most calls at once.

    Raises:
        FileError: it cannot be read, or a line has another form; the line is named.
    """

    def __init__(self, path: str | Path, *, concurrency: int = 16) -> None:
        self._path = Path(path)
        self._concurrency = concurrency
        self._recordings = _recordings(self._path)
        self._server = FaultServer(answer=self._missing, reply=self._reply)

    def model(self, name: str = "recorded") -> OpenAIModel:
        """The model that answers, for a pool; the endpoint must be running when it is called."""
        card = ModelCard(name=name, output_cap="max_tokens", concurrency=self._concurrency, attempts=1)
        return OpenAIModel(card, self._server.base_url)

    @property
    def base_url(self) -> str:
        """Where clients find it, for a pool file."""
        return self._server.base_url

    @property
    def billed_tokens(self) -> int:
        """What it would bill for all requests so far."""
        return self._server.billed_tokens

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def _found(self, body: Mapping[str, Any]) -> _Recording | None:
        said = "\n".join(str(message.get("content")) for message in body.get("messages") or ())
        return next((each for each in self._recordings if all(text in said for text in each.asked)), None)

    def _missing(self, body: Mapping[str, Any]) -> Answer | None:
        if self._found(body) is not None:
            return None
        problem = f"no reply to this request is recorded: no line of {self._path} has texts that all stand in it"
        return Answer({"error": {"message": problem, "type": "invalid_request_error"}}, status=_UNKNOWN)

    def _reply(self, body: Mapping[str, Any]) -> str:
        found = self._found(body)
        assert found is not None  # `_missing` has looked
        drawn = body.get("seed", 0) if body.get("temperature", 0) > 0 else 0
        return found.replies[drawn % len(found.replies)]


def _recordings(path: Path) -> tuple[_Recording, ...]:
    found: list[_Recording] = []
    for line, record in json_lines(path):
        if not isinstance(record, dict) or record.keys() != {"asked", "replies"}:
            raise FileError(str(path), line, "", f"each line must be an object such as {_FORM}")
        for field, texts in record.items():
            if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
                raise FileError(
                    str(path), line, field, f"it must be a list of texts with something in it, as in {_FORM}"
                )
        found.append(_Recording(tuple(record["asked"]), tuple(record["replies"])))
    if not found:
        raise FileError(str(path), 0, "", f"it has no lines; write one a reply, such as {_FORM}")
    return tuple(found)
