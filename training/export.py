"""Writes a trained network as the weights and the card that the package ships."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apportion.models.card import ModelCard
from apportion.models.pocket.network import Network as Shipped

from .stream import WINDOW, batches
from .train import Trainer

__all__ = ["export"]

WEIGHTS = Path(__file__).parent.parent / "models" / "pocket" / "weights"
_LONGEST_DIRECT_ANSWER = 32
"""Tokens of the values of eight letters, which is the longest answer of all families."""
_TYPICAL_CONTEXT = 64
"""Tokens before the average token of the training mix; the card's weight is computed at it."""


def export(trainer: Trainer, folder: Path = WEIGHTS) -> None:
    """Writes NAME.npz (int8, a step size for each row) and NAME.json (the card)."""
    if trainer.step <= trainer.recipe.steps - trainer.recipe.quantised_steps:
        stream = batches(trainer.recipe, 0, libraries=1)
        trainer.network.calibrate([torch.from_numpy(batch.tokens).to(trainer.device) for batch in next(stream)])
    arrays = _arrays(trainer)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    name = trainer.recipe.name
    content = hashlib.sha256()
    for key in sorted(arrays):
        content.update(key.encode() + arrays[key].tobytes())
    shape = Shipped(arrays).shape
    card = ModelCard(
        name=name,
        kind=trainer.recipe.kind,
        dialect="pocket",
        provider="pocket",
        revision=content.hexdigest()[:12],
        context_tokens=WINDOW,
        max_output_tokens=WINDOW - 1,
        direct_output_tokens=_LONGEST_DIRECT_ANSWER,
        weight=round(shape.flops_per_token(_TYPICAL_CONTEXT) / 1e6, 4),
        output_cap="max_completion_tokens",
        tokenizer="pocket",
        exact_tokenizer=True,
        template_tokens=0,
        message_tokens=0,
        truncation="exact",
        logprobs=True,
        json_schema=True,
        tools=True,
        tools_tokens=0,
        concurrency=64,
        attempts=1,
        parameters=sum(parameter.numel() for parameter in trainer.network.parameters()),
        about=trainer.recipe.purpose,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.npz").write_bytes(packed.getvalue())
    (folder / f"{name}.json").write_text(card.model_dump_json(indent=2) + "\n")


def _arrays(trainer: Trainer) -> dict[str, NDArray[np.generic]]:
    network = trainer.network
    arrays: dict[str, NDArray[np.generic]] = {
        "heads": np.array(trainer.recipe.heads),
        "window": np.array(WINDOW),
        **_rounded("embedding", network.embedding),
    }
    for index, layer in enumerate(network.layers):
        gained = {
            "queries_keys_values": layer.queries_keys_values * layer.attention_gain,
            "out": layer.out,
            "gate_up": layer.gate_up * layer.feed_gain,
            "down": layer.down,
        }
        for name, matrix in gained.items():
            arrays.update(_rounded(f"{index}.{name}", matrix))
        arrays[f"{index}.limits"] = layer.limits.cpu().numpy()
    return arrays


def _rounded(name: str, matrix: Tensor) -> dict[str, NDArray[np.generic]]:
    values = matrix.detach().cpu().numpy()
    step = np.maximum(np.abs(values).max(axis=1), 1e-8).astype(np.float32) / np.float32(127)
    return {name: np.rint(values / step[:, None]).astype(np.int8), f"{name}.step": step}
