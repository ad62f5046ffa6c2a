"""ONNX Runtime on the embedded models' weights, float32, one thread.

The graph uses the runtime's fused attention, which turns queries and keys and appends to a cache in place. That is
faster than a graph of plain operators with the cache as input and output, which copies it in every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from apportion.models.pocket.sampling import choose
from benchmarks.pocket_weights import Floats, Weights

__all__ = ["OnnxRuntime"]

Ints: TypeAlias = NDArray[np.int64]


class OnnxRuntime:
    """A graph for one step, and a loop that chooses tokens as ours does.

    Args:
        weights: as floats.
    """

    name = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, weights: Weights) -> None:
        self._shape = weights.shape
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = _Graph(weights).model().SerializeToString()
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._random = np.random.default_rng(0)

    def write(self, prompts: Sequence[Sequence[int]], length: int, temperature: float) -> list[list[int]]:
        """So many tokens after each prompt; the prompts are of one length."""
        tokens = np.array(prompts, np.int64)
        rows = len(tokens)
        temperatures = np.full(rows, temperature)
        binding, logits = self._bound(rows, tokens.shape[1] + length)
        seen, written = 0, []
        for _ in range(length):
            seen += tokens.shape[1]
            binding.bind_cpu_input("tokens", np.ascontiguousarray(tokens))
            binding.bind_cpu_input("last", np.full(rows, seen - 1, np.int32))
            binding.bind_cpu_input("total", np.array([seen], np.int32))
            self._session.run_with_iobinding(binding)
            chosen = choose(logits.numpy(), temperatures, self._random.random(rows))
            written.append(chosen)
            tokens = chosen[:, None]
        return [list(map(int, row)) for row in np.stack(written, axis=1)]

    def close(self) -> None:
        """Frees the model."""
        del self._session

    def _bound(self, rows: int, length: int) -> tuple[Any, Any]:
        """A binding with a cache that is input and output at once, and where the logits come."""
        shape, binding = self._shape, self._session.io_binding()
        for side in ("keys", "values"):
            for layer in range(shape.layers):
                empty = np.zeros((rows, shape.heads, length, shape.head_width), np.float32)
                kept = onnxruntime.OrtValue.ortvalue_from_numpy(empty)
                binding.bind_ortvalue_input(f"{side}.{layer}.before", kept)
                binding.bind_ortvalue_output(f"{side}.{layer}", kept)
        logits = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((rows, shape.vocabulary), np.float32))
        binding.bind_ortvalue_output("logits", logits)
        return binding, logits


class _Graph:
    """Builds the graph operator by operator."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._constants: list[Any] = []
        self._nodes: list[Any] = []

    def model(self) -> Any:
        """The graph: tokens (rows, steps), the cache and its length to logits (rows, vocabulary) and the cache."""
        shape, weights = self._weights.shape, self._weights
        half = shape.head_width // 2
        angles = np.arange(shape.window)[:, None] * 10000.0 ** (-np.arange(half) / half)
        self._constant("cosine", np.cos(angles).astype(np.float32))
        self._constant("sine", np.sin(angles).astype(np.float32))
        self._constant("gain", np.ones(shape.width, np.float32))
        self._constant("embedding", weights.embedding)
        x = self._node("Gather", ["embedding", "tokens"])
        for index in range(shape.layers):
            x = self._layer(index, x)
        last = self._node("Gather", [x, self._constant("minus one", np.array([-1], np.int64))], axis=1)
        flat = self._node("Squeeze", [last, self._constant("one", np.array([1], np.int64))])
        self._product(self._norm(flat), "head", weights.embedding, "logits")
        return self._closed()

    def _layer(self, index: int, x: str) -> str:
        layer, heads = self._weights.layers[index], self._weights.shape.heads
        projected = self._product(self._norm(x), f"projection.{index}", layer.queries_keys_values)
        mixed = f"mixed.{index}"
        self._nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [
                    projected,
                    "",
                    "",
                    f"keys.{index}.before",
                    f"values.{index}.before",
                    "last",
                    "total",
                    "cosine",
                    "sine",
                ],
                [mixed, f"keys.{index}", f"values.{index}"],
                domain="com.microsoft",
                num_heads=heads,
                kv_num_heads=heads,
                do_rotary=1,
            )
        )
        x = self._node("Add", [x, self._product(mixed, f"out.{index}", layer.out)])
        normed = self._norm(x)
        gate = self._product(normed, f"gate.{index}", layer.gate)
        up = self._product(normed, f"up.{index}", layer.up)
        active = self._node("Mul", [gate, self._node("Sigmoid", [gate])])
        return self._node("Add", [x, self._product(self._node("Mul", [active, up]), f"down.{index}", layer.down)])

    def _closed(self) -> Any:
        shape = self._weights.shape
        floats, cache = TensorProto.FLOAT, ("rows", shape.heads, "room", shape.head_width)
        names = [f"{side}.{layer}" for side in ("keys", "values") for layer in range(shape.layers)]
        inputs = [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, ("rows", "steps")),
            helper.make_tensor_value_info("last", TensorProto.INT32, ("rows",)),
            helper.make_tensor_value_info("total", TensorProto.INT32, (1,)),
            *(helper.make_tensor_value_info(f"{name}.before", floats, cache) for name in names),
        ]
        outputs = [
            helper.make_tensor_value_info("logits", floats, ("rows", shape.vocabulary)),
            *(helper.make_tensor_value_info(name, floats, cache) for name in names),
        ]
        graph = helper.make_graph(self._nodes, "pocket", inputs, outputs, self._constants)
        operators = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=operators, ir_version=10)

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str | None = None, **attributes: object) -> str:
        name = output or f"{operator}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _norm(self, x: str) -> str:
        return self._node("SimplifiedLayerNormalization", [x, "gain"], axis=-1, epsilon=1e-9, stash_type=1)

    def _product(self, x: str, name: str, matrix: Floats, output: str | None = None) -> str:
        return self._node("MatMul", [x, self._constant(name, matrix.T)], output)
