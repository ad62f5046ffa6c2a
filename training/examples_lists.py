"""Training examples of reading lists: codes, stock, and counting."""

from __future__ import annotations

import random

from apportion.nodes.prompts.base import Ask, Style
from apportion.tasks.families.counting import Letters, draw_letters
from apportion.tasks.families.extraction import Records, draw_records
from apportion.tasks.families.stock import Stock, draw_stock

from .examples import DIALECT, Example, chain_draft, chain_think, of_share, reply, sooner

__all__ = [
    "count_think",
    "draw_count",
    "draw_solved_records",
    "draw_solved_stock",
    "records_think",
    "stock_draft",
    "stock_think",
]

_LONGEST_LIST = 160
"""With the trace, more letters would not fit the window."""


def records_think(records: Records) -> str:
    """`lato 12k, kemo 47b|12k/47b`: the records that are asked for, then the answer."""
    looked_up = ", ".join(f"{name} {code}" for name, code in zip(records.asked, records.found, strict=True))
    return f"{looked_up}|{records.answer}"


def draw_solved_records(rng: random.Random, style: Style) -> Example:
    """Records and the codes that are asked for; there is no draft."""
    asked = sooner(rng, 1, 6)
    records = of_share(lambda: draw_records(rng, asked), lambda records: records.text)
    text = records_think(records) if style is Style.THINK else records.answer
    return reply(DIALECT.solve(Ask(records.text), style), text)


def stock_think(stock: Stock, names: tuple[str, ...]) -> str:
    """`kemo 47 lato 12 47+12=59`: what the list says, then the sum step by step; of one name the first part only."""
    looked_up = " ".join(f"{name} {stock.entries[name]:02d}" for name in names)
    return looked_up if len(names) == 1 else f"{looked_up} {chain_think(stock.sum_of(names))}"


def stock_draft(stock: Stock, names: tuple[str, ...]) -> str:
    """`47 12 30 59 89`: the numbers, then the sum after the second and each further one."""
    numbers = [f"{stock.entries[name]:02d}" for name in names]
    return " ".join((*numbers, chain_draft(stock.sum_of(names))) if len(names) > 1 else numbers)


def draw_solved_stock(rng: random.Random, style: Style) -> Example:
    """A list and a sum of some of its numbers."""
    stock = of_share(lambda: draw_stock(rng), lambda stock: stock.text)
    names = stock.draw_names(rng, sooner(rng, 1, 5))
    text = {
        Style.DIRECT: f"{stock.sum_of(names).value:02d}",
        Style.DRAFT: stock_draft(stock, names),
        Style.THINK: stock_think(stock, names),
    }[style]
    return reply(DIALECT.solve(Ask(stock.question(names), passages=(stock.text,)), style), text)


def count_think(letters: Letters) -> str:
    """`01 02 03`: a number at each occurrence; `00` where there is none."""
    return " ".join(f"{number % 100:02d}" for number in range(1, letters.count + 1)) or "00"


def draw_count(rng: random.Random, style: Style) -> Example:
    """A list of letters and how many of them are the one asked for; there is no draft.

    Half the lists have a length of the family's dial, the others any length, as slices of a longer list do.
    """
    length = 10 * 2 ** sooner(rng, 0, 4) if rng.random() < 0.5 else sooner(rng, 1, _LONGEST_LIST)
    letters = of_share(lambda: draw_letters(rng, length), lambda letters: letters.text)
    text = count_think(letters) if style is Style.THINK else f"{letters.count % 100:02d}"
    return reply(DIALECT.solve(Ask(letters.text), style), text)
