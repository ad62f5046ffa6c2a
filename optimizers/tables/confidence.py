"""How sure an answer is: the probability that it is right, from what its reply shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from ..arrays import Floats
from ..regression import logit, sigmoid

__all__ = ["SIGNS", "Confidence", "signs_of", "standardised"]

SIGNS = ("thinking_tokens", "written_tokens", "confidence")
"""What a reply shows: hidden reasoning, the rest of its output, and the confidence that the arm itself gives."""
_EDGE = 1e-3
"""An arm that says that it is quite sure is taken to be as sure as that."""
_MOST = 3.0
"""Standard deviations: beyond them a reply is as unusual as can be."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """Platt scaling (1999) with more than one input: a logistic regression on the signs of one arm's answers.

    Signs are standardised; one that nobody knows counts as usual. Families have offsets, 0 where they are not known.
    Fitted by `fit_confidences`; a stage of a cascade carries it.
    """

    bias: float
    centres: tuple[float, float, float]
    """Of `SIGNS`, as `signs_of` has them: their means where it was fitted."""
    scales: tuple[float, float, float]
    """Their standard deviations; above 0."""
    weights: tuple[float, float, float]
    """0 where a sign was not known, or told nothing."""
    families: tuple[tuple[str, float], ...] = ()
    """Offsets by family."""

    def __post_init__(self) -> None:
        numbers = (self.bias, *self.centres, *self.scales, *self.weights, *(offset for _, offset in self.families))
        if not all(map(isfinite, numbers)) or min(self.scales) <= 0:
            raise ValueError("a confidence's numbers must be finite, and its scales above 0")

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields of a table that it needs."""
        known = [name for name, weight in zip(SIGNS, self.weights, strict=True) if weight]
        fields = {"thinking_tokens": "thinking_tokens", "written_tokens": "output_tokens", "confidence": "confidences"}
        return tuple(fields[name] for name in known)

    def of(self, signs: Floats, families: Sequence[str]) -> Floats:
        """How sure answers are.

        Args:
            signs: (3, questions, ...), see `signs_of`.
            families: (questions,): of the questions.

        Returns:
            (questions, ...), in (0, 1).
        """
        known = dict(self.families)
        offsets = np.array([known.get(family, 0.0) for family in families])
        logits = np.broadcast_to((self.bias + offsets).reshape(-1, *[1] * (signs.ndim - 2)), signs.shape[1:])
        for sign, centre, scale, weight in zip(signs, self.centres, self.scales, self.weights, strict=True):
            logits = logits + weight * standardised(sign, centre, scale)
        return sigmoid(logits)


def signs_of(thinking_tokens: Floats, output_tokens: Floats, confidence: Floats) -> Floats:
    """The signs of replies as regressions take them: logarithms of tokens, the logit of the confidence.

    Args:
        thinking_tokens: of any shape; NaN where nobody knows, in all three.
        output_tokens: likewise, thinking included.
        confidence: likewise, in [0, 1]; -inf too is not known.

    Returns:
        (3, ...): NaN where a sign is not known.
    """
    written = output_tokens - np.where(np.isnan(thinking_tokens), 0.0, thinking_tokens)
    told = np.where(np.isfinite(confidence), confidence, np.nan)
    return np.stack([_log(thinking_tokens), _log(written), logit(told, _EDGE)])


def standardised(sign: Floats, centre: float, scale: float) -> Floats:
    """In standard deviations from the usual, at most three; 0 where it is not known."""
    return np.nan_to_num(np.clip((sign - centre) / scale, -_MOST, _MOST))


def _log(tokens: Floats) -> Floats:
    return np.asarray(np.log1p(np.maximum(tokens, 0.0)))
