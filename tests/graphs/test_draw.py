from __future__ import annotations

from typing import Any

import pytest

from apportion.errors import UnknownName
from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.nodes.knob import adaptive

SVG = "{http://www.w3.org/2000/svg}"


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


def test_an_unknown_format(wide: Graph) -> None:
    wrong: Any = "svgz"
    with pytest.raises(UnknownName, match="did you mean 'svg'"):
        wide.draw(wrong)
