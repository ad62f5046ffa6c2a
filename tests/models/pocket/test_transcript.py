from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apportion.models.pocket.tokenizer import END, encode
from apportion.models.pocket.transcript import Transcript


def shown(text: str, stops: tuple[str, ...]) -> list[str]:
    transcript = Transcript(stops)
    return [*(transcript.add(token) for token in (*encode(text), END)), transcript.finish()]


def test_what_may_become_a_stop_text_is_held_back() -> None:
    assert shown("1=+2", ("=+3",)) == ["1", "", "", "=+2", "", ""]
    assert shown("1=+", ("=+3",)) == ["1", "", "", "", "=+"]
    assert shown("1=+3", ("=+3",)) == ["1", "", "", "", "", ""]


def test_the_end_has_no_text() -> None:
    assert "".join(shown("30", ())) == "30"


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_pieces_together_are_the_text_up_to_the_first_stop(text: str, stops: list[str]) -> None:
    places = [text.find(stop) for stop in stops if stop in text]

    assert "".join(shown(text, tuple(stops))) == text[: min(places, default=len(text))]
