"""A file of an older version is read, without a change to it, as it would be read once it is brought up to date."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import StoreError
from apportion.stores import Store, open_store
from apportion.stores.migrations import VERSION
from apportion.stores.older import present_as_today
from apportion.stores.views import VIEWS

DATABASES = Path(__file__).with_name("databases")
pytestmark = pytest.mark.filterwarnings("ignore::apportion.stores.upgrade.OldFileWarning")


def everything(store: Store) -> dict[str, Any]:
    """What rows and views say."""
    views = {name: sorted(map(repr, store.query(f"SELECT * FROM {name}").rows)) for name in VIEWS}
    runs = store.runs()
    return views | {
        "runs": runs,
        "spans": [store.spans(run.run_id) for run in runs],
        "calls": [store.calls(run.run_id) for run in runs],
        "trials": [store.trials(study.study_id) for study in store.studies()],
        "tasks": [store.task(run.task_id) for run in runs],
        "plans": [store.plan(run.plan_hash) for run in runs],
        "balance": store.balance("study"),
        "reply": store.get("ab" * 32),
        "counts": store.reply_counts("study"),
    }


@pytest.mark.parametrize("schema", range(1, VERSION))
def test_reading_an_old_file_is_like_reading_it_brought_up_to_date(path: Path, schema: int) -> None:
    shutil.copy(DATABASES / f"schema{schema}.sqlite", path)
    before = path.read_bytes()
    with open_store(path, read_only=True) as store:
        old = everything(store)
    assert path.read_bytes() == before
    with open_store(path) as store:
        assert everything(store) == old
    assert old["calls"][0][0].output_text == "36"
    assert "36" in old["calls_read"][0]


def test_a_whole_study_of_before_reads_the_same(kept_database: Path) -> None:
    def asked() -> list[list[Any]]:
        with open_store(kept_database, read_only=True) as store:
            return [sorted(map(repr, store.query(f"SELECT * FROM {name}").rows)) for name in VIEWS]

    old = asked()
    with open_store(kept_database):
        pass
    assert asked() == old
    asked_of_a_study = {"runs_read", "calls_read", "tokens_by_node_model_plan", "study_costs", "plans_by_question"}
    assert {name for name, rows in zip(VIEWS, old, strict=True) if rows} > asked_of_a_study


def test_files_of_the_present_schema_and_other_files_are_left_alone(path: Path) -> None:
    with open_store(path):
        pass
    for place in (path, path.with_name("other.db")):
        with closing(sqlite3.connect(place)) as connection:
            present_as_today(connection)
            assert connection.execute("SELECT count(*) FROM sqlite_temp_schema").fetchall() == [(0,)]


def test_who_reads_an_old_file_is_told_when_it_is_brought_up_to_date(path: Path) -> None:
    shutil.copy(DATABASES / "schema5.sqlite", path)
    with open_store(path, read_only=True) as reading:
        assert reading.runs()
        with open_store(path):
            pass
        for ask in (reading.runs, lambda: reading.query("SELECT * FROM runs_read"), lambda: reading.calls("run")):
            with pytest.raises(StoreError, match="brought up to date by another process; open it again"):
                ask()
        with pytest.raises(StoreError, match="open it again"):
            reading.get("ab" * 32)
