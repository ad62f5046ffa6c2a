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
_ONE_THREAD = 2**18
"""OpenBLAS computes a product with at most so many multiplications in the calling thread. Larger ones it hands to
threads that spin, which costs these small products many times their work and the user's other threads their cores."""
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

    projection: Floats
    """To queries, keys and values, then to queries and keys turned by a quarter, for the rotary positions."""
    projection_step: Floats
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
        self.kept = np.zeros((shape.layers, rows, 2, shape.heads, shape.window, shape.head_width), np.float32)
        """(layers, rows, keys and values, heads, positions, head width)."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Copies the first positions of a row to another."""
        self.kept[:, target, :, :, :length] = self.kept[:, source, :, :, :length]

    def take(self, row: int, length: int) -> NDArray[np.int8]:
        """The first positions of a row, small enough to be stored."""
        return self.kept[:, row, :, :, :length].astype(np.int8)

    def put(self, row: int, kept: NDArray[np.int8], length: int) -> None:
        """Restores the first positions of what `take` gave."""
        self.kept[:, row, :, :, :length] = kept[:, :, :, :length]


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
        angles = np.tile(angles, 4 * self.shape.heads)
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
        mask = np.where(np.arange(reach) > positions[:, None, :, None], _MASKED, np.float32(0))
        x = self._embedding[tokens.reshape(-1)]
        cosine, sine = self._cosine[positions.reshape(-1)], self._sine[positions.reshape(-1)]
        for layer, kept in zip(self._layers, cache.kept[:, first : first + rows], strict=True):
            queries = self._project(layer, x, cosine, sine, kept, positions)
            x += _attend(layer, queries, kept[:, 0, :, :reach], kept[:, 1, :, :reach], mask)
            x += _feed(layer, x)
        if counts is not None:
            x = x.reshape(rows, steps, -1)[np.arange(rows), counts - 1]
        elif steps > 1:
            x = x.reshape(rows, steps, -1)[:, -1]
        whole, scale = _normalised(x)
        logits = _product(whole, self._head)
        logits *= scale
        logits *= self._head_step
        return logits

    def _project(self, layer: Layer, x: Floats, cosine: Floats, sine: Floats, kept: Floats, positions: Ints) -> Floats:
        """Writes keys and values into the cache; returns the queries, (rows, heads, steps, head width)."""
        rows, steps = positions.shape
        width = self.shape.width
        whole, scale = _normalised(x)
        product = _product(whole, layer.projection)
        product *= scale
        product *= layer.projection_step
        turned = product[:, : 2 * width]
        turned *= cosine
        turned += np.multiply(product[:, 3 * width :], sine)
        projected = product[:, : 3 * width]
        np.rint(projected, out=projected)
        np.minimum(projected, _LEVELS, out=projected)
        np.maximum(projected, -_LEVELS, out=projected)
        by_row = projected.reshape(rows, steps, 3, self.shape.heads, self.shape.head_width)
        kept[np.arange(rows)[:, None], :, :, positions] = by_row[:, :, 1:]
        return by_row[:, :, 0].transpose(0, 2, 1, 3)


def _normalised(x: Floats) -> tuple[Floats, Floats]:
    """RMSNorm: each row in whole numbers up to 127, and the scale that makes its mean square 1.

    The scale comes from the whole numbers themselves, whose sum of squares is exact in any order.
    """
    whole = x * (_LEVELS / _largest(x))
    np.rint(whole, out=whole)
    squares = np.vecdot(whole, whole)[:, None]
    return whole, np.sqrt(np.float32(x.shape[1]) / squares)


def _largest(x: Floats) -> Floats:
    """The largest absolute value of each row, (rows, 1)."""
    return np.maximum.reduce(np.abs(x), axis=1, keepdims=True, initial=_TINY)


def _product(values: Floats, matrix: Floats) -> Floats:
    """A matrix product in the calling thread: in groups of rows, each small enough."""
    rows = max(1, _ONE_THREAD // matrix.size)
    if len(values) <= rows:
        small: Floats = values @ matrix
        return small
    groups = -(-len(values) // rows)
    groups = next((number for number in range(groups, 2 * groups) if len(values) % number == 0), 0)
    if groups:
        stacked = values.reshape(groups, len(values) // groups, values.shape[1]) @ matrix
        return stacked.reshape(len(values), matrix.shape[1])
    product = np.empty((len(values), matrix.shape[1]), np.float32)
    even = len(values) // rows * rows
    grouped = values[:even].reshape(-1, rows, values.shape[1])
    np.matmul(grouped, matrix, out=product[:even].reshape(-1, rows, matrix.shape[1]))
    if even < len(values):
        np.matmul(values[even:], matrix, out=product[even:])
    return product


def _times(values: Floats, matrix: Floats, step: Floats) -> Floats:
    """A matrix product with the rows of `values` rounded to 127 levels each."""
    scale = _LEVELS / _largest(values)
    whole = values * scale
    product = _product(np.rint(whole, out=whole), matrix)
    product *= step
    product /= scale
    return product


def _attend(layer: Layer, queries: Floats, keys: Floats, values: Floats, mask: Floats) -> Floats:
    """(rows, heads, steps, head width) -> (rows * steps, width)."""
    rows, heads, steps, head_width = queries.shape
    span = max(1, _ONE_THREAD // (keys.shape[2] * head_width))
    if steps <= span:
        mixed = _mix(layer, queries, keys, values, mask)
    else:
        parts = [slice(begin, begin + span) for begin in range(0, steps, span)]
        mixed = np.concatenate(
            [_mix(layer, queries[:, :, part], keys, values, mask[:, :, part]) for part in parts], axis=2
        )
    return _times(mixed.transpose(0, 2, 1, 3).reshape(rows * steps, heads * head_width), layer.out, layer.out_step)


def _mix(layer: Layer, queries: Floats, keys: Floats, values: Floats, mask: Floats) -> Floats:
    """Values weighted by how well their keys fit the queries, (rows, heads, steps, head width)."""
    scores: Floats = queries @ keys.swapaxes(-1, -2)
    scores += mask
    below = np.maximum.reduce(scores, axis=-1, keepdims=True) - scores
    below *= layer.score_step
    np.minimum(below, _LAST, out=below)
    weights = _WEIGHTS[below.astype(np.intp)]
    mixed: Floats = weights @ values
    mixed /= np.add.reduce(weights, axis=-1, keepdims=True)
    return mixed


def _feed(layer: Layer, x: Floats) -> Floats:
    whole, scale = _normalised(x)
    product = _product(whole, layer.gate_up)
    product *= scale
    product *= layer.gate_up_step
    hidden = product.shape[1] // 2
    gate = product[:, :hidden] + _GATE_MIDDLE
    np.minimum(gate, _GATE_LAST, out=gate)
    np.maximum(gate, np.float32(0), out=gate)
    gated = _SILU[gate.astype(np.intp)]
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
    source, sign = _quarter_turn(shape)
    projection = np.hstack((queries_keys_values, queries_keys_values[:, source] * sign))
    projection_step = np.concatenate((projected_step * levels, (projected_step * levels)[source]))
    gate_scale = np.repeat([float(_GATE_STEPS), 1.0], shape.hidden)
    score_step = limits[0] * limits[1] / 127**2 / np.sqrt(shape.head_width) * _PER_NAT
    return Layer(
        projection=projection,
        projection_step=projection_step.astype(np.float32),
        out=out,
        out_step=(out_step * (limits[2] / 127)).astype(np.float32),
        gate_up=gate_up,
        gate_up_step=(gate_up_step * gate_scale).astype(np.float32),
        down=down,
        down_step=down_step,
        score_step=np.float32(score_step),
    )


def _quarter_turn(shape: Shape) -> tuple[Ints, Floats]:
    """Where each output of the turned queries and keys comes from, and with which sign: (a, b) becomes (-b, a)."""
    half = shape.head_width // 2
    places = np.arange(2 * shape.width).reshape(-1, 2, half)
    sign = np.ones_like(places, np.float32)
    sign[:, 0] = -1
    return places[:, ::-1].reshape(-1), sign.reshape(-1)
