"""Passages from text files: paragraphs, lines or rows, none longer than a limit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..records.text import clip, longest_bytes, single_spaced

__all__ = ["passages_of"]

_TEXT_FILES = frozenset({".txt", ".md", ".rst", ".text"})


def passages_of(path: Path, passage_bytes: int) -> Iterator[str]:
    """The passages of a folder of text files, or of one text or JSONL file.

    A text file is split at empty lines, or into its lines where it has none. A line of a JSONL file is a text or an
    object with the field `text`. A passage longer than `passage_bytes` is split between words.

    Raises:
        UsageError: it cannot be read; the message names the file, the line and the field.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in _TEXT_FILES | {".jsonl"} and file.is_file())
        if not files:
            raise UsageError(f"{path}: no file ending in .txt, .md, .rst, .text or .jsonl")
    else:
        files = [path]
    for file in files:
        try:
            content = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: cannot be read as UTF-8 text: {error}") from error
        for passage in _lines_of_json(file, content) if file.suffix == ".jsonl" else _paragraphs(content):
            yield from _pieces(single_spaced(passage), passage_bytes)


def _paragraphs(content: str) -> list[str]:
    blocks = re.split(r"\n[ \t]*\n", content.replace("\r\n", "\n").strip())
    return blocks if len(blocks) > 1 else content.splitlines()


def _lines_of_json(file: Path, content: str) -> Iterator[str]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{file}:{number}: not valid JSON: {error}") from None
        text = entry.get("text") if isinstance(entry, dict) else entry
        if not isinstance(text, str):
            raise UsageError(f"{file}:{number}, field 'text': a text is needed here, not {type(text).__name__}")
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
        piece = word
        while longest_bytes(piece) > limit:
            head = clip(piece, limit) or piece[0]
            yield head
            piece = piece[len(head) :]
    if piece:
        yield piece
