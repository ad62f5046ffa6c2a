"""Hostile texts for readers and parsers: only typed errors may come of them, and no time beyond linear.

`make fuzz` gives each parser a minute; without it they get a short turn. A parser of yours is one more line in the
`PARSERS` of a file beside this one.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""How long each parser is tried; 0: one short turn."""
WORDS = r"""
<think> </think> [THINK] <|channel|> analysis <|message|> <|end|> Answer: ``` ~~~ Question: Query:
\boxed{ \frac{ \text{ { } [ ] ( ) $ $$ \( \[ ^{ _ {,} \, \ " ' : , ; . = <answer> </answer> // /* #
correct 1 1,234 0,85 1/ % e9999 NaN Infinity -1 1e400 null true \ud800 {p1} #1 p1| ab:3; a<b >q
47+83= | \n
"""
MARKS = (
    *WORDS.split(),
    *("<thinking a='b'>", "◁think▷", "**Final Answer**", "#### ", "\n", "\n\n", "```python\n", "> "),
    *("- ", "“", "’", "…", '{"answer": ', '{"parts": [', "the answer is ", "Therefore, "),
    *("because ", "Wait, ", "that is wrong", "no errors ", "not ", "Probability: ", "½", "²", "₂"),
    *("１", "\u202f", "\u00a0", "–", "×10^", "one ", "hundred ", " ", "\ud800", "\x00", "\x1b[31m"),
    *("\u202e", "\ufeff", "\r\n", "\t", "9" * 30, "a" * 30),
)


@dataclass(frozen=True)
class Parser:
    read: Callable[[str], object]
    typed: tuple[type[Exception], ...] = ()
    samples: tuple[str, ...] = field(default=("",))
    """Texts that it reads, to be damaged."""


def damaged(sample: str, edits: list[tuple[float, int, str]]) -> str:
    for where, length, text in edits:
        place = int(where * len(sample))
        sample = sample[:place] + text + sample[place + length :]
    return sample


FRAGMENTS = st.sampled_from(MARKS) | st.text(max_size=4)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), FRAGMENTS), max_size=5)


def only_typed_errors(parser: Parser) -> None:
    texts = st.lists(FRAGMENTS, max_size=24).map("".join) | st.builds(damaged, st.sampled_from(parser.samples), EDITS)
    until, turn = time.monotonic() + SECONDS, 0
    while turn == 0 or time.monotonic() < until:

        @seed(turn)
        @settings(max_examples=1000 if SECONDS else 40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(texts)
        def read(text: str) -> None:
            with contextlib.suppress(*parser.typed):
                parser.read(text)

        read()
        turn += 1


def time_is_linear(parser: Parser) -> None:
    """Every mark again and again; under `make fuzz` four times the text may take at most some times as long."""

    def seconds(text: str) -> float:
        begun = time.process_time()
        with contextlib.suppress(*parser.typed):
            parser.read(text)
        return time.process_time() - begun

    for mark in (*MARKS, *parser.samples):
        if not SECONDS:
            seconds(mark * 50)
            continue
        times = max(1, 20_000 // max(1, len(mark)))
        short, long = seconds(mark * times), seconds(mark * 4 * times)
        assert long < 10 * short + 0.25, f"{mark!r} took {short:.3f} s and then {long:.3f} s"
