"""Parquet files, alike at every door; pyarrow is imported only where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import FileError, UsageError

__all__ = ["check_once", "parquet_table"]


def parquet_table(path: Path, *, instead: str, error: type[FileError] = FileError) -> Any:
    """A file as a table of pyarrow, its values checked.

    Args:
        path: the file.
        instead: what one can do without pyarrow, for the message.
        error: what to raise where the file is at fault.

    Raises:
        UsageError: pyarrow is not installed; the message names the extra.
        FileError: it cannot be read, or has two columns of one name.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise UsageError(
            f"{path}: reading Parquet needs pyarrow: pip install 'apportion[parquet]'; or {instead}"
        ) from None
    try:
        with pq.ParquetFile(path) as opened:
            check_once(opened.schema_arrow.names, path, error=error)
            table = opened.read()
            table.validate(full=True)  # else text that is no UTF-8 is found out much later
    except (pa.ArrowException, OSError, UnicodeDecodeError) as problem:
        reason = f"this is no Parquet file: {' '.join(str(problem).split())}"
        raise error(str(path), 0, "", reason) from None
    return table


def check_once(names: Sequence[str], path: Path, *, error: type[FileError] = FileError) -> None:
    """Refuses a file with two columns of one name.

    Raises:
        FileError: it has them.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise error(str(path), 0, "", f"there are two columns {name!r}; take one out, or name it otherwise")
        seen.add(name)
