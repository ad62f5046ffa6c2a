from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from apportion.optimizers.analysis.gate_openings import GateReport
from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.study.report import StudyReport

from .test_report_frame import PLANS, plan, report


class Reader(HTMLParser):
    """The tags of a document, with the texts of its cells and items."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[Any] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(shown: StudyReport) -> Reader:
    reader = Reader()
    reader.feed(shown._repr_html_())
    return reader


def test_the_frontier_is_a_table_with_the_chosen_plan_marked() -> None:
    found = read(report(*PLANS, notes=("nothing was left out",)))
    assert found.tags.count("tr") == 3
    assert "aaaaaaaa (chosen)" in found.texts
    assert "solve.model=small, solve.samples=3, a->b on, b->c on" in found.texts
    assert "0.400 (0.20 to 1.00)" in found.texts
    assert found.texts[0] == "4 of 1,234 plans measured, 1,234.5 of 5,000 weighted paid; costs are weighted a task"
    assert "nothing was left out" in found.texts


def test_what_models_and_users_wrote_is_text() -> None:
    hostile = "<script>alert(1)</script>\x1b[2J\u202e\"'&<img src=x onerror=y>"
    found = read(report(plan("a", 0.5, {f"solve.{hostile}": hostile}, [hostile]), notes=(hostile, hostile)))
    assert set(found.tags) == {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert found.attributes == []
    assert "\x1b" not in report(notes=(hostile,))._repr_html_()
    assert "\u202e" not in report(notes=(hostile,))._repr_html_()


def test_a_report_without_plans_has_an_empty_table() -> None:
    assert read(report()).tags.count("tr") == 1


def test_what_gates_brought_is_a_table_of_its_own() -> None:
    hostile = "<b>a</b>->b"
    gate = GateReport(
        edge=hostile,
        signal="confidence",
        opens="below 0.9",
        runs=70,
        opened=21,
        score_open=None,
        score_shut=None,
        cost_open=None,
        cost_shut=None,
        brought=Interval(0.21, 0.1, 0.32),
        n=64,
        untold="its threshold is no choice",
    )
    found = read(report(*PLANS).model_copy(update={"gates": (gate,)}))
    assert found.tags.count("table") == 2
    assert {hostile, "21 of 70", "64", "+0.210 (+0.10 to +0.32)", "its threshold is no choice"} <= set(found.texts)
    assert "b" not in found.tags
    assert read(report(*PLANS)).tags.count("table") == 1
