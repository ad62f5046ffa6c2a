"""`python -m training.tables`: measures the shipped models and writes `docs/pocket.md`.

Each model's figures are kept in a file of their own as soon as they are measured, so that the command can be stopped
and started again, and a model that was trained anew is measured anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apportion.models.pocket import PocketModel, load_pocket_models

from ..recipes import RECIPES
from .asking import SEED, TEMPERATURE, Bench, Cell
from .composing import composing
from .document import document
from .roles import decomposing, formalising, searching, verifying
from .solving import solving

__all__ = ["main"]

ROOT = Path(__file__).parents[2]
_SECTIONS: tuple[Callable[[Bench], Awaitable[list[Cell]]], ...] = (
    formalising,
    decomposing,
    composing,
    verifying,
    searching,
    solving,
)


async def measure(model: PocketModel, count: int) -> dict[str, Any]:
    """All cells of a model, with what identifies them."""
    bench = Bench(model, count)
    cells = [cell.to_json() for section in _SECTIONS for cell in await section(bench)]
    await model.aclose()
    return {
        "model": model.card.name,
        "revision": model.card.revision,
        "count": count,
        "seed": SEED,
        "temperature": TEMPERATURE,
        "date": f"{datetime.now(UTC):%-d %B %Y}",
        "cells": cells,
    }


def main() -> None:
    """Parses the command line, measures what is not measured yet, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m training.tables", description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="questions a cell (default: %(default)s)")
    parser.add_argument("--model", action="append", default=[], help="measure only this model; may be repeated")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / "training" / "runs" / "tables", help="where figures are kept"
    )
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "pocket.md", help="the page to write")
    given = parser.parse_args()
    given.kept.mkdir(parents=True, exist_ok=True)
    measured = []
    for model in load_pocket_models():
        place = given.kept / f"{model.card.name}.json"
        known = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
        stale = known.get("revision") != model.card.revision or known.get("count") != given.count
        if stale and (not given.model or model.card.name in given.model):
            print(f"measuring {model.card.name}", flush=True)
            known = asyncio.run(measure(model, given.count))
            place.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        if known:
            measured.append(known)
    cards = {model.card.name: model.card for model in load_pocket_models()}
    given.page.write_text(document(measured, cards, RECIPES), encoding="utf-8")
    print(f"wrote {given.page}")


if __name__ == "__main__":
    main()
