from __future__ import annotations

import json
import re
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.records.display import json_escaped, markup, visible

any_text = st.text(st.characters() | st.characters(categories=["Cs", "Cc", "Cf"]), max_size=40)
_SHAPING = {"\u200c", "\u200d"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\0", r"\x00"),
        ("safe\u202egpj.exe\u2066", r"safe\u202egpj.exe\u2066"),
        ("pay\u200bpal pay\u200cpal", r"pay\u200bpal pay\u200cpal"),
        ("\ufeffa", r"\ufeffa"),
        ("\U000e0041", r"\U000e0041"),
        ("half \ud83d", r"half \ud83d"),
        ("\ufffe", r"\ufffe"),
        ("first\u2028second", r"first\u2028second"),
        ("over\rwritten", r"over\x0dwritten"),
        ("lines\r\nof\n\ttext", "lines\nof\n\ttext"),
    ],
)
def test_what_is_not_seen_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    ["plain, é, 北京, ไทย, עברית", "👩\u200d👩\u200d👧 ❤\ufe0f 🇩🇪", "می\u200cخواهم", "क\u094d\u200dष", r"C:\x1b\u202e"],
)
def test_what_is_seen_stays(text: str) -> None:
    assert visible(text) is text


@given(any_text)
def test_no_control_character_gets_through(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()
    for character in shown:
        kind = unicodedata.category(character)
        assert kind not in ("Cc", "Cs", "Zl", "Zp") or character in "\n\t"
        assert unicodedata.bidirectional(character) not in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )


@given(any_text)
def test_markup_is_parsed_by_everybody(text: str) -> None:
    root = ElementTree.fromstring(f"<p title='{markup(text)}'>{markup(text)}</p>")
    assert (root.text or "") == visible(text)


@given(st.recursive(any_text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3)))
def test_escaped_json_is_the_same_json(value: object) -> None:
    for indent in (None, 2):
        text = json_escaped(json.dumps(value, ensure_ascii=False, indent=indent))
        assert json.loads(text) == json.loads(json.dumps(value))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
