"""Counting tokens with tiktoken, whose ranks (the tokens of an encoding) are files that are not part of it.

tiktoken downloads a missing file on first use, without a time limit. Here nothing is downloaded unless asked for by
name: the cache is looked at first, by the name and hash that tiktoken would use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnknownName, UsageError
from .card import ModelCard

if TYPE_CHECKING:
    import tiktoken

__all__ = [
    "RANKS",
    "ByteBoundsWarning",
    "Ranks",
    "TokenCounter",
    "fetch_ranks",
    "find_ranks",
    "import_ranks",
    "with_tokenizer",
]

_URL = "https://openaipublic.blob.core.windows.net/encodings/"


class ByteBoundsWarning(UserWarning):
    """Prompts are bounded by bytes, 2 to 5 times their tokens, because an encoding's ranks are not at hand."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The file of an encoding, as tiktoken knows it."""

    url: str
    sha256: str

    @property
    def cache_name(self) -> str:
        """Its name in tiktoken's cache: the SHA-1 of its URL."""
        return hashlib.sha1(self.url.encode()).hexdigest()


_CL100K = Ranks(_URL + "cl100k_base.tiktoken", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7")
_O200K = Ranks(_URL + "o200k_base.tiktoken", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d")
_P50K = Ranks(_URL + "p50k_base.tiktoken", "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069")
_R50K = Ranks(_URL + "r50k_base.tiktoken", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930")

RANKS: Mapping[str, Ranks] = {
    "cl100k_base": _CL100K,
    "o200k_base": _O200K,
    "o200k_harmony": _O200K,
    "p50k_base": _P50K,
    "p50k_edit": _P50K,
    "r50k_base": _R50K,
}
"""The file of each encoding, after tiktoken 0.14."""


class TokenCounter:
    """Counts the prompt tokens of messages for a model whose tokenizer is exact.

    Args:
        encoding: the model's encoding.
        template_tokens: what the chat template adds to a prompt.
        message_tokens: what the chat template adds to each message.
    """

    def __init__(self, encoding: tiktoken.Encoding, template_tokens: int, message_tokens: int) -> None:
        self._encoding = encoding
        self._template_tokens = template_tokens
        self._message_tokens = message_tokens

    @classmethod
    def of(cls, card: ModelCard) -> TokenCounter | None:
        """The counter for a card; None where its tokenizer is not exact or is not one of tiktoken's.

        Warns:
            ByteBoundsWarning: the encoding's ranks are not at hand, so there is no counter.
        """
        if not card.exact_tokenizer or card.tokenizer not in RANKS:
            return None
        if find_ranks(card.tokenizer) is None:
            warnings.warn(
                f"model {card.name!r}: the ranks of {card.tokenizer} are not at hand, so its prompts are bounded by "
                f"bytes, 2 to 5 times their tokens; get them with: apportion tokens fetch {card.tokenizer}",
                ByteBoundsWarning,
                stacklevel=2,
            )
            return None
        import tiktoken

        return cls(tiktoken.get_encoding(card.tokenizer), card.template_tokens, card.message_tokens)

    def count(self, texts: Sequence[str]) -> int:
        """Tokens of a prompt of messages with these texts, template included. Special tokens count as plain text."""
        written = sum(len(self._encoding.encode_ordinary(text)) for text in texts)
        return self._template_tokens + len(texts) * self._message_tokens + written


def with_tokenizer(card: ModelCard) -> ModelCard:
    """The card with an exact tokenizer, where it names none, tiktoken knows the model and its ranks are at hand."""
    if card.tokenizer or "exact_tokenizer" in card.model_fields_set:
        return card
    from tiktoken.model import encoding_name_for_model

    try:
        encoding = encoding_name_for_model(card.served_as or card.name)
    except KeyError:
        return card
    if encoding not in RANKS or find_ranks(encoding) is None:
        return card
    return card.model_copy(update={"tokenizer": encoding, "exact_tokenizer": True})


def find_ranks(encoding: str) -> Path | None:
    """The encoding's file in tiktoken's cache, where it is there and whole. Never uses the network.

    Raises:
        UnknownName: there is no such encoding.
    """
    ranks = _ranks(encoding)
    directory = _cache_directory()
    if directory is None:
        return None
    path = directory / ranks.cache_name
    return path if path.is_file() and _sha256(path) == ranks.sha256 else None


def fetch_ranks(encoding: str, *, seconds: float = 120.0) -> Path:
    """Downloads an encoding's file into tiktoken's cache, by tiktoken's own loader.

    Args:
        encoding: its name, such as "o200k_base".
        seconds: the time limit; tiktoken itself has none, so it runs in a process that can be stopped.

    Raises:
        UnknownName: there is no such encoding.
        UsageError: it could not be downloaded in time, or the cache is switched off.
    """
    ranks = _ranks(encoding)
    known = find_ranks(encoding)
    if known is not None:
        return known
    _writable_cache_directory()
    program = f"import tiktoken; tiktoken.get_encoding({encoding!r})"
    try:
        result = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{ranks.url} did not come within {seconds:g} s; {_offline_hint(ranks)}") from None
    path = find_ranks(encoding)
    if path is None:
        lines = result.stderr.strip().splitlines() or ["the loader ended without a word"]
        raise UsageError(f"{ranks.url} cannot be downloaded: {lines[-1][:300]}; {_offline_hint(ranks)}")
    return path


def import_ranks(file: Path) -> tuple[str, ...]:
    """Puts a file of ranks that came by another way into tiktoken's cache.

    Args:
        file: for example cl100k_base.tiktoken, under any name; it is recognised by its hash.

    Returns:
        The encodings that it serves.

    Raises:
        UsageError: the file cannot be read, is no known encoding, or the cache is switched off.
    """
    try:
        digest = _sha256(file)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    encodings = tuple(name for name, ranks in RANKS.items() if ranks.sha256 == digest)
    if not encodings:
        raise UsageError(f"{file}: not the ranks of a known encoding ({', '.join(RANKS)}), or damaged")
    directory = _writable_cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / RANKS[encodings[0]].cache_name
    partial = target.with_suffix(".partial")
    shutil.copyfile(file, partial)
    partial.replace(target)
    return encodings


def _ranks(encoding: str) -> Ranks:
    if encoding not in RANKS:
        raise UnknownName("encoding", encoding, RANKS)
    return RANKS[encoding]


def _cache_directory() -> Path | None:
    """Where tiktoken looks; None where its cache is switched off by an empty variable."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable]) if os.environ[variable] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _writable_cache_directory() -> Path:
    directory = _cache_directory()
    if directory is None:
        raise UsageError(
            "TIKTOKEN_CACHE_DIR or DATA_GYM_CACHE_DIR is empty, which switches the cache off; name a folder"
        )
    return directory


def _offline_hint(ranks: Ranks) -> str:
    return f"on another machine, download it, then: apportion tokens import {ranks.url.rsplit('/', 1)[1]}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
