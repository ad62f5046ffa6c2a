"""Tables on narrow terminals."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from apportion.cli.layout import rows


@pytest.mark.parametrize("width", [10, 24, 25, 26, 40, 80])
def test_no_cell_is_cut_however_narrow_the_terminal_is(width: int) -> None:
    out = StringIO()
    cells = [["a name that is long", "0.123", "-0.05"], ["b", "4.567", "+0.10"]]
    rows(Console(file=out, width=width), ["", "score", "gain"], cells)
    printed = out.getvalue()
    assert all(cell in printed for line in cells for cell in line)
    assert len(printed.splitlines()) == 3
