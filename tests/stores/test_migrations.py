from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from apportion.stores import open_store, schema
from apportion.stores.migrations import MIGRATIONS, VERSION
from apportion.stores.row_table import insert_statement

Column = tuple[str, str, int, int, int]


def columns(path: Path) -> dict[str, list[Column]]:
    """By table: name, type, whether it may be NULL, its place in the key, whether it is computed."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: [
                (name, kind, required, key, hidden)
                for _, name, kind, required, _, key, hidden in connection.execute(f"PRAGMA table_xinfo({table})")
            ]
            for table in tables
        }


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    with open_store(tmp_path / "migrated.db"):
        pass
    return tmp_path / "migrated.db"


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    engine = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    schema.metadata.create_all(engine)
    engine.dispose()
    return tmp_path / "declared.db"


def test_all_steps_together_make_what_the_code_reads_and_writes(migrated: Path, declared: Path) -> None:
    made, wanted = columns(migrated), columns(declared)
    assert {name: made[name] for name in wanted} == wanted


UNITS = {"tokens": 1, "weighted": 1_000, "usd": 1_000_000}
"""By unit, a factor, so that figures of different units are never alike."""
SMALLEST = {"tokens": "tokens", "weighted": "microweighted", "usd": "nanousd"}


def account(measure: str, unit: str) -> dict[str, str | int]:
    """Of 100 in its unit 4 are reserved; charged and lost come to 11, paid to 32."""
    figures = {"charged": 1, "lost": 10, "paid": 32, "reserved": 4, "held": 0}
    totals = {f"{name}_{SMALLEST[each]}": figure * UNITS[each] for name, figure in figures.items() for each in UNITS}
    names = {"account_id": f"{measure}/{unit}", "limit_unit": unit, "measure": measure, "label": ""}
    return names | totals | {"limit_value": 100 * UNITS[unit], "in_flight": 1, "releases": 0}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("measure", "used"), [("charged", 4 + 11), ("paid", 4 + 32)])
def test_no_update_brings_reservations_past_a_limit(
    migrated: Path, declared: Path, measure: str, unit: str, used: int
) -> None:
    row = account(measure, unit)
    insert = f"INSERT INTO account ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    for path in (migrated, declared):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(insert, [*row.values()])
            assert connection.execute("SELECT used FROM account").fetchall() == [(used * UNITS[unit],)]
    grow = f"UPDATE account SET reserved_{SMALLEST[unit]} = reserved_{SMALLEST[unit]} + ?"
    room = (100 - used) * UNITS[unit]
    with closing(sqlite3.connect(migrated)) as connection:
        connection.execute(grow, (room,))
        connection.rollback()
        with pytest.raises(sqlite3.IntegrityError, match="would pass the limit"):
            connection.execute(grow, (room + 1,))


def test_every_schema_has_a_database_to_test_with() -> None:
    databases = Path(__file__).with_name("databases")
    assert len(MIGRATIONS) == VERSION
    assert all((databases / f"schema{number}.sqlite").exists() for number in range(1, VERSION + 1))


def test_what_is_computed_is_not_inserted() -> None:
    assert "used" not in insert_statement(schema.account, "fail")
    assert insert_statement(schema.TASK.table, "keep").endswith("ON CONFLICT (task_id) DO NOTHING")
