"""Passages from text files: paragraphs, lines or rows, none longer than a limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import FileError, UsageError
from ..records.files import json_lines, read_text
from ..records.text import clip, longest_bytes, single_spaced

__all__ = ["passages_of"]

_TEXT_FILES = frozenset({".txt", ".md", ".rst", ".text"})
_JSON_FILES = frozenset({".jsonl", ".ndjson"})


def passages_of(path: Path, passage_bytes: int) -> Iterator[str]:
    """The passages of a folder of text files, or of one text or JSONL file.

    A text file is split at empty lines, or into its lines where it has none. A line of a JSONL file is a text or an
    object with the field `text`. A passage longer than `passage_bytes` is split between words.

    Raises:
        UsageError: it cannot be read; the message names the file, the line and the field.
    """
    if path.is_dir():
        known = _TEXT_FILES | _JSON_FILES
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in known and file.is_file())
        if not files:
            raise UsageError(f"{path}: no file ending in .txt, .md, .rst, .text or .jsonl")
    else:
        files = [path]
    for file in files:
        texts = _rows(file) if file.suffix.lower() in _JSON_FILES else _paragraphs(read_text(file))
        for passage in texts:
            yield from _pieces(single_spaced(passage), passage_bytes)


def _paragraphs(content: str) -> list[str]:
    blocks = re.split(r"\n[ \t]*\n", content.replace("\r\n", "\n").replace("\r", "\n").strip())
    return blocks if len(blocks) > 1 else content.splitlines()


def _rows(file: Path) -> Iterator[str]:
    for line, entry in json_lines(file):
        text = entry.get("text") if isinstance(entry, dict) else entry
        if not isinstance(text, str):
            raise FileError(str(file), line, "text", f"a text is needed here, not {type(text).__name__}")
        yield text


def _pieces(passage: str, limit: int) -> Iterator[str]:
    """The passage in pieces of at most `limit` bytes, cut between words where there are any."""
    piece = ""
    for word in passage.split(" "):
        joined = f"{piece} {word}" if piece else word
        if longest_bytes(joined) <= limit:
            piece = joined
            continue
        if piece:
            yield piece
        start = 0
        # A word may be as long as its file where the script has no spaces, so only what could fit is looked at.
        while longest_bytes(word[start : start + limit + 1]) > limit:
            head = clip(word[start : start + limit], limit) or word[start]
            yield head
            start += len(head)
        piece = word[start:]
    if piece:
        yield piece
