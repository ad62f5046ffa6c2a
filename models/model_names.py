"""The names that endpoints have for one model."""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["is_named", "plain_name"]


def plain_name(name: str) -> str:
    """A name without what endpoints write differently: case, Gemini's prefix, Ollama's tag."""
    return name.strip().casefold().removeprefix("models/").removesuffix(":latest")


def is_named(name: str, listed: str) -> bool:
    """Whether a name stands for a listed one, also with OpenRouter's variants and with wildcards."""
    asked, known = plain_name(name), plain_name(listed)
    return asked == known or asked.partition(":")[0] == known or ("*" in known and fnmatchcase(asked, known))
