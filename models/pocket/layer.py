"""The sizes and the weights of a pocket network, as its arithmetic needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .products import Floats, Matrix

__all__ = ["GATE_RANGE", "GATE_STEPS", "LEVELS", "PER_NAT", "Layer", "Shape", "read_layer"]

_NUMBERS = 2**15
"""Numbers in the rows that advance together."""
LEVELS = 127.0
"""The largest whole number of rounded values."""
PER_NAT = 64
"""Entries per nat in the table of attention weights."""
GATE_RANGE = 16
"""The table of the gate's SiLU runs from minus this to this."""
GATE_STEPS = 64
"""Entries per unit in the table of the gate's SiLU."""


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

    @property
    def tokens(self) -> int:
        """The most tokens that advance together; of more, one group follows the other, so that they fit the caches."""
        return max(16, _NUMBERS // self.width)

    def flops_per_token(self, context: int) -> int:
        """Multiplications and additions in the matrix products of one token with so many tokens before it."""
        layer = 4 * self.width * self.width + 3 * self.width * self.hidden + 2 * self.width * context
        return 2 * (self.layers * layer + self.width * self.vocabulary)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's matrices, (inputs, outputs), and the size of the steps of their outputs."""

    projection: Matrix
    """To queries, keys and values."""
    projection_step: Floats
    """Scaled so that the outputs come in steps of their fixed ranges."""
    out: Matrix
    out_step: Floats
    gate_up: Matrix
    gate_up_step: Floats
    """Scaled so that the gate comes in steps of its table."""
    down: Matrix
    down_step: Floats
    score_step: np.float32
    """From a product of whole queries and keys to entries of the table of weights."""


def read_layer(arrays: Mapping[str, NDArray[np.generic]], index: int, shape: Shape) -> Layer:
    """A layer of the weights that `Network` takes."""

    def matrix(name: str) -> tuple[Matrix, Floats]:
        whole = arrays[f"{index}.{name}"].T.astype(np.float32)
        return Matrix(whole), arrays[f"{index}.{name}.step"].astype(np.float32)

    limits = arrays[f"{index}.limits"].astype(np.float64)
    projection, projection_step = matrix("queries_keys_values")
    out, out_step = matrix("out")
    gate_up, gate_up_step = matrix("gate_up")
    down, down_step = matrix("down")
    gate_scale = np.repeat([float(GATE_STEPS), 1.0], shape.hidden)
    score_step = limits[0] * limits[1] / LEVELS**2 / np.sqrt(shape.head_width) * PER_NAT
    return Layer(
        projection=projection,
        projection_step=(projection_step * np.repeat(LEVELS / limits, shape.width)).astype(np.float32),
        out=out,
        out_step=(out_step * (limits[2] / LEVELS)).astype(np.float32),
        gate_up=gate_up,
        gate_up_step=(gate_up_step * gate_scale).astype(np.float32),
        down=down,
        down_step=down_step,
        score_step=np.float32(score_step),
    )
