"""The arrays in which tokens advance, made once: fresh memory for every step would cost more than the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layer import GATE_RANGE, GATE_STEPS, LEVELS, Shape
from .products import Product

__all__ = ["Workspace", "new_workspace"]


class Workspace:
    """Arrays with a row for each token, and the products between them.

    Args:
        shape: of the network.
        arrays: by name, with a row for each token.
    """

    def __init__(self, shape: Shape, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._shape = shape
        self._arrays = arrays
        heads, half = shape.heads, shape.head_width // 2
        self.whole = arrays["whole"]
        """(tokens, width): whole numbers that go into a product."""
        self.whole_hidden = arrays["whole_hidden"]
        """(tokens, hidden)."""
        self.scale = arrays["scale"]
        """(tokens, 1): what a product of the whole numbers is multiplied with or divided by."""
        self.squares = arrays["squares"]
        """(tokens, 1)."""
        self.squares_flat = self.squares[:, 0]
        self.projected = arrays["projected"]
        """(tokens, 3 width): queries, keys and values."""
        self.turned = arrays["turned"]
        """The same with the halves of each head exchanged."""
        self.halves = self.projected.view(f"V{4 * half}").reshape(-1)
        """The halves of each head as single items, which numpy copies far faster than their numbers one by one."""
        self.turned_halves = self.turned.view(f"V{4 * half}").reshape(-1)
        self.exchange = arrays["exchange"].reshape(-1)
        """Where each of the turned halves comes from."""
        self.keys_values = self.projected.view(f"V{4 * shape.head_width}")[:, heads:]
        """(tokens, 2 heads): each head's keys, then values, as single items."""
        self.cosine = arrays["cosine"]
        """(tokens, 3 width), 1 for values."""
        self.sine = arrays["sine"]
        """(tokens, 3 width), with the signs of the turned halves, 0 for values."""
        self.highest = arrays["highest"]
        """(tokens, 3 width): 127. Equal shapes are the fast case of numpy's minimum and maximum."""
        self.lowest = arrays["lowest"]
        self.levels = arrays["levels"]
        """(tokens, 1): 127."""
        self.width = arrays["width"]
        """(tokens, 1): the width."""
        self.scores = arrays["scores"].reshape(-1)
        """Room for scores of each head and position."""
        self.ones = np.ones(shape.window, np.float32)
        """(window,), for sums of weights."""
        self.entries = arrays["entries"].reshape(-1)
        """Room for places in the table of attention weights."""
        self.mixed = arrays["mixed"]
        """(tokens, width): values weighted by how well their keys fit."""
        self.gate_up = arrays["gate_up"]
        """(tokens, 2 hidden)."""
        self.gate = self.gate_up[:, : shape.hidden]
        self.up = self.gate_up[:, shape.hidden :]
        self.middle = arrays["middle"]
        """(tokens, 2 hidden): where the table of SiLU has its zero, for the gate; 0 for the rest."""
        self.gate_entries = arrays["gate_entries"]
        """(tokens, hidden): places in the table of SiLU."""
        self.gated = arrays["gated"]
        """(tokens, hidden)."""
        self.change = arrays["change"]
        """(tokens, width): what a layer adds."""
        self.logits = arrays["logits"]
        """(tokens, vocabulary)."""
        self.project = Product(self.whole, self.projected)
        self.join = Product(self.whole, self.change)
        self.feed = Product(self.whole, self.gate_up)
        self.reduce = Product(self.whole_hidden, self.change)
        self.predict = Product(self.whole, self.logits)

    def first(self, tokens: int) -> Workspace:
        """The same memory for fewer tokens."""
        return Workspace(self._shape, {name: array[:tokens] for name, array in self._arrays.items()})


def new_workspace(shape: Shape) -> Workspace:
    """A workspace for as many tokens as may advance together."""
    width, hidden, scores = shape.width, shape.hidden, shape.heads * shape.window
    columns = {
        "whole": width,
        "whole_hidden": hidden,
        "scale": 1,
        "squares": 1,
        "projected": 3 * width,
        "turned": 3 * width,
        "cosine": 3 * width,
        "sine": 3 * width,
        "scores": scores,
        "mixed": width,
        "gate_up": 2 * hidden,
        "gated": hidden,
        "change": width,
        "logits": shape.vocabulary,
    }
    halves = np.arange(shape.tokens * 3 * shape.heads * 2)
    middle = np.repeat(np.array([GATE_RANGE * GATE_STEPS + 0.5, 0], np.float32), hidden)
    arrays: dict[str, NDArray[Any]] = {
        **{name: np.empty((shape.tokens, number), np.float32) for name, number in columns.items()},
        "exchange": halves.reshape(-1, 2)[:, ::-1].reshape(shape.tokens, -1),
        "entries": np.empty((shape.tokens, scores), np.intp),
        "gate_entries": np.empty((shape.tokens, hidden), np.intp),
        "highest": np.full((shape.tokens, 3 * width), LEVELS, np.float32),
        "lowest": np.full((shape.tokens, 3 * width), -LEVELS, np.float32),
        "levels": np.full((shape.tokens, 1), LEVELS, np.float32),
        "width": np.full((shape.tokens, 1), width, np.float32),
        "middle": np.tile(middle, (shape.tokens, 1)),
    }
    return Workspace(shape, arrays)
