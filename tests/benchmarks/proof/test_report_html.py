from __future__ import annotations

import re
from html.parser import HTMLParser

from benchmarks.proof.findings import Findings, Ranged
from benchmarks.proof.report_html import html_report

_EMPTY = {"meta", "circle", "line", "rect"}


class _Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """It closes itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(findings: Findings) -> None:
    page = html_report(findings)
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert not re.search(r"(?:src|href)\s*=|url\(|@import", page)


def test_a_failure_is_the_first_thing_on_the_page(findings: Findings) -> None:
    page = html_report(findings)
    body = page[page.index("<h1>") :]
    assert body.index("DO NOT HOLD") < body.index("<table>")
    order = ["Planned comparisons</h2>", "Controls: ", "Score against cost", "Pool mixed, tight cap"]
    places = [body.index(title) for title in order]
    assert places == sorted(places)
    assert 'class="verdict fails"' in body
    good = findings.model_copy(update={"planned": findings.planned[:1]})
    assert 'class="verdict holds"' in html_report(good)


def test_texts_are_escaped(findings: Findings) -> None:
    assert "&lt;memory &amp; disk&gt;" in html_report(findings)
    assert "<memory" not in html_report(findings)


def test_a_control_that_fails_is_marked(findings: Findings) -> None:
    gain = findings.controls[0].model_copy(update={"gain": Ranged(value=0.012, low=0.004, high=0.02)})
    bad = findings.model_copy(update={"planned": findings.planned[:1], "controls": (gain,)})
    assert 'class="verdict fails"' in html_report(bad)


def test_all_plots_are_there(findings: Findings) -> None:
    page = html_report(findings)
    assert page.count("<svg") == 3
    assert page.count("<circle") == len(findings.standings[0].policies) + len(findings.doses)
