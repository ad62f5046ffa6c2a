from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.metric_sql import SqlMetric, sql
from apportion.tasks.metrics import check_golds, resolve_metric
from apportion.tasks.sql_worker import rows_of
from apportion.testing.metric import MetricConformance

ROWS = [(1, "Ada", 36, 1.5), (2, "Grace", 85, 2.25), (3, "Linus", 54, None), (4, "Ada", 20, 0.1)]

SOME = "SELECT id FROM person WHERE id IN"
RANKED = "SELECT id, rank() OVER (ORDER BY id) r FROM person"


def made(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, score REAL)")
    connection.executemany("INSERT INTO person VALUES (?, ?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    return path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("sql") / "what? is #1.db")


def asked(database: Path, gold: str) -> Task:
    return Task(question="?", gold=gold, metadata={"database": str(database), "metric": "sql"})


class TestConformance(MetricConformance):
    @pytest.fixture(autouse=True)
    def _database(self, database: Path) -> None:
        self.database = database

    def metric(self) -> str:
        return "sql"

    def examples(self) -> list[tuple[Task, str, str]]:
        task = asked(self.database, "SELECT name FROM person WHERE age > 50")
        return [(task, "select p.name as who from person p where not p.age <= 50", "SELECT name FROM person")]


@pytest.mark.parametrize(
    ("gold", "answer", "score"),
    [
        ("SELECT name FROM person", "SELECT name FROM person ORDER BY age", 1),
        ("SELECT name FROM person ORDER BY age", "SELECT name FROM person", 0),
        ("SELECT name FROM (SELECT * FROM person ORDER BY age)", "SELECT name FROM person", 1),
        (f"{SOME} (SELECT id FROM person ORDER BY abs(age) LIMIT 3)", f"{SOME} (1, 3, 4) ORDER BY id DESC", 1),
        ("SELECT id, rank() OVER (ORDER BY abs(id)) r FROM person", f"{RANKED} ORDER BY r DESC", 1),
        ("SELECT id FROM person ORDER BY id DESC -- (newest first)", "SELECT id FROM person", 0),
        ("SELECT id FROM person ORDER /* ( */ BY abs(id) DESC", "SELECT id FROM person", 0),
        ("SELECT id FROM person ORDER BY id IN (2), ')', id", "SELECT id FROM person ORDER BY id DESC", 0),
        ("SELECT id, '(' FROM person ORDER BY id DESC", "SELECT id, '(' FROM person ORDER BY id", 0),
        ('SELECT id AS "it\'s" FROM person -- ORDER BY id', "SELECT id FROM person ORDER BY id DESC", 1),
        ("SELECT id, 'ORDER BY' AS [order by] FROM person", "SELECT id, 'ORDER BY' FROM person ORDER BY -id", 1),
        ("SELECT DISTINCT name FROM person", "SELECT name FROM person", 0),
        ("SELECT name, age FROM person", "SELECT age, name FROM person", 0),
        ("SELECT sum(score) FROM person", "SELECT 0.1 + 1.5 + 2.25", 1),
        ("SELECT count(*) FROM person", "WITH t AS (SELECT 4.0) SELECT * FROM t", 1),
        ("SELECT 9007199254740993", "SELECT 9007199254740992", 0),
        ("SELECT name FROM person WHERE score IS NULL", "VALUES ('Linus')", 1),
        ("SELECT 1", "SELECT '1'", 0),
        ("SELECT 1", "SELECT x'31'", 0),
        ("SELECT 1", "SELEC 1", 0),
        ("SELECT 1", "SELECT 1;", 1),
        ("SELECT 1", "SELECT 1; SELECT 1", 0),
        ("SELECT 1", "-- nothing", 0),
        ("SELECT upper(name), round(score, 1), strftime('%Y', '2026-01-02') FROM person", "SELECT 1", 0),
    ],
)
def test_rows_decide(database: Path, gold: str, answer: str, score: int) -> None:
    assert sql(asked(database, gold), answer) == score


ATTACKS = {
    "attach": "ATTACH DATABASE 'FOLDER/attack.db' AS other",
    "attach in memory": "ATTACH ':memory:' AS other",
    "vacuum into": "VACUUM INTO 'FOLDER/attack.db'",
    "pragma": "PRAGMA table_info(person)",
    "pragma function": "SELECT * FROM pragma_table_info('person')",
    "writable schema": "PRAGMA writable_schema = ON",
    "insert": "INSERT INTO person VALUES (9, 'Eve', 1, 1)",
    "insert returning": "INSERT INTO person VALUES (9, 'Eve', 1, 1) RETURNING *",
    "with insert": "WITH t AS (SELECT 9) INSERT INTO person (id) SELECT * FROM t",
    "update": "UPDATE person SET age = 0",
    "delete": "DELETE FROM person",
    "drop": "DROP TABLE person",
    "create": "CREATE TABLE t (x)",
    "temporary table": "CREATE TEMP TABLE t AS SELECT 1",
    "virtual table": "CREATE VIRTUAL TABLE t USING fts5(x)",
    "begin": "BEGIN IMMEDIATE",
    "savepoint": "SAVEPOINT x",
    "load extension": "SELECT load_extension('FOLDER/evil.so')",
    "read a file": "SELECT readfile('/etc/passwd')",
    "write a file": "SELECT writefile('FOLDER/attack.db', 'x')",
    "edit": "SELECT edit('x', 'sh')",
    "tokenizer": "SELECT fts3_tokenizer('simple')",
    "blob of zeros": "SELECT length(zeroblob(2000000000))",
    "blob of noise": "SELECT length(randomblob(1000000000))",
    "wide format": "SELECT length(printf('%.*c', 1900000000, 'x'))",
    "wider format": "SELECT length(format('%1900000000d', 1))",
    "growing text": ("WITH RECURSIVE t(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM t) SELECT max(length(x)) FROM t"),
    "replacing": "SELECT length(replace(replace(replace(hex(1e9), '3', hex(1e300)), '0', hex(1e300)), '3', hex(1e99)))",
    "deep": f"SELECT {'(' * 5000}1{')' * 5000}",
    "long": f"SELECT {'1+' * 40000}1",
    "parameters": "SELECT ?, :x",
    "null": "SELECT 1\x00",
    "half a character": "SELECT '\ud800'",
}


@pytest.mark.parametrize("attack", list(ATTACKS.values()), ids=list(ATTACKS))
def test_what_is_no_reading_is_refused_and_harms_nothing(
    database: Path, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apportion.tasks.metric_sql._SECONDS", 1.0)
    before, task = database.read_bytes(), asked(database, "SELECT count(*) FROM person")
    assert sql(task, attack.replace("FOLDER", str(database.parent))) == 0
    assert database.read_bytes() == before
    assert sorted(path.name for path in database.parent.iterdir()) == [database.name]
    assert sql(task, "SELECT count(*) FROM person") == 1


@pytest.mark.parametrize(
    "attack",
    [
        "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t",
        "WITH RECURSIVE t(x) AS (SELECT 1 UNION SELECT x + 1 FROM t) SELECT max(x) FROM t",
        "SELECT count(*) FROM " + ", ".join(f"person p{n}" for n in range(30)),
        "WITH RECURSIVE t(n, x) AS (SELECT 1, printf('%.*c', 900000, 'x') UNION ALL SELECT n + 1, x || n FROM t) "
        "SELECT n FROM t ORDER BY x",
        "WITH RECURSIVE t(x) AS (SELECT printf('%.*c', 900000, 'x') UNION ALL SELECT x FROM t) SELECT x FROM t",
        "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT 1 FROM t) SELECT x FROM t",
    ],
)
def test_what_never_ends_or_grows_ends(database: Path, attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apportion.tasks.metric_sql._SECONDS", 1.0)
    task = asked(database, "SELECT 1")
    assert sql(task, attack) == 0
    assert sql(task, "SELECT 1") == 1


def test_rows_and_bytes_have_limits(database: Path) -> None:
    many = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t LIMIT 10001) SELECT x FROM t"
    assert len(rows_of(str(database), many.replace("10001", "10000"), 5)) == 10000
    with pytest.raises(Exception, match="more than 10,000 rows"):
        rows_of(str(database), many, 5)
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        rows_of(str(database), "SELECT load_extension('x')", 5)
    with pytest.raises(sqlite3.DatabaseError, match="not authorized to use function: randomblob"):
        rows_of(str(database), "SELECT randomblob(5)", 5)
    with pytest.raises(sqlite3.DatabaseError, match="too big"):
        rows_of(str(database), "SELECT hex(printf('%.*c', 900000, 'x'))", 5)


def test_a_query_is_not_too_slow_because_the_machine_is_busy(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**9))
    monkeypatch.setattr("apportion.tasks.sql_worker.time.monotonic", lambda: float(next(clock)))
    many = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t LIMIT 10000) SELECT x FROM t"
    assert len(rows_of(str(database), many, 5)) == 10_000


def test_what_waits_in_a_write_ahead_log_is_seen(tmp_path: Path) -> None:
    path = made(tmp_path / "wal.db")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("DELETE FROM person WHERE id > 1")
    writer.commit()
    assert rows_of(str(path), "SELECT count(*) FROM person", 5) == [[1]]
    writer.close()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db")
    task = asked(path, "SELECT count(*) FROM person")
    assert sql(task, "SELECT 4") == 1
    path.unlink()
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE person (id); INSERT INTO person VALUES (1);")
    connection.close()
    assert sql(task, "SELECT 4") == 0


def test_tasks_that_cannot_be_graded_are_found_before(database: Path) -> None:
    check_golds([asked(database, "SELECT name FROM person")])
    with pytest.raises(UsageError, match="gold query fails: no such table: persons"):
        check_golds([asked(database, "SELECT name FROM persons")])
    with pytest.raises(UsageError, match="there is no file"):
        check_golds([asked(database.with_name("none.db"), "SELECT 1")])
    with pytest.raises(UsageError, match="must be the path"):
        sql(Task(question="?", gold="SELECT 1"), "SELECT 1")


@pytest.fixture
def own() -> Iterator[SqlMetric]:
    metric = SqlMetric()
    yield metric
    metric.close()


def test_a_process_that_is_gone_is_replaced(database: Path, own: SqlMetric) -> None:
    task = asked(database, "SELECT 1")
    assert own(task, "SELECT 1") == 1
    own.close()
    assert own(task, "SELECT 1") == 1
    assert own.waits(task)
    assert resolve_metric("sql") is sql
