"""Words of scripts that put no spaces between them, for a full-text index that takes words to stand between spaces.

A run of such letters is taken apart into overlapping pairs, as Lucene's analyser does for Chinese, Japanese and Korean;
Thai, Lao, Burmese and Khmer are treated alike. Korean has spaces, but writes particles together with the word.
"""

from __future__ import annotations

import re
from unicodedata import category, normalize

__all__ = ["MARKS", "paired", "query_terms"]

_ALPHABETS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ebe\u0ec0-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\uaa60-\uaa76\uaa7a-\uaa7f"  # Burmese
    "\u1780-\u17d3\u17d7\u17dc\u17dd"  # Khmer
)
_LETTERS = (
    _ALPHABETS + "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese syllables
    "\u3105-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uffa0-\uffdc"  # Korean
)
_RUN = re.compile(f"[{_LETTERS}]+")
_WORD = re.compile(rf"[{_LETTERS}]+|(?:(?![{_LETTERS}])\w)+")
MARKS = "".join(
    chr(code)
    for code in (*range(0x0E00, 0x1100), *range(0x1780, 0x1800), *range(0x3099, 0x309B), *range(0xAA60, 0xAA80))
    if category(chr(code))[0] == "M" and _RUN.match(chr(code))
)
"""The vowel signs and tone marks among these letters, which an index must be told to take for parts of words."""


def paired(text: str) -> str:
    """`text` with every run of such letters as its pairs, one word each; the last letter stands alone at their end.

    All other text stays as it is.
    """
    return _RUN.sub(lambda run: f" {' '.join(_pairs(run[0]))} ", text)


def query_terms(query: str) -> list[str]:
    """The words of a query in the language of SQLite's FTS5, each once; any text is a query.

    Each is quoted, so that no text of a model is ever read as an operator. A letter alone matches any pair that begins
    with it, and so every place where it stands.
    """
    found: dict[str, None] = {}
    for word in _WORD.findall(query):
        if not _RUN.match(word):
            found[f'"{word}"'] = None
            continue
        *pairs, last = _pairs(word)
        found.update(dict.fromkeys([f'"{pair}"' for pair in pairs] or [f'"{last}" *']))
    return list(found)


def _pairs(run: str) -> list[str]:
    letters = normalize("NFKC", run)  # half-width letters, and letters that are written as several
    return [letters[start : start + 2] for start in range(len(letters))]
