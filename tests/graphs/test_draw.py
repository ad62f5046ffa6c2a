from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from apportion.errors import UnknownName
from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.nodes.knob import adaptive, choose

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def wide(kinds: Any, echo: Any) -> Graph:
    graph = Graph('a <b> & "c"', kinds=kinds)
    graph.add("ask", echo(width=choose(1, 2)))
    for name in ("solve", "check", "split", "part", "merge", "vote"):
        graph.add(name, echo(model="<&>" if name == "vote" else "small"))
    graph.connect("ask", "solve", optional=True, forward=choose("full", "answer")).start("solve")
    graph.connect("solve", "check").connect("check", "vote").connect("ask", "vote", optional=True)
    graph.each("split", "part", "merge").connect("merge", "vote", optional=True)
    return graph.loop("check", "solve", rounds=choose(1, adaptive(1, 4)))


def test_mermaid_shows_all_that_there_is(wide: Graph) -> None:
    text = wide.draw()
    assert '  n0["ask<br/>echo<br/>model: any<br/>width: 1 | 2"]' in text
    assert '  n4[["part<br/>echo<br/>model = small"]]' in text
    assert '  n0 -.->|"full | answer"| n1' in text
    assert '  n2 ==>|"again until accepted, rounds: 1 | 1 to 4"| n1' in text
    assert "  n3 --> n5" in text
    assert "model = #lt;#amp;#gt;" in text
    assert ":::off" not in text


def test_a_plan_greys_out_what_does_not_run(wide: Graph, pool: Pool) -> None:
    plan = wide.space(pool).plan({"check->solve.rounds": adaptive(1, 4)}, ["merge->vote"])
    text = wide.draw(plan=plan)
    assert text.count(":::off") == 1
    assert '  n0["ask<br/>echo<br/>model: any<br/>width: 1 | 2"]:::off' in text
    assert "n0 -.->" not in text
    assert '|"again until accepted, rounds: 1 to 4"|' in text
    assert "classDef off" in text
    with_ask = wide.draw(plan=wide.space(pool).plan({"ask.width": 2, "ask->solve.forward": "answer"}))
    assert "model = small<br/>width = 2" in with_ask
    assert '-.->|"answer"|' in with_ask


def boxes(root: ET.Element) -> dict[str, tuple[float, float, float, float]]:
    found = {}
    for group in root.iter(f"{SVG}g"):
        rect, name = group.findall(f"{SVG}rect")[-1], group.find(f"{SVG}text")
        assert name is not None
        x, y, width, height = (float(rect.get(key, "nan")) for key in ("x", "y", "width", "height"))
        found[name.text or ""] = (x, y, x + width, y + height)
    return found


def test_svg_is_whole_and_self_contained(wide: Graph, pool: Pool) -> None:
    for plan in (None, wide.space(pool).plan(edges=["merge->vote"])):
        text = wide.draw("svg", plan)
        root = ET.fromstring(text)
        assert root.findtext(f"{SVG}title") == 'a <b> & "c"'
        assert "href" not in text
        placed = boxes(root)
        assert set(placed) == set(wide.nodes)
        width, height = float(root.get("width", "0")), float(root.get("height", "0"))
        assert all(x >= 0 and y >= 0 and right <= width and low <= height for x, y, right, low in placed.values())
        for name, (x, y, right, low) in placed.items():
            for other, (x2, y2, right2, low2) in placed.items():
                assert name == other or right <= x2 or right2 <= x or low <= y2 or low2 <= y, (name, other)
        for edge in wide.edges:
            assert placed[edge.source][2] < placed[edge.target][0]


def test_svg_marks_edges(wide: Graph) -> None:
    root = ET.fromstring(wide.draw("svg"))
    kinds = [path.get("class") for path in root.iter(f"{SVG}path") if path.get("class")]
    assert sorted(map(str, kinds)) == ["edge"] * 5 + ["edge optional"] * 3 + ["loop"]
    labels = [text.text for text in root.iter(f"{SVG}text")]
    assert "once per part" in labels
    assert "full | answer" in labels


def test_an_unknown_format(wide: Graph) -> None:
    wrong: Any = "svgz"
    with pytest.raises(UnknownName, match="did you mean 'svg'"):
        wide.draw(wrong)
