"""Text of the user's own for a node: its instructions, or the whole message as a template."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import GraphError, UnknownName
from .files import read_text

__all__ = ["GRADING", "NODE", "PLACEHOLDERS", "Prompt"]

PLACEHOLDERS = ("question", "passages", "notes", "instructions", "format", "left", "rounds_left")
"""What may stand in braces in the template of a node, beside `{node:NAME}`."""
GRADING = ("answer", "gold")
"""What may stand in the rubric of a judge alone, which grades an answer; see `tasks.judge.Judge`."""
NODE = "node:"
"""Begins the placeholder of an upstream node's answer."""

_MARK = re.compile(r"\{\{|\{((?:node:\w[\w-]*)|[A-Za-z_]\w*)\}")
"""Two braces, which are text, or a bare name in braces."""
_LABEL = 24
"""Characters of a text by which a prompt without a name is known."""


@dataclass(frozen=True)
class Prompt:
    """What a node says to its model in place of the package's own words; a knob value like any other.

    A text without placeholders is the node's instructions, and the question, the passages and other nodes' answers
    follow as they always do. A text with placeholders is a template: the whole user message. A brace is text unless a
    bare name and a closing brace follow, and so are two braces, so JSON needs no escape. What is filled in is never
    read again.

    Raises:
        GraphError: an unknown placeholder, no text at all, or an example without a question or an answer.
    """

    text: str
    """Instructions or a template with `{question}`, `{passages}`, `{notes}`, `{instructions}` (the task's), `{format}`
    (how the node must reply), `{node:NAME}` (the answer of a node that an edge leads from), `{left}` (tokens that the
    run has left when the node starts, two digits of it) and `{rounds_left}`. That of a judge has `{question}`,
    `{answer}`, `{gold}` and `{format}`."""
    name: str = ""
    """By which tables, drawings and plans know it; the beginning of the text where it has none."""
    examples: tuple[tuple[str, str], ...] = ()
    """Few-shot turns: questions with the replies that they should get."""
    prefix: str = ""
    """How the reply begins, where the model's card says that the endpoint continues one; left out elsewhere."""

    def __post_init__(self) -> None:
        for field in ("text", "name", "prefix"):
            if not isinstance(getattr(self, field), str):
                raise GraphError(f"prompt: {field} must be a text, not {getattr(self, field)!r}")
        if not self.text.strip():
            raise GraphError("prompt: its text is empty; write instructions, or leave out `prompt`")
        object.__setattr__(self, "examples", tuple(self._example(number, each) for number, each in self._numbered()))
        for placeholder in self.placeholders:
            if placeholder not in (*PLACEHOLDERS, *GRADING) and not placeholder.startswith(NODE):
                known = (*PLACEHOLDERS, *GRADING, f"{NODE}NAME")
                nearest = UnknownName("placeholder", placeholder, known)
                raise GraphError(
                    f"prompt {self.label!r}: {nearest}; for braces that are text write '{{ {placeholder} }}'"
                )

    def _numbered(self) -> Iterator[tuple[int, object]]:
        if isinstance(self.examples, str | bytes):
            raise GraphError(f"prompt {self.label!r}: examples must be pairs of a question and a reply, not a text")
        return enumerate(self.examples, start=1)

    def _example(self, number: int, given: object) -> tuple[str, str]:
        pair = tuple(given) if isinstance(given, list | tuple) else ()
        if len(pair) == 2 and all(isinstance(text, str) and text.strip() for text in pair):
            return pair[0], pair[1]
        raise GraphError(
            f"prompt {self.label!r}: example {number} must be a pair of a question and the reply to it, both with "
            f"text, not {given!r}"
        )

    @classmethod
    def file(cls, path: str | Path, *, name: str = "") -> Prompt:
        """A prompt whose text is a file's, named like the file where no name is given.

        Raises:
            FileError: it cannot be read, or is no UTF-8 text.
            GraphError: as for any prompt.
        """
        place = Path(path)
        return cls(read_text(place), name=name or place.stem)

    @property
    def label(self) -> str:
        """Its name; without one the beginning of its text and a mark by which two are told apart."""
        if self.name:
            return self.name
        beginning = " ".join(self.text.split())
        digest = hashlib.sha256(repr((self.text, self.examples, self.prefix)).encode(errors="surrogatepass"))
        shortened = beginning if len(beginning) <= _LABEL else f"{beginning[:_LABEL].rstrip()}..."
        return f"{shortened} #{digest.hexdigest()[:6]}"

    @cached_property
    def placeholders(self) -> frozenset[str]:
        """Those that stand in the text; none: the text is instructions."""
        return frozenset(mark[1] for mark in _MARK.finditer(self.text) if mark[1])

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes whose answers it reads."""
        return frozenset(name.removeprefix(NODE) for name in self.placeholders if name.startswith(NODE))

    def filled(self, value: Callable[[str], str]) -> str:
        """The text with its placeholders filled.

        Args:
            value: from the name of a placeholder to its text.
        """
        return _MARK.sub(lambda mark: value(mark[1]) if mark[1] else mark[0], self.text)
