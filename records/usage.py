"""What a call used, and what that amounts to in each unit."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MOST_TOKENS", "NO_USAGE", "ZERO", "Amount", "Usage"]

MOST_TOKENS = 2**31
"""A count as large is a fault, and in the smallest units of weighted tokens it would not fit a database's integers."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one reply, as reported or counted."""

    input_tokens: int
    """Prompt tokens, cached ones included."""
    output_tokens: int
    """Completion tokens, hidden reasoning included."""
    reasoning_tokens: int = 0
    """The part of `output_tokens` that was hidden reasoning."""
    cached_input_tokens: int = 0
    """The part of `input_tokens` that the provider read from its own cache; counted in full."""
    estimated: bool = False
    """True where a part was not reported: a count is its bound, the least that a text can have taken, or a share of a
    joint usage record."""

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity of compute in all three units, as whole numbers so that sums are exact."""

    tokens: int = 0
    """Raw tokens."""
    weighted: int = 0
    """Millionths of a weighted token (the card's weight per token)."""
    usd: int = 0
    """Billionths of a dollar."""

    @property
    def units(self) -> tuple[int, int, int]:
        """All three, in the order of `UNITS`."""
        return self.tokens, self.weighted, self.usd

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.weighted + other.weighted, self.usd + other.usd)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.weighted - other.weighted, self.usd - other.usd)

    def exceeds(self, other: Amount) -> bool:
        """Whether any unit is above the same unit of `other`."""
        return self.tokens > other.tokens or self.weighted > other.weighted or self.usd > other.usd


NO_USAGE = Usage(0, 0)

ZERO = Amount()
