"""The findings as text: for the terminal, and for a document between two marks."""

from __future__ import annotations

from apportion import UsageError

from .findings import Findings
from .tables import Sheet, sheets, verdict

__all__ = ["BEGIN", "END", "check_document", "markdown_report", "text_report", "with_results"]

BEGIN = "<!-- results begin: written by `python -m benchmarks.proof --document` -->"
END = "<!-- results end -->"


def text_report(findings: Findings) -> str:
    """Everything, in columns."""
    parts = ["\n".join(verdict(findings))]
    for sheet in sheets(findings):
        lines = [sheet.title, *_columns(sheet)]
        parts.append("\n".join([*lines, *([f"  {sheet.note}"] if sheet.note else [])]))
    return "\n\n".join(parts) + "\n"


def markdown_report(findings: Findings) -> str:
    """Everything, as Markdown."""
    first, *rest = verdict(findings)
    parts = ["\n".join([f"**{first}**", *([""] if rest else []), *rest])]
    for sheet in sheets(findings):
        head = [" | ".join(["", *(_cell(column) for column in sheet.columns), ""]).strip()]
        rule = ["|" + " --- |" * len(sheet.columns)]
        body = [" | ".join(["", *(_cell(cell) for cell in row), ""]).strip() for row in sheet.rows]
        note = ["", sheet.note] if sheet.note else []
        parts.append("\n".join([f"### {sheet.title}", "", *head, *rule, *body, *note]))
    return "\n\n".join(parts) + "\n"


def check_document(document: str) -> None:
    """Makes sure that a document has a place for results.

    Raises:
        UsageError: it does not have both marks, in their order.
    """
    if END not in document.partition(BEGIN)[2]:
        raise UsageError(f"the document has no place for results; it needs the lines {BEGIN} and {END}")


def with_results(document: str, findings: Findings) -> str:
    """A document with the results between its two marks.

    Raises:
        UsageError: it does not have both marks.
    """
    check_document(document)
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown_report(findings)}\n{END}{after}"


def _columns(sheet: Sheet) -> list[str]:
    rows = [sheet.columns, *sheet.rows] if any(sheet.columns) else list(sheet.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(sheet.columns))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
