from __future__ import annotations

import re
from xml.etree import ElementTree

from benchmarks.proof.findings import Findings
from benchmarks.proof.plots import dose_plot, frontier_plot


def _svg(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text[: text.index("</svg>") + 6])


def test_better_is_higher_and_dearer_is_further_right(findings: Findings) -> None:
    policies = findings.standings[0].policies
    circles = list(_svg(frontier_plot(policies, "tokens")).iter("circle"))
    places = {
        (policy.cap, policy.label): (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
        for policy, circle in zip(policies, circles, strict=True)
    }
    assert places["tight", "J"][1] < places["tight", "U"][1]
    assert places["middle", "J"][0] > places["tight", "J"][0]


def test_everything_lies_inside_the_picture(findings: Findings) -> None:
    for text in (frontier_plot(findings.standings[0].policies, "tokens"), dose_plot(findings.doses)):
        svg = _svg(text)
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        for line in svg.iter("line"):
            assert all(0 <= float(line.attrib[name]) <= width for name in ("x1", "x2"))
            assert all(0 <= float(line.attrib[name]) <= height for name in ("y1", "y2"))


def test_a_dose_of_nothing_lies_on_the_zero_line(findings: Findings) -> None:
    text = dose_plot(findings.doses)
    zero = re.findall(r'class="zero" x1="[^"]+" y1="([^"]+)"', text)
    circles = list(_svg(text).iter("circle"))
    assert circles[0].attrib["cy"] == zero[0]
    assert float(circles[1].attrib["cy"]) < float(zero[0])
