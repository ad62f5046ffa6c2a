from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver

SVG = "{http://www.w3.org/2000/svg}"


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


def test_names_with_control_characters_are_drawn_as_escapes(pool: Pool) -> None:
    graph = Graph("esc \x1b[31m nul \0 half \ufffe bidi \u202e <&>")
    graph.add("solve", Solver(model="m\x1b\0\u202e<b>\n\ufffe"))
    drawing = graph.draw("svg")
    texts = [text.text for text in ET.fromstring(drawing).iter(f"{SVG}text")]
    assert r"model = m\x1b\x00\u202e<b> \ufffe" in texts
    flow = graph.draw("mermaid")
    assert r"model = m\x1b\x00\u202e#lt;b#gt; \ufffe" in flow
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ufffe]", drawing + flow)


def test_svg_marks_edges(wide: Graph) -> None:
    root = ET.fromstring(wide.draw("svg"))
    kinds = [path.get("class") for path in root.iter(f"{SVG}path") if path.get("class")]
    assert sorted(map(str, kinds)) == ["edge"] * 5 + ["edge optional"] * 3 + ["loop"]
    labels = [text.text for text in root.iter(f"{SVG}text")]
    assert "once per part" in labels
    assert "full | answer" in labels
