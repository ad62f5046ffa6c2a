"""Blotting out keys, tokens and passwords, wherever text is kept or an error is told.

Headers and clients are never stored. What can still carry a secret is what people and models write: the keys of this
process are known by themselves, those of others by the formats of common providers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .text import encodable

__all__ = ["Redaction", "redacted", "tells_of_a_secret"]

_MARK = "[redacted]"
_LEAST_SECRET = 8
_LEAST_WORDS = 16
"""Characters. What is shorter, or of this length without a digit ("ollama", "not-needed", "lm-studio"), guards nothing
and may be a word of any text."""

_BEFORE = r"(?<![A-Za-z0-9]{0})|(?<=\\[bfnrt]{0})|(?<=\\u[0-9a-f]{{4}}{0})|(?<=%[0-9A-F]{{2}}{0})|(?<=[\d;\[]m{0})"
"""What may stand before the beginning of a key: no letter, but for the last one of an escape of JSON, of a URL, or of a
terminal's colours. It is looked at from behind the beginning, so that a pattern starts with plain characters."""
_KEYS = {
    # What follows the beginning.
    "sk-": r"(?!(?:[a-z]{1,15}-)+[a-z]{1,15}(?![\w\-]))[\w\-]{16,}",  # but no words, as in sk-learn-like-pipeline
    "csk-": r"[A-Za-z0-9]{20,}",
    "glpat-": r"[\w\-]{16,}",
    **{f"xox{kind}-": r"[A-Za-z0-9\-]{10,}" for kind in "abeoprs"},
    "xapp-": r"[A-Za-z0-9\-]{10,}",
    "pplx-": r"[A-Za-z0-9]{20,}",
    "tvly-": r"[A-Za-z0-9\-]{20,}",
    "xai-": r"[A-Za-z0-9]{20,}",
    "nvapi-": r"[\w\-]{20,}",
    "pypi-": r"[\w\-]{30,}",
    "sk_live_": r"[A-Za-z0-9]{12,}",
    "sk_test_": r"[A-Za-z0-9]{12,}",
    "rk_live_": r"[A-Za-z0-9]{12,}",
    "rk_test_": r"[A-Za-z0-9]{12,}",
    "whsec_": r"[A-Za-z0-9]{16,}",
    **{f"gh{kind}_": r"[A-Za-z0-9]{30,}" for kind in "pousr"},
    "github_pat_": r"\w{30,}",
    "hf_": r"[A-Za-z0-9]{20,}",
    "gsk_": r"[A-Za-z0-9]{20,}",
    "fw_": r"[A-Za-z0-9]{20,}",
    "tgp_v1_": r"[\w\-]{20,}",
    "lsv2_": r"\w{30,}",
    "r8_": r"[A-Za-z0-9]{20,}",
    "npm_": r"[A-Za-z0-9]{30,}",
    "ya29.": r"[\w\-]{20,}",
    "SG.": r"[\w\-]{16,}\.[\w\-]{16,}",
    "eyJ": r"[\w\-]{10,}\.[\w\-]{10,}\.[\w\-]{5,}",
    "AKIA": r"[A-Z0-9]{16}",
    "ASIA": r"[A-Z0-9]{16}",
    "AIza": r"[\w\-]{30,}",
    "dapi": r"[a-f0-9]{32}",
}
_AFTER_NAME = r"(?:\\*[\"'])?\]?\s*[:=]\s*(?:\\*[\"'])?)(?=[A-Za-z_\-./+]*\d)[A-Za-z0-9_\-./+]{16,}=*"
_NAMES = {
    # What holds a name, and the pattern of the name and the secret after it; the group is kept.
    **{
        name: f"({name}{_AFTER_NAME}"
        for key in ("api{}key", "access{}key", "subscription{}key")
        for sign in "-_ "
        for name in (key.format(sign), key.format(sign).title(), key.format(sign).upper())
    },
    **{name: f"({name}{_AFTER_NAME}" for name in ("apikey", "apiKey", "ApiKey", "APIKEY", "API key", "API-Key")},
    **{
        f"{name}=": rf"([?&][\w\-]*{name}=)(?=[A-Za-z_\-.~%+]*\d)[A-Za-z0-9_\-.~%+]{{12,}}"
        for name in ("key", "token", "secret", "password", "sig")
    },
    "uthorization": r"(uthorization\W{1,16}(?i:bearer|basic|token|key) )[A-Za-z0-9._~+/\-]{8,}=*",
    "orization": r"(orization" + _AFTER_NAME,
    "earer ": r"(earer )(?=[A-Za-z._~+/\-]*\d)[A-Za-z0-9._~+/\-]{16,}=*",
    "://": r"(://)[^\s/\"'\\:@]+:[^\s/\"'\\@]+(?=@)",
    "PRIVATE KEY-": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\")|\Z)",
}


_SIGNS = ("://", "-", "_", "=", ".", "key", "Key", "KEY")


def _patterns() -> tuple[tuple[str, tuple[tuple[str, re.Pattern[str]], ...]], ...]:
    """The patterns by a sign that most texts lack, then by their beginning.

    Both are plain searches; a pattern takes a hundred times as long, and so runs only where there is something to find.
    """
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    keys = {key: rf"{re.escape(key)}(?:{_BEFORE.format(re.escape(key))})(?a:{rest})" for key, rest in _KEYS.items()}
    for beginning, pattern in {**keys, **_NAMES}.items():
        sign = next((sign for sign in _SIGNS if sign in beginning), "")
        found.setdefault(sign, []).append((beginning, re.compile(pattern)))
    return tuple((sign, tuple(patterns)) for sign, patterns in found.items())


_PATTERNS = _patterns()
_TELLING = re.compile(r"key$|token$|authorization$|secret|passw|credential", re.IGNORECASE)
_TELLING_IN_JSON = ('key"', 'token"', 'authorization"', "secret", "passw", "credential")
"""What JSON has, in lower case, where an object has a field of a telling name."""
_VALUE = re.compile(r"(?=[A-Za-z_\-./+]*\d)[A-Za-z0-9_\-./+]{16,}=*")


@dataclass(frozen=True, slots=True)
class Redaction:
    """Blots out secrets: those that it knows, and what looks like one. The same text always comes out alike."""

    secrets: tuple[str, ...] = ()
    """Longest first."""

    def concealing(self, secrets: Iterable[str]) -> Redaction:
        """One that knows these secrets too, also as URLs and JSON write them; short ones are left out."""
        forms = set(self.secrets)
        for secret in secrets:
            digits = any(character.isdigit() for character in secret)
            if len(secret) >= (_LEAST_SECRET if digits else _LEAST_WORDS):
                forms |= {secret, quote(secret, ""), json.dumps(secret)[1:-1]}
        return Redaction(tuple(sorted(forms, key=lambda secret: (-len(secret), secret))))

    def text(self, text: str) -> str:
        """`text` with a mark in place of each secret, and of each half of a surrogate pair, which UTF-8 cannot hold."""
        text = encodable(text)
        if len(text) < _LEAST_SECRET:
            return text
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, _MARK)
        for sign, formats in _PATTERNS:
            if sign in text:
                for beginning, pattern in formats:
                    if beginning in text:
                        text = pattern.sub(_blot, text)
        return text

    def json(self, text: str) -> str:
        """JSON text with the same done to every text in it; what is no JSON is treated as text.

        A key is looked for in the texts themselves, because their JSON has escapes before and within it.
        """
        if not self._suspicious(text):
            return text
        try:
            value = json.loads(text)
            kept = self._value(value)
        except (ValueError, RecursionError):
            return self.text(text)
        return text if kept == value else json.dumps(kept, ensure_ascii=False, separators=(",", ":"))

    def _suspicious(self, text: str) -> bool:
        """Whether the JSON of a text with a secret could look like this; our own encoders escape no letter or digit."""
        if encodable(text) is not text or "\\ud" in text or "\\uD" in text:
            return True
        for sign, formats in _PATTERNS:
            if sign in text:
                for beginning, _ in formats:
                    if beginning in text:
                        return True
        lower = text.lower()
        for name in _TELLING_IN_JSON:
            if name in lower:
                return True
        return any(secret in text for secret in self.secrets)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            self.text(name): _MARK
            if isinstance(each, str) and _TELLING.search(name) and _VALUE.fullmatch(each)
            else self._value(each)
            for name, each in value.items()
        }


def redacted(text: str) -> str:
    """`text` without what looks like a key, a token or a password."""
    return Redaction().text(text)


def tells_of_a_secret(name: str) -> bool:
    """Whether the name of a field or header says that what it holds is a secret."""
    return bool(_TELLING.search(name)) or "cookie" in name.lower()


def _blot(match: re.Match[str]) -> str:
    return "".join(match.groups()) + _MARK
