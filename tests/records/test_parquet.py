from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from apportion.errors import DevSetError, FileError
from apportion.records.parquet import parquet_table


def test_a_table_is_read_and_its_faults_are_of_the_callers_sort(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"a": [1, 2]}), path)
    assert parquet_table(path, instead="-").column("a").to_pylist() == [1, 2]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DevSetError, match="this is no Parquet file"):
        parquet_table(path, instead="-", error=DevSetError)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), path)
    with pytest.raises(FileError, match="there are two columns 'a'; take one out"):
        parquet_table(path, instead="-")
