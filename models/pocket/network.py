"""The pocket architecture in numpy: Llama-like, 8-bit, and the same bits in every batch.

RMSNorm, rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020), tied embeddings. Float32 products change in the
last bit with batch size and position, so every product here is one of whole numbers that stay below 2^24 in any
order of summation: weights are rounded once per row, activations per token, queries, keys and values to fixed
ranges, attention weights to multiples of 1/255. What remains is arithmetic on single elements, maxima, and sums of
whole numbers; exponentials are looked up in tables. Padding and neighbours therefore cannot change a bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cache", "Layer", "Network", "Shape"]

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.intp]

_LEVELS = np.float32(127)
_TINY = np.float32(1e-30)
_MASKED = np.float32(-1e9)
_PER_NAT = 64
"""Entries per nat in the table of attention weights; it ends where a weight rounds to 0."""
_WEIGHTS = np.rint(255 * np.exp(-np.arange(7 * _PER_NAT + 1) / _PER_NAT)).astype(np.float32)
_LAST = np.float32(len(_WEIGHTS) - 1)
_GATE_RANGE = 16
_GATE_STEPS = 64
"""Entries per unit in the table of the gate's SiLU, which runs from -16 to 16."""
_GATES = np.arange(2 * _GATE_RANGE * _GATE_STEPS + 1) / _GATE_STEPS - _GATE_RANGE
_SILU = (_GATES / (1 + np.exp(-_GATES))).astype(np.float32)
_GATE_MIDDLE = np.float32(_GATE_RANGE * _GATE_STEPS + 0.5)
_GATE_LAST = np.float32(len(_SILU) - 1)


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a network."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    window: int
    """The longest sequence."""

    @property
    def head_width(self) -> int:
        """The part of the width that one head sees."""
        return self.width // self.heads

    def flops_per_token(self, context: int) -> int:
        """Multiplications and additions in the matrix products of one token with so many tokens before it."""
        layer = 4 * self.width * self.width + 3 * self.width * self.hidden + 2 * self.width * context
        return 2 * (self.layers * layer + self.width * self.vocabulary)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's matrices as (inputs, outputs), whole numbers in float32, and the size of their steps."""

    queries_keys_values: Floats
    queries_keys_values_step: Floats
    """Scaled so that the outputs come in steps of their fixed ranges."""
    out: Floats
    out_step: Floats
    gate_up: Floats
    gate_up_step: Floats
    """Scaled so that the gate comes in steps of its table."""
    down: Floats
    down_step: Floats
    score_step: np.float32
    """From a product of whole queries and keys to entries of the table of weights."""


class Cache:
    """Keys and values of sequences side by side; a row is a sequence.

    Args:
        shape: of the network.
        rows: the most sequences at once.
    """

    def __init__(self, shape: Shape, rows: int) -> None:
        size = (shape.layers, rows, shape.heads, shape.window, shape.head_width)
        self.keys = np.zeros(size, np.float32)
        self.values = np.zeros(size, np.float32)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copies the first positions of a row to another."""
        self.keys[:, target, :, :length] = self.keys[:, source, :, :length]
        self.values[:, target, :, :length] = self.values[:, source, :, :length]

    def take(self, row: int, length: int) -> NDArray[np.int8]:
        """The first positions of a row, small enough to be kept: (2, layers, heads, length, head width)."""
        kept = np.empty((2, *self.keys[:, row, :, :length].shape), np.int8)
        kept[0] = self.keys[:, row, :, :length]
        kept[1] = self.values[:, row, :, :length]
        return kept

    def put(self, row: int, kept: NDArray[np.int8], length: int) -> None:
        """Restores the first positions of what `take` gave."""
        self.keys[:, row, :, :length] = kept[0, :, :, :length]
        self.values[:, row, :, :length] = kept[1, :, :, :length]


class Network:
    """Tokens to logits, over rows of a cache.

    Args:
        arrays: `embedding` (vocabulary, width), and for each layer i `i.queries_keys_values` (3 width, width),
            `i.out`, `i.gate_up` (2 hidden, width) and `i.down`, int8, each with `.step`, the size of a row's steps;
            `i.limits`, the ranges of queries, keys and values; `heads`; `window`.
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        embedding = arrays["embedding"].astype(np.float32)
        layers = sum(name.endswith(".limits") for name in arrays)
        self.shape = Shape(
            vocabulary=embedding.shape[0],
            width=embedding.shape[1],
            layers=layers,
            heads=int(arrays["heads"]),
            hidden=arrays["0.down"].shape[1],
            window=int(arrays["window"]),
        )
        self._head = np.ascontiguousarray(embedding.T)
        self._head_step = arrays["embedding.step"].astype(np.float32)
        self._embedding = embedding * self._head_step[:, None]
        self._layers = tuple(_read_layer(arrays, index, self.shape) for index in range(layers))
        half = self.shape.head_width // 2
        angles = np.arange(self.shape.window)[:, None] * 10000.0 ** (-np.arange(half) / half)
        self._cosine = np.cos(angles).astype(np.float32)
        self._sine = np.sin(angles).astype(np.float32)

    def advance(self, cache: Cache, first: int, tokens: Ints, starts: Ints, counts: Ints | None = None) -> Floats:
        """Reads further tokens of the rows from `first` on.

        Args:
            cache: holds what the rows have read so far; is extended.
            first: the first row.
            tokens: (rows, steps), padded at the end.
            starts: (rows,), how many tokens each row has read before.
            counts: (rows,), how many of `tokens` are not padding; None means all.

        Returns:
            (rows, vocabulary): the logits behind each row's last token.
        """
        rows, steps = tokens.shape
        positions = np.minimum(starts[:, None] + np.arange(steps), self.shape.window - 1)
        reach = int(positions.max()) + 1
        masked = np.arange(reach) > positions[:, None, :, None]
        x = self._embedding[tokens.reshape(-1)]
        cosine = self._cosine[positions.reshape(-1), None]
        sine = self._sine[positions.reshape(-1), None]
        for index, layer in enumerate(self._layers):
            keys, values = cache.keys[index, first : first + rows], cache.values[index, first : first + rows]
            queries = self._project(layer, x, cosine, sine, keys, values, positions)
            x += _attend(layer, queries, keys[:, :, :reach], values[:, :, :reach], masked)
            x += _feed(layer, x)
        if counts is not None:
            x = x.reshape(rows, steps, -1)[np.arange(rows), counts - 1]
        elif steps > 1:
            x = x.reshape(rows, steps, -1)[:, -1]
        whole, scale = _normalised(x)
        logits: Floats = whole @ self._head
        logits *= scale
        logits *= self._head_step
        return logits

    def _project(
        self, layer: Layer, x: Floats, cosine: Floats, sine: Floats, keys: Floats, values: Floats, positions: Ints
    ) -> Floats:
        """Writes keys and values into the cache; returns the queries, (rows, heads, steps, head width)."""
        rows, steps = positions.shape
        heads, head_width = self.shape.heads, self.shape.head_width
        half = head_width // 2
        whole, scale = _normalised(x)
        projected: Floats = whole @ layer.queries_keys_values
        projected *= scale
        projected *= layer.queries_keys_values_step
        split = projected.reshape(rows * steps, 3 * heads, head_width)
        turned = split[:, : 2 * heads]
        left, right = turned[..., :half], turned[..., half:]
        new_left = left * cosine
        new_left -= right * sine
        new_right = left * sine
        new_right += right * cosine
        turned[..., :half] = new_left
        turned[..., half:] = new_right
        np.rint(projected, out=projected)
        np.minimum(projected, _LEVELS, out=projected)
        np.maximum(projected, -_LEVELS, out=projected)
        by_row = projected.reshape(rows, steps, 3, heads, head_width)
        row = np.arange(rows)[:, None]
        keys[row, :, positions] = by_row[:, :, 1]
        values[row, :, positions] = by_row[:, :, 2]
        return by_row[:, :, 0].transpose(0, 2, 1, 3)


def _normalised(x: Floats) -> tuple[Floats, Floats]:
    """RMSNorm: each row in whole numbers up to 127, and the scale that makes its mean square 1.

    The scale comes from the whole numbers themselves, whose sum of squares is exact in any order.
    """
    largest = np.maximum(np.abs(x).max(axis=1, keepdims=True), _TINY)
    whole = np.rint(x * (_LEVELS / largest))
    squares = np.einsum("ij,ij->i", whole, whole)[:, None]
    return whole, np.sqrt(np.float32(x.shape[1]) / np.maximum(squares, np.float32(1)))


def _times(values: Floats, matrix: Floats, step: Floats) -> Floats:
    """A matrix product with the rows of `values` rounded to 127 levels each."""
    largest = np.maximum(np.abs(values).max(axis=1, keepdims=True), _TINY)
    product: Floats = np.rint(values * (_LEVELS / largest)) @ matrix
    product *= largest / _LEVELS
    product *= step
    return product


def _attend(layer: Layer, queries: Floats, keys: Floats, values: Floats, masked: NDArray[np.bool_]) -> Floats:
    """(rows, heads, steps, head width) -> (rows * steps, width)."""
    rows, heads, steps, head_width = queries.shape
    scores = queries @ keys.swapaxes(-1, -2)
    np.copyto(scores, _MASKED, where=masked)
    below = scores.max(axis=-1, keepdims=True) - scores
    below *= layer.score_step
    np.minimum(below, _LAST, out=below)
    weights = _WEIGHTS.take(below.astype(np.intp))
    mixed: Floats = weights @ values
    mixed /= weights.sum(axis=-1, keepdims=True)
    return _times(mixed.transpose(0, 2, 1, 3).reshape(rows * steps, heads * head_width), layer.out, layer.out_step)


def _feed(layer: Layer, x: Floats) -> Floats:
    whole, scale = _normalised(x)
    product: Floats = whole @ layer.gate_up
    product *= scale
    product *= layer.gate_up_step
    hidden = product.shape[1] // 2
    gate = product[:, :hidden] + _GATE_MIDDLE
    np.minimum(gate, _GATE_LAST, out=gate)
    np.maximum(gate, np.float32(0), out=gate)
    gated = _SILU.take(gate.astype(np.intp))
    gated *= product[:, hidden:]
    return _times(gated, layer.down, layer.down_step)


def _read_layer(arrays: Mapping[str, NDArray[np.generic]], index: int, shape: Shape) -> Layer:
    def matrix(name: str) -> tuple[Floats, Floats]:
        whole = np.ascontiguousarray(arrays[f"{index}.{name}"].T.astype(np.float32))
        return whole, arrays[f"{index}.{name}.step"].astype(np.float32)

    limits = arrays[f"{index}.limits"].astype(np.float64)
    queries_keys_values, projected_step = matrix("queries_keys_values")
    out, out_step = matrix("out")
    gate_up, gate_up_step = matrix("gate_up")
    down, down_step = matrix("down")
    levels = np.repeat(127 / limits, shape.width)
    gate_scale = np.repeat([float(_GATE_STEPS), 1.0], shape.hidden)
    score_step = limits[0] * limits[1] / 127**2 / np.sqrt(shape.head_width) * _PER_NAT
    return Layer(
        queries_keys_values=queries_keys_values,
        queries_keys_values_step=(projected_step * levels).astype(np.float32),
        out=out,
        out_step=(out_step * (limits[2] / 127)).astype(np.float32),
        gate_up=gate_up,
        gate_up_step=(gate_up_step * gate_scale).astype(np.float32),
        down=down,
        down_step=down_step,
        score_step=np.float32(score_step),
    )
