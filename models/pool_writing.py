"""Writing one model's table into a pool file, whose other lines stay as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import PoolError
from ..records.text import encodable
from .pool_file import pool_content, pool_text

__all__ = ["write_table"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def write_table(
    path: Path, name: str, fields: Mapping[str, Any], notes: Sequence[str] = (), *, force: bool = False
) -> str:
    """Adds a table to a pool file, which is made where there is none.

    Args:
        path: the file.
        name: of the model in the pool.
        fields: of its table: texts, numbers, and whether something holds.
        notes: comments below them, a line each.
        force: whether a table of that name is replaced, with the tables inside it.

    Returns:
        The lines of the table.

    Raises:
        PoolError: the file cannot be read or written, is no pool, or has such a table.
    """
    before = pool_text(path) if path.exists() else ""
    content = pool_content(before, path)
    models = content.get("models", {})
    if set(content) - {"models"} or not isinstance(models, dict):
        raise PoolError(f"{path}: is no pool file, which has nothing but one table per model; name another with --into")
    if name in models and not force:
        raise PoolError(
            f"{path}, table [models.{_key(name)}]: is there already; --force replaces it, --as names another"
        )
    table = "\n".join(
        [f"[models.{_key(name)}]", *(f"{field} = {_value(each)}" for field, each in fields.items()), *map(_note, notes)]
    )
    kept = _without(before, name) if name in models else before
    end = "\r\n" if "\r\n" in before else "\n"
    gap = "" if not kept.strip() else end if kept.endswith("\n") else end * 2
    after = kept + gap + table.replace("\n", end) + end
    others = {each: value for each, value in models.items() if each != name}
    try:
        right = tomllib.loads(after) == {"models": {**others, name: dict(fields)}}
    except ValueError:
        right = False
    if not right:
        raise PoolError(
            f"{path}: its tables are written in a way that cannot be added to; write each as [models.NAME], or name "
            f"another file with --into. The table would be:\n{table}"
        )
    _write(path, after)
    return table


def _without(text: str, name: str) -> str:
    """The text without the lines of a table and of those inside it; comments right above the next table stay."""
    kept: list[str] = []
    dropped: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        header = _names(line)
        if header:
            if inside:
                kept += _comments_at_end(dropped)
            inside = header[:2] == ["models", name]
            dropped = []
        (dropped if inside else kept).append(line)
    return "".join(kept)


def _comments_at_end(lines: Sequence[str]) -> list[str]:
    found: list[str] = []
    for line in reversed(lines):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        found.append(line)
    return found[::-1]


def _names(line: str) -> list[str]:
    """The parts of the name of the table that begins in a line; none where none does."""
    if not line.lstrip().startswith("["):
        return []
    try:
        content: Any = tomllib.loads(line)
    except ValueError:
        return []
    parts = []
    while content := content[0] if isinstance(content, list) else content:
        (part, content), *_ = content.items()
        parts.append(part)
    return parts


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """A value as TOML writes it, which is as JSON does but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _note(text: str) -> str:
    return "# " + " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _write(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    path = path.resolve()  # so that a link stays one
    if encodable(text) != text:
        raise PoolError(
            f"{path}: a name in the table holds half a surrogate pair, which no file can hold; name another"
        )
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        try:
            marked = path.exists() and path.read_bytes().startswith(BOM_UTF8)
            with draft.open("x", encoding="utf-8-sig" if marked else "utf-8", newline="") as file:
                file.write(text)
            if path.exists():
                shutil.copymode(path, draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise PoolError(f"{path}: cannot be written: {error.strerror or error}") from None
