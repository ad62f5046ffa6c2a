"""Whatever happens while a file is brought up to date, it is as it was, or done; and a copy is beside it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from apportion.errors import StoreError
from apportion.stores import migrations, open_store, opening, upgrade
from apportion.stores.upgrade import OldFileWarning

SCHEMA5 = Path(__file__).with_name("databases") / "schema5.sqlite"


@pytest.fixture
def old(path: Path) -> Path:
    shutil.copy(SCHEMA5, path)
    return path


def is_as_it_was(path: Path) -> bool:
    """Whether the file opens as one of schema 5, and then as one of today."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT max(version) FROM schema_version").fetchone() == (5,)
        whole = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        blobs = connection.execute("SELECT count(*) FROM blob").fetchone() == (3,)
    with pytest.warns(OldFileWarning, match="the file as it was is kept as"), open_store(path) as store:
        return found and whole and blobs and bool(store.calls("run"))


@pytest.mark.parametrize("place", ["DROP VIEW", "RENAME COLUMN charged_weighted", "INSERT INTO text", "schema_version"])
def test_a_process_that_ends_in_between_leaves_the_file_as_it_was(old: Path, place: str) -> None:
    program = f"""
        import os, warnings
        from sqlalchemy import Connection
        from apportion.stores import open_store
        run = Connection.exec_driver_sql
        def stop_at(self, statement, *rest):
            found = run(self, statement, *rest)
            if {place!r} in statement:
                os._exit(9)
            return found
        Connection.exec_driver_sql = stop_at
        open_store({str(old)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == 9
    assert [file.name for file in old.parent.glob("*.schema*")] == ["books.db.schema5"]
    assert is_as_it_was(old)


def test_a_full_disk_is_told_of_and_leaves_the_file_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(connection: Connection) -> None:
        (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.exec_driver_sql("CREATE TABLE note AS SELECT zeroblob(10000000) AS much")

    steps = (*migrations.MIGRATIONS, hungry)
    with monkeypatch.context() as patched:
        patched.setattr(upgrade, "MIGRATIONS", steps)
        for module in (upgrade, opening):
            patched.setattr(module, "VERSION", len(steps))
        with pytest.raises(StoreError, match=r"books\.db: the disk is full; make room"):
            open_store(old)
    assert list(old.parent.glob("*.schema*")) == [], "a copy of what was not changed takes room that is wanted"
    assert is_as_it_was(old)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of file sizes")
def test_without_room_for_a_copy_nothing_is_changed(old: Path) -> None:
    program = f"""
        import resource
        from apportion.stores import open_store
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        open_store({str(old)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True, text=True)
    assert "no copy of it could be made first" in done.stderr.splitlines()[-1]
    assert "nothing was changed" in done.stderr.splitlines()[-1]
    assert list(old.parent.glob("*.schema*")) == []
    assert is_as_it_was(old)


def test_what_an_unfinished_copy_left_is_no_copy(old: Path) -> None:
    left = old.with_name("books.db.schema5.unfinished")
    left.write_bytes(b"half")
    assert is_as_it_was(old)
    assert not left.exists()
    with open_store(old.with_name("books.db.schema5"), read_only=True) as store:
        assert store.calls("run")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no permissions of this kind")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_copy_is_as_private_as_the_file(old: Path, mode: int) -> None:
    old.chmod(mode)
    assert is_as_it_was(old)
    assert {file.stat().st_mode & 0o777 for file in old.parent.glob("books.db*") if file.suffix != ".lock"} == {mode}


VIEWS_OF_ONES_OWN = {
    "mine": "CREATE VIEW mine AS SELECT run_id, charged_tokens FROM run",
    "a name; with -- all": 'CREATE VIEW "a name; with -- all" AS SELECT run_id FROM run',
    "select": 'CREATE VIEW "select" AS SELECT latency FROM run',
}


def test_views_that_somebody_else_made_stay(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        for made in VIEWS_OF_ONES_OWN.values():
            connection.execute(made)
        connection.execute("CREATE VIEW gates AS SELECT 'one whose name is taken since'")
    assert is_as_it_was(old)
    with closing(sqlite3.connect(old)) as connection:
        found = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'view'"))
        assert VIEWS_OF_ONES_OWN.items() <= found.items()
        assert len(connection.execute("SELECT * FROM mine").fetchall()) == 1
        assert "signal" in found["gates"]
