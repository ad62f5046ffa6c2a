"""Weights for comparing runtimes: those shipped, or random ones of a given shape, as floats for other runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from apportion.models.pocket.network import Network, Shape
from apportion.models.pocket.tokenizer import END

__all__ = ["Arrays", "Layer", "Weights", "endless", "random_arrays", "shipped_arrays"]

Arrays: TypeAlias = dict[str, NDArray[np.generic]]
Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A layer's matrices, (outputs, inputs)."""

    queries_keys_values: Floats
    out: Floats
    gate: Floats
    up: Floats
    down: Floats


@dataclass(frozen=True)
class Weights:
    """What a runtime without our rounding needs."""

    shape: Shape
    embedding: Floats
    """(vocabulary, width); also the last matrix."""
    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Weights:
        """The floats that the whole numbers of `Network` stand for."""

        def matrix(name: str) -> Floats:
            return arrays[name].astype(np.float32) * arrays[f"{name}.step"].astype(np.float32)[:, None]

        shape = Network(arrays).shape
        layers = []
        for index in range(shape.layers):
            gate, up = np.split(matrix(f"{index}.gate_up"), 2)
            layers.append(
                Layer(
                    queries_keys_values=matrix(f"{index}.queries_keys_values"),
                    out=matrix(f"{index}.out"),
                    gate=gate,
                    up=up,
                    down=matrix(f"{index}.down"),
                )
            )
        return cls(shape, matrix("embedding"), tuple(layers))

    def count(self) -> int:
        """The number of weights."""
        layers = (matrix for layer in self.layers for matrix in vars(layer).values())
        return self.embedding.size + sum(matrix.size for matrix in layers)


def shipped_arrays(name: str) -> Arrays:
    """The weights of a shipped model."""
    with (files("apportion.models.pocket.weights") / f"{name}.npz").open("rb") as stream, np.load(stream) as arrays:
        return dict(arrays)


def random_arrays(shape: Shape, seed: int) -> Arrays:
    """Weights of a shape; the size of their steps keeps queries, keys and values within their ranges."""
    rng = np.random.default_rng(seed)
    made: Arrays = {"heads": np.array(shape.heads), "window": np.array(shape.window)}

    def matrix(name: str, outputs: int, inputs: int) -> None:
        made[name] = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
        made[f"{name}.step"] = np.full(outputs, 1.2 / 127 / inputs**0.5, np.float32)

    matrix("embedding", shape.vocabulary, shape.width)
    made["embedding.step"] = made["embedding.step"] * np.float32(4)
    for index in range(shape.layers):
        matrix(f"{index}.queries_keys_values", 3 * shape.width, shape.width)
        matrix(f"{index}.out", shape.width, shape.width)
        matrix(f"{index}.gate_up", 2 * shape.hidden, shape.width)
        matrix(f"{index}.down", shape.width, shape.hidden)
        made[f"{index}.limits"] = np.array([3.0, 3.0, 3.0], np.float32)
    return made


def endless(arrays: Arrays) -> Arrays:
    """The same weights with an end token that is next to never chosen, so that all replies have the length asked."""
    embedding = arrays["embedding"].copy()
    embedding[END] = 0
    return {**arrays, "embedding": embedding}
