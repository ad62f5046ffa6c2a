"""Choosing tokens: draws that depend on the request, the sample and the position, never on the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws", "choose", "log_probabilities", "uniform_draws"]

Draws: TypeAlias = NDArray[np.float64]
"""One number in [0, 1) for each position of a reply."""

_WHOLE = float(2**40)
"""Probabilities are summed as whole multiples of 2^-40, so that the order of the sum does not matter."""


def uniform_draws(model: str, tokens: Sequence[int], seed: int, sample: int, count: int, *, source: str = "") -> Draws:
    """The draws of a reply: SHAKE-128 of what was asked, read 8 bytes a position.

    A longer output cap reads further in the same stream, so a capped reply is the beginning of an uncapped one.

    Args:
        model: the model's name.
        tokens: the prompt.
        seed: the request's seed.
        sample: the request's sample index.
        count: how many positions.
        source: the node that draws.
    """
    content = f"{model}\x1f{seed}\x1f{sample}\x1f{source}".encode() + np.asarray(tokens, np.int32).tobytes()
    stream = hashlib.shake_128(content).digest(8 * count)
    return (np.frombuffer(stream, "<u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53


def choose(
    logits: NDArray[np.float32],
    temperatures: NDArray[np.float64],
    draws: Draws,
    top_p: NDArray[np.float64] | None = None,
) -> NDArray[np.intp]:
    """A token for each row: the likeliest at temperature 0, else by inversion of the distribution.

    Args:
        logits: (rows, vocabulary).
        temperatures: (rows,).
        draws: (rows,), in [0, 1).
        top_p: (rows,), in [0, 1]: the share of the probability, at the row's temperature, that the tokens to choose
            among have at least together (nucleus sampling, Holtzman et al. 2020); None means 1, all tokens.
    """
    warm = temperatures > 0
    all_warm = bool(warm.all())
    if not all_warm and not warm.any():
        likeliest: NDArray[np.intp] = logits.argmax(axis=1)
        return likeliest
    above = logits.astype(np.float64)
    above -= above.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # at a temperature of almost 0 only the likeliest has any weight
        above /= (temperatures if all_warm else np.where(warm, temperatures, 1.0))[:, None]
    weights = np.exp(above, out=above)
    weights *= _WHOLE
    np.rint(weights, out=weights)
    cumulative = (weights if top_p is None else _nucleus(weights, top_p)).cumsum(axis=1)
    # The first token whose sum passes the draw. There is one: a draw is below 1, and so is its share of the whole.
    sampled: NDArray[np.intp] = (cumulative > (draws * cumulative[:, -1])[:, None]).argmax(axis=1)
    return sampled if all_warm else np.where(warm, sampled, logits.argmax(axis=1))


def _nucleus(weights: NDArray[np.float64], top_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights without those of the least likely tokens; of equals, the first in the vocabulary stays."""
    order = np.argsort(-weights, axis=1, kind="stable")
    ranked = np.take_along_axis(weights, order, axis=1)
    before = ranked.cumsum(axis=1) - ranked
    kept = before < top_p[:, None] * weights.sum(axis=1, keepdims=True)
    kept[:, 0] = True
    nucleus = np.empty_like(weights)
    np.put_along_axis(nucleus, order, np.where(kept, ranked, 0.0), axis=1)
    return nucleus


def log_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """(rows, vocabulary) -> natural logarithms of the probabilities at temperature 1."""
    above: NDArray[np.float64] = logits.astype(np.float64)
    above -= above.max(axis=1, keepdims=True)
    total = np.rint(np.exp(above) * _WHOLE).sum(axis=1, keepdims=True)
    above -= np.log(total / _WHOLE)
    return above
