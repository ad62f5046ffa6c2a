"""The pocket architecture in numpy: Llama-like, 8-bit, and the same bits in every batch.

RMSNorm, rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020), tied embeddings. Float32 products change in the
last bit with batch size and position, so every product here is one of whole numbers that stay below 2^24 in any
order of summation: weights are rounded once per row, activations per token, queries, keys and values to fixed
ranges, attention weights to multiples of 1/255. What remains is arithmetic on single elements, maxima, and sums of
whole numbers; exponentials are looked up in tables. Padding and neighbours therefore cannot change a bit.

A step for a few tokens is made of some sixty calls of numpy per layer, each about as dear as its arithmetic. So they
write into arrays made beforehand, on equal shapes where they can: numpy runs over those in one loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .attention import Attention
from .cache import Cache
from .layer import GATE_RANGE, GATE_STEPS, Layer, Shape, read_layer
from .products import ONE_THREAD, Floats, Matrix, Product
from .workspace import Workspace

__all__ = ["Cache", "Layer", "Network", "Shape"]

Ints: TypeAlias = NDArray[np.intp]

_TINY = np.float32(1e-30)
_MASKED = np.float32(-1e9)
_GATES = np.arange(2 * GATE_RANGE * GATE_STEPS + 1) / GATE_STEPS - GATE_RANGE
_SILU = (_GATES / (1 + np.exp(-_GATES))).astype(np.float32)


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
        self._head_step = arrays["embedding.step"].astype(np.float32)
        self._embedding = embedding * self._head_step[:, None]
        self._head = Matrix(embedding.T)
        self._layers = tuple(read_layer(arrays, index, self.shape) for index in range(layers))
        self._cosine, self._sine = _rotary_tables(self.shape)
        self._positions = np.arange(max(self.shape.window, self.shape.tokens))
        window = self._positions[: self.shape.window]
        self._masks = np.where(window > window[:, None], _MASKED, np.float32(0))
        self._longest = max(1, min(self.shape.tokens, ONE_THREAD // (self.shape.window * self.shape.head_width)))

    def advance(self, cache: Cache, first: int, tokens: Ints, starts: Ints, counts: Ints | None = None) -> Floats:
        """Reads further tokens of the rows from `first` on.

        Args:
            cache: holds what the rows have read so far; is extended.
            first: the first row.
            tokens: (rows, steps), padded at the end.
            starts: (rows,), how many tokens each row has read before.
            counts: (rows,), how many of `tokens` are not padding, at least 1; None means all.

        Returns:
            (rows, vocabulary): the logits behind each row's last token.
        """
        rows, steps = tokens.shape
        if steps == 1 and rows <= self.shape.tokens:
            return self._predict(*self._read(cache, first, tokens, starts, None))
        if counts is None:
            counts = np.full(rows, steps)
        logits = np.empty((rows, self.shape.vocabulary), np.float32)
        # Pieces of rows, so that a piece fits the workspace and its scores are computed in this thread.
        height = self.shape.tokens // min(steps, self._longest)
        for top in range(0, rows, height):
            group = slice(top, min(top + height, rows))
            longest = int(counts[group].max())
            for begin in range(0, longest, self._longest):
                piece = tokens[group, begin : min(begin + self._longest, longest)]
                last = counts[group] - 1 - begin
                ending = (last >= 0) & (last < piece.shape[1])
                wanted = last.clip(0, piece.shape[1] - 1) if ending.any() else None
                x, space = self._read(cache, first + top, piece, starts[group] + begin, wanted)
                if wanted is not None:
                    logits[group][ending] = self._predict(x, space)[ending]
        return logits

    def _read(
        self, cache: Cache, first: int, tokens: Ints, starts: Ints, wanted: Ints | None
    ) -> tuple[Floats, Workspace]:
        """Reads at most `shape.tokens` tokens, at most `_longest` a row.

        Args:
            cache: is extended.
            first: the first row.
            tokens: (rows, steps).
            starts: (rows,).
            wanted: (rows,), the step of each row whose logits are needed; None where none are.

        Returns:
            (rows, width), what the logits are computed from, and the workspace in which.
        """
        shape, (rows, steps) = self.shape, tokens.shape
        space = cache.workspace(rows * steps)
        behind = starts.tolist()
        positions = starts[:, None]
        if steps > 1:  # padding may stand where no token can
            positions = np.minimum(positions + self._positions[:steps], shape.window - 1)
        places = positions.reshape(-1)
        self._cosine.take(places, 0, space.cosine, "clip")
        self._sine.take(places, 0, space.sine, "clip")
        items = (cache.places[first : first + rows] + positions[:, :, None]).reshape(rows * steps, -1)
        reach = min(max(behind) + steps, shape.window)
        mask = None
        if steps > 1 or min(behind) < max(behind):
            mask = self._masks[places, :reach].reshape(rows, 1, steps, reach)
        queries = space.projected.reshape(rows, steps, 3, shape.heads, -1)[:, :, 0].swapaxes(1, 2)
        attention = Attention(space, queries, reach, mask)
        kept = cache.kept[:, first : first + rows, :, :, :reach]
        keys, values = kept[:, :, 0].swapaxes(-1, -2), kept[:, :, 1]
        x = self._embedding.take(tokens.reshape(-1), 0)
        for number, layer in enumerate(self._layers):
            _project(layer, x, space)
            cache.items[number][items] = space.keys_values
            if steps > 1 and number == shape.layers - 1:
                # Of all other tokens, later ones need only the keys and values.
                if wanted is None:
                    break
                x = x.reshape(rows, steps, -1)[self._positions[:rows], wanted]
                space = cache.workspace(rows)
                attention = attention.of_one_step(wanted, space)
            attention.compute(keys[number], values[number], layer.score_step)
            _times(space.mixed, space.whole, space.join, layer.out, layer.out_step, space)
            x += space.change
            _feed(layer, x, space)
            x += space.change
        return x, space

    def _predict(self, x: Floats, space: Workspace) -> Floats:
        """(rows, width) -> (rows, vocabulary)."""
        _normalise(x, space)
        space.predict.compute(self._head)
        space.logits *= space.scale
        return space.logits * self._head_step


def _normalise(x: Floats, space: Workspace) -> None:
    """RMSNorm: each row in whole numbers up to 127, and the scale that makes its mean square 1.

    The scale comes from the whole numbers themselves, whose sum of squares is exact in any order.
    """
    _round(x, space.whole, space)
    np.vecdot(space.whole, space.whole, space.squares_flat)
    np.divide(space.width, space.squares, space.scale)
    np.sqrt(space.scale, space.scale)


def _round(values: Floats, whole: Floats, space: Workspace) -> None:
    """Rounds each row to whole numbers up to 127; the scale becomes what the row was multiplied with."""
    np.abs(values, whole)
    np.maximum.reduce(whole, 1, None, space.scale, keepdims=True, initial=_TINY)
    np.divide(space.levels, space.scale, space.scale)
    np.multiply(values, space.scale, whole)
    np.rint(whole, whole)


def _times(values: Floats, whole: Floats, product: Product, matrix: Matrix, step: Floats, space: Workspace) -> None:
    """A product with each row of `values` rounded, into `change`."""
    _round(values, whole, space)
    product.compute(matrix)
    space.change *= step
    space.change /= space.scale


def _project(layer: Layer, x: Floats, space: Workspace) -> None:
    """Queries, keys and values in whole numbers of their ranges, the first two turned by their positions."""
    _normalise(x, space)
    projected, turned = space.projected, space.turned
    space.project.compute(layer.projection)
    projected *= space.scale
    projected *= layer.projection_step
    space.halves.take(space.exchange, 0, space.turned_halves, "clip")
    projected *= space.cosine
    turned *= space.sine
    projected += turned
    np.rint(projected, projected)
    np.minimum(projected, space.highest, out=projected)
    np.maximum(projected, space.lowest, out=projected)


def _feed(layer: Layer, x: Floats, space: Workspace) -> None:
    """The gated part of a layer, into `change`."""
    _normalise(x, space)
    space.feed.compute(layer.gate_up)
    space.gate_up *= space.scale
    space.gate_up *= layer.gate_up_step
    space.gate_up += space.middle
    np.copyto(space.gate_entries, space.gate, casting="unsafe")
    _SILU.take(space.gate_entries, None, space.gated, "clip")
    space.gated *= space.up
    _times(space.gated, space.whole_hidden, space.reduce, layer.down, layer.down_step, space)


def _rotary_tables(shape: Shape) -> tuple[Floats, Floats]:
    """Cosines and sines, (window, 3 width), for queries and keys and their exchanged halves; values stay as they are.

    The pair (a, b) of a head's halves becomes (a cos - b sin, b cos + a sin).
    """
    half = shape.head_width // 2
    angles = np.arange(shape.window)[:, None] * 10000.0 ** (-np.arange(half) / half)
    cosine = np.zeros((shape.window, 3, shape.heads, 2, half), np.float32)
    sine = np.zeros_like(cosine)
    cosine[:, :2] = np.cos(angles)[:, None, None, None]
    cosine[:, 2] = 1
    sine[:, :2, :, 0] = -np.sin(angles)[:, None, None]
    sine[:, :2, :, 1] = np.sin(angles)[:, None, None]
    return cosine.reshape(shape.window, -1), sine.reshape(shape.window, -1)
