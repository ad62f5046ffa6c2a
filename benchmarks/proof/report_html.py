"""The findings as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from apportion.records.display import markup

from .findings import Dose, Findings
from .plots import dose_plot, frontier_plot
from .tables import Sheet, dose_title, sheets, verdict

__all__ = ["html_report"]

_STYLE = """
:root { color-scheme: light dark; --line: #d1d5db; --quiet: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --line: #374151; --quiet: #9ca3af; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.verdict { border: 1px solid var(--line); border-left-width: 6px; padding: .6rem 1rem; }
.holds { border-left-color: #16a34a; } .fails { border-left-color: #dc2626; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } .note, .legend { color: var(--quiet); font-size: .85rem; }
svg { max-width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
.frame { fill: none; stroke: var(--line); } .mark { stroke: var(--quiet); }
.cap { stroke: var(--quiet); stroke-dasharray: 4 4; } .zero { stroke: var(--quiet); }
.legend span { margin-right: 1rem; }
.legend i { display: inline-block; width: .7em; height: .7em; margin-right: .35em; }
"""


def html_report(findings: Findings) -> str:
    """The page as text."""
    first, *rest = verdict(findings)
    kind = "fails" if findings.failed or findings.impossible else "holds"
    items = "".join(f"<li>{markup(line.removeprefix('- '))}</li>" for line in rest)
    parts = [
        f'<div class="verdict {kind}"><strong>{markup(first)}</strong>{f"<ul>{items}</ul>" if items else ""}</div>',
    ]
    by_rival: dict[str, list[Dose]] = {}
    for dose in findings.doses:
        by_rival.setdefault(dose.against, []).append(dose)
    plots = {
        "Planned comparisons": "",
        **{dose_title(rival): dose_plot(doses) for rival, doses in by_rival.items()},
    }
    for number, sheet in enumerate(sheets(findings)):
        if number == 2:
            main = findings.standings[0]
            parts.append("<h2>Score against cost</h2>" + frontier_plot(main.policies, "weighted tokens"))
        parts.append(_table(sheet, plots.get(sheet.title, "")))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>apportion: joint, or one after the other'
        f'</title><meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>When is it better to choose model and compute together?</h1>{''.join(parts)}</body></html>\n"
    )


def _table(sheet: Sheet, plot: str) -> str:
    head = "".join(f"<th>{markup(column)}</th>" for column in sheet.columns)
    body = "".join("<tr>" + "".join(f"<td>{markup(cell)}</td>" for cell in row) + "</tr>" for row in sheet.rows)
    note = f'<p class="note">{markup(sheet.note)}</p>' if sheet.note else ""
    return (
        f"<h2>{markup(sheet.title)}</h2>{plot}"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'
    )
