from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apportion.models.pocket.numerals import Bounds


def all_texts(bounds: Bounds) -> set[str]:
    """Every way to write every number, without zeros before it."""
    texts = set()
    for value in range(bounds.low, bounds.high + 1):
        whole, rest = divmod(abs(value), 10**bounds.places)
        part = f"{rest:0{bounds.places}d}" if bounds.places else ""
        for places in range(bounds.places + 1):
            if not part[places:].strip("0"):
                texts.add(("-" if value < 0 else "") + str(whole) + (f".{part[:places]}" if places else ""))
    return texts


@given(st.integers(-1200, 1200), st.integers(0, 150), st.integers(0, 2))
def test_every_beginning_of_a_number_and_no_other_text_goes_on(low: int, more: int, places: int) -> None:
    bounds = Bounds(low, low + more, places)
    texts = all_texts(bounds)
    beginnings = {text[:end] for text in texts for end in range(len(text) + 1)}
    for begun in beginnings:
        assert bounds.missing(begun) == min(len(text) - len(begun) for text in texts if text.startswith(begun))
        assert bounds.whole(begun) == (begun in texts)
        following = {text[len(begun)] for text in beginnings if len(text) == len(begun) + 1 and text.startswith(begun)}
        assert set(bounds.further(begun)) == following


def test_what_is_no_number_of_them_leads_nowhere() -> None:
    for text in ("00", "01", "-0", "7", "1.", "+1", "-", "10"):
        assert Bounds(0, 5).missing(text) is None
    assert Bounds(0, 5, 1).missing("0.") == 1
