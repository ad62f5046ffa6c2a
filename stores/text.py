"""The one place through which text goes on its way to the disk: secrets are blotted out, and size is bounded.

Headers and clients are never stored. What can still carry a secret is what people and models write, so the key
formats of common providers are replaced by a marker. The marker keeps JSON valid.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["TEXT_BYTES", "bounded", "redacted"]

TEXT_BYTES = 256 * 1024
"""The most bytes of one text that are kept."""

_WORD = r"(?<![A-Za-z0-9])"
_API_KEY = r"(?:\\*[\"'])?\s*[:=]\s*(?:\\*[\"'])?)[A-Za-z0-9_\-./+]{16,}=*"
_FORMATS = {
    # A character that most texts lack, then what the key begins with: plain searches, so that the patterns, which are
    # a hundred times slower, run only where there is something to find. Groups of a pattern are kept.
    "-": {
        "sk-": _WORD + r"sk-[A-Za-z0-9_\-]{16,}",
        "glpat-": _WORD + r"glpat-[A-Za-z0-9_\-]{16,}",
        "xox": _WORD + r"xox[abeoprs]-[A-Za-z0-9\-]{10,}",
        "xapp-": _WORD + r"xapp-[A-Za-z0-9\-]{10,}",
        "pplx-": _WORD + r"pplx-[A-Za-z0-9]{20,}",
        "xai-": _WORD + r"xai-[A-Za-z0-9]{20,}",
        "nvapi-": _WORD + r"nvapi-[A-Za-z0-9_\-]{20,}",
        "pypi-": _WORD + r"pypi-[A-Za-z0-9_\-]{30,}",
        "PRIVATE KEY-": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\")|\Z)",
        **{name: f"({name}{_API_KEY}" for name in ("api-key", "Api-Key", "API-Key", "API-KEY")},
    },
    "_": {
        "sk_": _WORD + r"sk_(?:live|test)_[A-Za-z0-9]{12,}",
        "rk_": _WORD + r"rk_(?:live|test)_[A-Za-z0-9]{12,}",
        "whsec_": _WORD + r"whsec_[A-Za-z0-9]{16,}",
        "gh": _WORD + r"gh[pousr]_[A-Za-z0-9]{30,}",
        "github_pat_": _WORD + r"github_pat_[A-Za-z0-9_]{30,}",
        "hf_": _WORD + r"hf_[A-Za-z0-9]{20,}",
        "gsk_": _WORD + r"gsk_[A-Za-z0-9]{20,}",
        "r8_": _WORD + r"r8_[A-Za-z0-9]{20,}",
        "npm_": _WORD + r"npm_[A-Za-z0-9]{30,}",
        **{name: f"({name}{_API_KEY}" for name in ("api_key", "API_KEY")},
    },
    ".": {
        "ya29.": _WORD + r"ya29\.[A-Za-z0-9_\-]{20,}",
        "SG.": _WORD + r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
        "eyJ": _WORD + r"eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{5,}",
    },
    "@": {"://": r"(://)[^\s/\"'\\:@]+:[^\s/\"'\\@]+(?=@)"},
    "": {
        "AKIA": _WORD + r"AKIA[A-Z0-9]{16}",
        "ASIA": _WORD + r"ASIA[A-Z0-9]{16}",
        "AIza": _WORD + r"AIza[A-Za-z0-9_\-]{30,}",
        "dapi": _WORD + r"dapi[a-f0-9]{32}",
        "earer ": r"(earer )[A-Za-z0-9._~+/\-]{8,}=*",
        "EARER ": r"(EARER )[A-Za-z0-9._~+/\-]{8,}=*",
        "asic ": r"(uthorization\W{1,16}[Bb]asic )[A-Za-z0-9+/]{8,}=*",
        **{name: f"({name}{_API_KEY}" for name in ("apikey", "apiKey", "APIKEY", "api key", "API key", "ApiKey")},
    },
}
_PATTERNS = tuple(
    (sign, tuple((beginning, re.compile(pattern)) for beginning, pattern in formats.items()))
    for sign, formats in _FORMATS.items()
)


def redacted(text: str) -> str:
    """`text` without what looks like a key, a token or a password, and with only what UTF-8 can hold."""
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    for sign, formats in _PATTERNS:
        if sign in text:
            for beginning, pattern in formats:
                if beginning in text:
                    text = pattern.sub(_blot, text)
    return text


def _blot(match: re.Match[str]) -> str:
    return "".join(match.groups()) + "[redacted]"


def bounded(text: str) -> str:
    """`text`, or its first part and a line with its size and SHA-256 where it is longer than `TEXT_BYTES`."""
    if len(text) * 4 <= TEXT_BYTES:
        return text
    data = text.encode()
    if len(data) <= TEXT_BYTES:
        return text
    marker = f"\n[cut: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"
    return data[: TEXT_BYTES - len(marker)].decode(errors="ignore") + marker
