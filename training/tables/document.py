"""`docs/pocket.md` from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from apportion.models.card import ModelCard

from ..recipes import Recipe
from .asking import interval
from .roles import ROUNDS

__all__ = ["document"]

_WEIGHTS = Path(__file__).parents[2] / "models" / "pocket" / "weights"
_OPENING = Path(__file__).with_name("opening.md")
_NOTES = Path(__file__).with_name("notes.md")
Measured = Mapping[str, Any]


def document(measured: Sequence[Measured], cards: Mapping[str, ModelCard], recipes: Mapping[str, Recipe]) -> str:
    """The whole page.

    Args:
        measured: what `measure` gave, one a model.
        cards: of the shipped models, by name.
        recipes: how they were trained, by name.
    """
    parts = [
        _opening(measured, cards),
        _pool(cards, recipes),
        _notes(),
        _solving(measured),
        _votes(measured),
        _roles(measured),
        _searching(measured),
        _knowing(measured),
    ]
    return "\n\n".join(parts) + "\n"


def _opening(measured: Sequence[Measured], cards: Mapping[str, ModelCard]) -> str:
    size = sum(path.stat().st_size for path in _WEIGHTS.glob("*.npz"))
    first = {key: measured[0][key] for key in ("count", "seed", "temperature", "date")}
    return _OPENING.read_text(encoding="utf-8").strip().format(models=len(cards), megabytes=size / 1e6, **first)


def _pool(cards: Mapping[str, ModelCard], recipes: Mapping[str, Recipe]) -> str:
    lines = [
        "## The pool",
        "",
        "| model | kind | parameters | MFLOP a token (the card's weight) | weights, KB | training steps | trained on |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, card in cards.items():
        size = (_WEIGHTS / f"{name}.npz").stat().st_size / 1000
        steps = f"{recipes[name].steps:,}" if name in recipes else "-"
        figures = f"{card.parameters or 0:,} | {card.weight} | {size:.0f} | {steps}"
        lines.append(f"| `{name}` | {card.kind} | {figures} | {card.about} |")
    return "\n".join(lines)


def _notes() -> str:
    return _NOTES.read_text(encoding="utf-8").strip()


def _cells(measured: Measured, family: str, way: str) -> list[Mapping[str, Any]]:
    return [cell for cell in measured["cells"] if cell["family"] == family and cell["way"] == way]


def _shown(cell: Mapping[str, Any]) -> str:
    low, high = interval(cell["value"], cell["questions"])
    return f"{100 * cell['value']:.0f} ({100 * low:.0f}-{100 * high:.0f}) {cell['tokens']:.0f}t"


def _table(heading: str, settings: Sequence[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    head = f"| {heading} | " + " | ".join(settings) + " |"
    return ["", head, "| --- " * (len(settings) + 1) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def _families(measured: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(cell["family"] for each in measured for cell in each["cells"] if cell["way"] in _STYLES))


_STYLES = ("direct", "draft", "think")


def _solving(measured: Sequence[Measured]) -> str:
    lines = ["## Solving", "", "One sample; the mean over 16 samples of every question. Columns are difficulties."]
    for family in _families(measured):
        settings = [cell["setting"] for cell in _cells(measured[0], family, "direct")]
        rows = (
            (f"{each['model']}, {style}", *map(_shown, cells))
            for style in _STYLES
            for each in measured
            if (cells := _cells(each, family, style))
        )
        lines += ["", f"### {family}", *_table("model, style", settings, rows)]
    return "\n".join(lines)


def _votes(measured: Sequence[Measured]) -> str:
    lines = [
        "## Votes",
        "",
        "One sample, a majority of 4, a majority of 16 in %. Where the three are equal, errors are systematic and no",
        "number of samples helps.",
    ]
    for family in _families(measured):
        settings = [cell["setting"] for cell in _cells(measured[0], family, "direct")]
        lines += ["", f"### {family}, votes", *_table("model, style", settings, _vote_rows(measured, family))]
    return "\n".join(lines)


def _vote_rows(measured: Sequence[Measured], family: str) -> Iterator[tuple[str, ...]]:
    for style in _STYLES:
        for each in measured:
            columns = [_cells(each, family, way) for way in (style, f"{style} vote@4", f"{style} vote@16")]
            if columns[0]:
                cells = (" / ".join(f"{100 * c['value']:.0f}" for c in column) for column in zip(*columns, strict=True))
                yield (f"{each['model']}, {style}", *cells)


def _roles(measured: Sequence[Measured]) -> str:
    lines = [
        "## Splitting, and formalising for the solver",
        "",
        "Splits whose parts, worked exactly, give the right value; puzzles whose constraints are those of the text, so",
        "that the symbolic solver satisfies them, beside solving them directly.",
    ]
    for family, way, heading in (
        ("composites", "decompose", "composites, by brackets"),
        ("composites", "split, solve, merge", "composites split, solved in parts, merged; by brackets, t with prompts"),
        ("chains", "decompose", "chains, by operations"),
        ("puzzles", "formalise", "puzzles as constraints, by letters"),
        ("puzzles", "direct", "puzzles, answered directly"),
    ):
        settings = next(([cell["setting"] for cell in _cells(each, family, way)] for each in measured), [])
        rows = ((each["model"], *map(_shown, _cells(each, family, way))) for each in measured)
        lines += ["", f"### {heading}", *_table("model", settings, rows)]
    return "\n".join(lines)


def _searching(measured: Sequence[Measured]) -> str:
    lines = ["## Searching", "", "Questions over a corpus of one-line passages with distractors; rounds allowed."]
    for top_k in (1, 4):
        for hops in (1, 2, 3, 4):
            settings = [f"{rounds} rounds" for rounds in ROUNDS]
            rows = (
                (each["model"], *map(_shown, cells))
                for each in measured
                if (
                    cells := [
                        cell
                        for cell in _cells(each, "hops", f"search, {top_k} passages a round")
                        if cell["setting"].startswith(f"{hops} hops")
                    ]
                )
            )
            lines += ["", f"### {hops} hops, {top_k} passages a round", *_table("model", settings, rows)]
    rejecting = ((each["model"], *map(_shown, _cells(each, "hops", "rejects a wrong first line"))) for each in measured)
    lines += ["", "### A first line that does not place the person", *_table("model", ["searches on"], rejecting)]
    return "\n".join(lines)


def _knowing(measured: Sequence[Measured]) -> str:
    lines = [
        "## Knowing right from wrong",
        "",
        "Area under the ROC curve; 0.50 is chance. Over the model's own answers of all difficulties of a family.",
    ]
    ways = ("right traces", "verify AUROC")
    settings = ["right, %", "verify role", "steps solved anew"]
    rows = []
    for each in measured:
        found = {cell["setting"]: cell["value"] for way in ways for cell in _cells(each, "chains", way)}
        rows.append(
            (each["model"], *(_area(found.get(key), key) for key in ("all", "verify role", "steps solved anew")))
        )
    lines += ["", "### Traces of chains", *_table("model", settings, iter(rows))]
    signals = ["mean log-prob", "first-token entropy", "agreement of two"]
    for family in _families(measured):
        confident = []
        for style in _STYLES:
            for each in measured:
                found = {cell["setting"]: cell["value"] for cell in _cells(each, family, f"{style} AUROC")}
                if found:
                    confident.append((f"{each['model']}, {style}", *(_area(found.get(key), key) for key in signals)))
        lines += ["", f"### {family}, confidence", *_table("model, style", signals, iter(confident))]
    return "\n".join(lines)


def _area(value: float | None, key: str) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.0f}" if key == "all" else f"{value:.2f}"
