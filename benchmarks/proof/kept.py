"""Matches that were held, one file each, so that a run that was stopped goes on with the next.

A file belongs to the tables of its match, to its sizes, and to the code that holds it: with other code it is held anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import apportion
from apportion.optimizers.tables.table import Table

from .contest import ContestOutcome, Match, Showing, hold
from .draws import Statistic

__all__ = ["hold_once", "match_key"]

_STATISTICS = ("score", "cost", "matched")
_PARTS = ("draws", "left_out")
_TUPLES = ("served_scores", "served_costs")
_CELLS = ("scores", "costs", "confidences", "answers", "abstained")


def hold_once(folder: Path, match: Match) -> ContestOutcome:
    """Holds a match, or reads what came of it before.

    Args:
        folder: where the files are kept.
        match: what is to be held.
    """
    path = folder / f"match-{match_key(match)}.npz"
    if path.exists():
        return _read(path)
    outcome = hold(match)
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, outcome)
    return outcome


def match_key(match: Match) -> str:
    """The hash of all that decides what comes of a match."""
    whole = hashlib.sha256(_code().encode())
    known = {field.name: getattr(match, field.name) for field in fields(match) if field.name not in ("dev", "test")}
    known["protocol"] = asdict(match.protocol)
    whole.update(json.dumps(known, sort_keys=True, default=dict).encode())
    for table in (match.dev, match.test):
        for part in _content(table):
            whole.update(part)
    return whole.hexdigest()[:20]


def _content(table: Table) -> Iterator[bytes]:
    yield json.dumps([table.unit, [asdict(q) for q in table.questions], [asdict(arm) for arm in table.arms]]).encode()
    for name in _CELLS:
        cells = getattr(table, name)
        yield name.encode()
        yield b"" if cells is None else np.ascontiguousarray(cells).tobytes()


@cache
def _code() -> str:
    """The hash of the sources that policies and matches are made of."""
    root, whole = Path(str(apportion.__file__)).parent, hashlib.sha256()
    for folder in (root / "optimizers", Path(__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def _write(path: Path, outcome: ContestOutcome) -> None:
    arrays: dict[str, Any] = {}
    told = []
    for number, showing in enumerate(outcome.showings):
        rest = {field.name: getattr(showing, field.name) for field in fields(showing)}
        for name in _STATISTICS:
            statistic: Statistic = rest[name]
            rest[name] = statistic.estimate
            arrays |= {f"{number}-{name}-{part}": getattr(statistic, part) for part in _PARTS}
        told.append(rest)
    head = {field.name: getattr(outcome, field.name) for field in fields(outcome)} | {"showings": told}
    partial = path.with_suffix(".part.npz")
    np.savez_compressed(partial, told=np.array(json.dumps(head, default=dict)), **arrays)
    partial.replace(path)


def _read(path: Path) -> ContestOutcome:
    with np.load(path, allow_pickle=False) as arrays:
        head = json.loads(str(arrays["told"]))
        showings = []
        for number, rest in enumerate(head.pop("showings")):
            for name in _STATISTICS:
                rest[name] = Statistic(rest[name], *(arrays[f"{number}-{name}-{part}"] for part in _PARTS))
            rest |= {name: tuple(rest[name]) for name in _TUPLES}
            showings.append(Showing(**rest))
    return ContestOutcome(showings=tuple(showings), **head)
