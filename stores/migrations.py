"""How a database comes to the present schema: numbered steps, each frozen once it has been released.

A step is a function of the open connection; it runs inside one transaction with the others that are due, with foreign
keys off, after a copy of the old file was made. Steps are only ever added. A new step needs a database file of the
schema before it under `tests/stores/databases/`, and `schema` must say the same as all steps together. Views hold no
data: no step sees one, and at the end they are those of `views`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from .migration_texts import texts_and_units
from .views import VIEWS

__all__ = ["APPLICATION_ID", "MIGRATIONS", "NEW_KEYS", "VERSION", "migrate"]

APPLICATION_ID = 0x41505052
"""Marks the file as ours ("APPR"), so that another program's database is not taken for one."""

_UNITS = ("tokens", "weighted", "usd")


def _amounts(*quantities: str) -> str:
    names = [f"{quantity}_{unit}" for quantity in quantities for unit in _UNITS]
    return ",\n  ".join(f"{name} INTEGER NOT NULL DEFAULT 0 CHECK ({name} >= 0)" for name in names)


def _by_unit(expression: str) -> str:
    return " ".join(f"WHEN '{unit}' THEN {expression.replace('*', unit)}" for unit in _UNITS)


_USED = (
    "CASE limit_unit "
    + _by_unit("reserved_* + CASE measure WHEN 'paid' THEN paid_* ELSE charged_* + lost_* END")
    + " END"
)
_RESERVED_GREW = (
    "CASE NEW.limit_unit " + _by_unit("NEW.reserved_* > OLD.reserved_*") + " ELSE 0 END AND NEW.used > NEW.limit_value"
)

_TABLES_1 = f"""
CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY, applied_at FLOAT NOT NULL);
CREATE TABLE owner (
  owner_id TEXT NOT NULL PRIMARY KEY,
  host TEXT NOT NULL,
  process_id INTEGER NOT NULL,
  process_started TEXT NOT NULL,
  heartbeat_at FLOAT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('alive', 'closed', 'dead'))
);
CREATE TABLE account (
  account_id TEXT NOT NULL PRIMARY KEY,
  parent_id TEXT REFERENCES account (account_id),
  limit_unit TEXT CHECK (limit_unit IN ('tokens', 'weighted', 'usd')),
  limit_value INTEGER,
  measure TEXT NOT NULL CHECK (measure IN ('charged', 'paid')),
  label TEXT NOT NULL,
  {_amounts("charged", "lost", "paid", "reserved", "held")},
  in_flight INTEGER NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
  releases INTEGER NOT NULL DEFAULT 0,
  used INTEGER GENERATED ALWAYS AS ({_USED}) VIRTUAL,
  CHECK ((limit_unit IS NULL) = (limit_value IS NULL)),
  CHECK (parent_id IS NULL OR parent_id <> account_id),
  CHECK (held_tokens <= reserved_tokens AND held_weighted <= reserved_weighted AND held_usd <= reserved_usd)
);
CREATE TABLE reservation (
  reservation_id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (account_id),
  {_amounts("reserved")},
  owner_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('call', 'allowance')),
  cached INTEGER NOT NULL CHECK (cached IN (0, 1)),
  state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'replaced', 'lost')),
  {_amounts("charged", "lost")},
  opened_at FLOAT NOT NULL,
  closed_at FLOAT,
  CHECK ((state = 'open') = (closed_at IS NULL))
);
CREATE INDEX reservation_open ON reservation (owner_id) WHERE state = 'open';
CREATE TABLE study (
  study_id TEXT NOT NULL PRIMARY KEY,
  graph_hash TEXT NOT NULL,
  account_id TEXT NOT NULL,
  arguments TEXT NOT NULL,
  created_at FLOAT NOT NULL,
  state TEXT NOT NULL,
  test_reads INTEGER NOT NULL
);
CREATE TABLE trial (
  trial_id TEXT NOT NULL PRIMARY KEY,
  study_id TEXT NOT NULL,
  plan_hash TEXT NOT NULL,
  part TEXT NOT NULL,
  rung INTEGER NOT NULL,
  tasks INTEGER NOT NULL,
  score FLOAT NOT NULL,
  coverage FLOAT NOT NULL,
  {_amounts("charged", "lost")},
  state TEXT NOT NULL
);
CREATE INDEX trial_study ON trial (study_id);
CREATE TABLE task (task_id TEXT NOT NULL PRIMARY KEY, family TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE plan (
  plan_hash TEXT NOT NULL PRIMARY KEY,
  graph_hash TEXT NOT NULL,
  content TEXT NOT NULL,
  drawing TEXT NOT NULL
);
CREATE TABLE run (
  run_id TEXT NOT NULL PRIMARY KEY,
  trial_id TEXT,
  task_id TEXT NOT NULL,
  plan_hash TEXT NOT NULL,
  graph_hash TEXT NOT NULL,
  account_id TEXT NOT NULL,
  started_at FLOAT NOT NULL,
  ended_at FLOAT NOT NULL,
  status TEXT NOT NULL,
  stop_reason TEXT NOT NULL,
  answer TEXT NOT NULL,
  score FLOAT,
  {_amounts("charged", "lost")},
  latency FLOAT NOT NULL
);
CREATE INDEX run_started ON run (started_at);
CREATE INDEX run_trial ON run (trial_id, started_at);
CREATE TABLE span (
  span_id TEXT NOT NULL PRIMARY KEY,
  run_id TEXT NOT NULL,
  node TEXT NOT NULL,
  kind TEXT NOT NULL,
  round INTEGER NOT NULL,
  part TEXT NOT NULL,
  started_at FLOAT NOT NULL,
  ended_at FLOAT NOT NULL,
  status TEXT NOT NULL,
  {_amounts("charged", "lost")},
  answer TEXT NOT NULL,
  reason TEXT NOT NULL,
  events_hash TEXT
);
CREATE INDEX span_run ON span (run_id);
CREATE TABLE call (
  call_id TEXT NOT NULL PRIMARY KEY,
  run_id TEXT NOT NULL,
  span_id TEXT NOT NULL,
  reservation_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  request_key TEXT NOT NULL,
  gen_ai_operation_name TEXT NOT NULL,
  gen_ai_provider_name TEXT NOT NULL,
  gen_ai_request_model TEXT NOT NULL,
  gen_ai_request_max_tokens INTEGER NOT NULL,
  gen_ai_request_temperature FLOAT NOT NULL,
  gen_ai_request_seed INTEGER,
  sample_index INTEGER NOT NULL,
  gen_ai_input_messages_hash TEXT,
  started_at FLOAT NOT NULL,
  ended_at FLOAT NOT NULL,
  outcome TEXT NOT NULL,
  {_amounts("bound", "reserved", "charged", "lost")},
  cached INTEGER NOT NULL,
  gen_ai_usage_input_tokens INTEGER,
  gen_ai_usage_output_tokens INTEGER,
  gen_ai_usage_reasoning_output_tokens INTEGER,
  gen_ai_usage_cache_read_input_tokens INTEGER,
  usage_estimated INTEGER,
  gen_ai_response_model TEXT NOT NULL,
  gen_ai_response_id TEXT NOT NULL,
  gen_ai_response_finish_reasons TEXT NOT NULL,
  gen_ai_output_messages_hash TEXT,
  error TEXT NOT NULL
);
CREATE INDEX call_run ON call (run_id);
CREATE TABLE blob (hash TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE reply (
  request_key TEXT NOT NULL PRIMARY KEY,
  payload BLOB NOT NULL,
  {_amounts("charged")},
  stored_at FLOAT NOT NULL
)
"""

_TRIGGERS_1 = (
    f"""CREATE TRIGGER account_cap AFTER UPDATE ON account WHEN {_RESERVED_GREW}
    BEGIN SELECT RAISE(ABORT, 'a reservation would pass the limit of an account'); END""",
    """CREATE TRIGGER account_limit AFTER UPDATE OF limit_value ON account WHEN NEW.limit_value < OLD.limit_value
    BEGIN SELECT RAISE(ABORT, 'the limit of an account can only be raised'); END""",
    """CREATE TRIGGER reservation_once AFTER UPDATE ON reservation WHEN OLD.state <> 'open'
    BEGIN SELECT RAISE(ABORT, 'a reservation is settled once'); END""",
)


def m001_first(connection: Connection) -> None:
    """The first schema."""
    for statement in (*_TABLES_1.split(";"), *_TRIGGERS_1):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def m002_facts(connection: Connection) -> None:
    """What was found out about models by calling them, such as that an endpoint broke its cap."""
    connection.exec_driver_sql(
        "CREATE TABLE fact (subject TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('breach', 'probe')), "
        "content TEXT NOT NULL, found_at FLOAT NOT NULL, PRIMARY KEY (subject, kind))"
    )


def m003_reasons_and_parts(connection: Connection) -> None:
    """Why runs have no answer, and to which part of a dev set tasks belong: as studies have treated them so far."""
    connection.exec_driver_sql("ALTER TABLE run ADD COLUMN reason TEXT NOT NULL DEFAULT ''")
    connection.exec_driver_sql(
        "CREATE TABLE part (seed INTEGER NOT NULL, task_id TEXT NOT NULL, "
        "part TEXT NOT NULL CHECK (part IN ('fit', 'validation', 'test')), PRIMARY KEY (seed, task_id))"
    )
    connection.exec_driver_sql(
        "INSERT OR IGNORE INTO part SELECT json_extract(study.arguments, '$.seed'), run.task_id, trial.part "
        "FROM run JOIN trial USING (trial_id) JOIN study USING (study_id) "
        "WHERE trial.part IN ('fit', 'validation', 'test') AND json_valid(study.arguments) "
        "AND json_type(study.arguments, '$.seed') = 'integer' ORDER BY run.started_at"
    )


def m004_request_keys(connection: Connection) -> None:
    """Marks the file as one whose new replies have the keys of today; see `NEW_KEYS`."""


def m005_abstentions(connection: Connection) -> None:
    """Whether the answers of runs say that there is none, which their texts alone do not always tell."""
    connection.exec_driver_sql("ALTER TABLE run ADD COLUMN abstained INTEGER")


def m006_texts_and_units(connection: Connection) -> None:
    """Texts that one can read, columns that name their units, and what runs, spans and calls keep since."""
    texts_and_units(connection)


NEW_KEYS = 4
"""The schema since which every node draws for itself: replies that were kept before have other keys."""

MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    m001_first,
    m002_facts,
    m003_reasons_and_parts,
    m004_request_keys,
    m005_abstentions,
    m006_texts_and_units,
)
VERSION = len(MIGRATIONS)
"""The schema that this code reads and writes."""


def migrate(connection: Connection, found: int, steps: Sequence[Callable[[Connection], None]] = MIGRATIONS) -> None:
    """Applies the steps after `found` in the transaction that is open on `connection`.

    Views of the package are made anew. Those that somebody else made stay as they were written, true or not.
    """
    views = connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE type = 'view'").fetchall()
    # They would have to be true after every single renaming.
    for name, _ in views:
        connection.exec_driver_sql(f"DROP VIEW {_quoted(name)}")
    for version, step in enumerate(steps[found:], found + 1):
        step(connection)
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (?, ?)", (version, time.time()))
    for name, query in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {query}")
    for name, sql in views:
        if name not in VIEWS:
            connection.exec_driver_sql(sql)


def _quoted(name: str) -> str:
    """A name of SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
