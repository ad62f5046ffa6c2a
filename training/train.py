"""Trains one recipe; stopped and started again, it goes on from its last checkpoint."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .network import Network
from .recipes import Recipe
from .stream import WINDOW, Batch, batches

__all__ = ["Trainer"]

_CHECKPOINT_STEPS = 500
_WARM_UP = 60
_COOL_DOWN = 1000


class Trainer:
    """A network, its optimizers and how far they have come.

    Args:
        recipe: what to train.
        folder: where its checkpoint lies, and the log.
        device: for example "cpu" or "cuda".
        libraries: how many generated worlds the search examples come from.
        compiled: compile the network first, which needs a C++ compiler and a minute or two, and then is about 30 %
            faster; other bits, a model of the same make.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, device: str = "cpu", libraries: int = 60, *, compiled: bool = False
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device
        self.libraries = libraries
        self.network = Network(recipe, WINDOW).to(device)
        if compiled:
            self.network.compile(dynamic=True)
        matrices, others = [], []
        for name, parameter in self.network.named_parameters():
            (matrices if parameter.ndim == 2 and name != "embedding" else others).append(parameter)
        self.optimizers = (
            torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
            torch.optim.Muon(
                matrices,
                lr=recipe.matrix_learning_rate,
                momentum=0.95,
                weight_decay=0.01,
                adjust_lr_fn="original",
            ),
        )
        self.step = 0
        self.seconds = 0.0
        self.tokens = 0
        self.checkpoint = folder / recipe.name / "checkpoint.pt"
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self._load()

    def run(self, until: int | None = None) -> list[float]:
        """Trains to the recipe's last step, or to step `until`.

        Returns:
            The loss of every step taken, in nats per weighted token.
        """
        losses: list[float] = []
        last = self.recipe.steps if until is None else until
        stream = batches(self.recipe, self.step, libraries=self.libraries)
        started = time.monotonic()
        while self.step < last:
            losses.append(self._advance(next(stream)))
            if self.step % _CHECKPOINT_STEPS == 0 or self.step == last:
                self.seconds += time.monotonic() - started
                started = time.monotonic()
                self._save()
                recent = losses[-_CHECKPOINT_STEPS:]
                print(
                    f"{self.recipe.name} step {self.step}/{self.recipe.steps} loss {sum(recent) / len(recent):.4f} "
                    f"tokens {self.tokens / 1e6:.1f}M time {self.seconds:.0f}s",
                    flush=True,
                )
        return losses

    def _advance(self, step_batches: list[Batch]) -> float:
        recipe = self.recipe
        moved = [
            (torch.from_numpy(batch.tokens).to(self.device), torch.from_numpy(batch.weights).to(self.device))
            for batch in step_batches
        ]
        rounded = self.step >= recipe.steps - recipe.quantised_steps
        if self.step == recipe.steps - recipe.quantised_steps:
            self.network.calibrate([tokens for tokens, _ in moved])
        total = float(sum(batch.weights[:, 1:].sum() for batch in step_batches))
        loss_sum = 0.0
        for tokens, weights in moved:
            loss = self._loss(tokens, weights, rounded) / total
            loss.backward()  # type: ignore[no-untyped-call]
            loss_sum += float(loss.detach())
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        rate = learning_rate_share(self.step, recipe.steps)
        for optimizer, base in zip(self.optimizers, (recipe.learning_rate, recipe.matrix_learning_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = base * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += sum(int((batch.tokens != 0).sum()) for batch in step_batches)
        return loss_sum

    def _loss(self, tokens: Tensor, weights: Tensor, rounded: bool) -> Tensor:
        written = weights[:, 1:] > 0
        # The rounded steps are few, so compiling them too would not pay.
        network = self.network.forward if rounded else self.network
        logits = network(tokens[:, :-1], rounded, written)
        losses = functional.cross_entropy(logits, tokens[:, 1:][written], reduction="none")
        return (losses * weights[:, 1:][written]).sum()

    def _save(self) -> None:
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
            "tokens": self.tokens,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds, self.tokens = state["step"], state["seconds"], state["tokens"]


def learning_rate_share(step: int, steps: int) -> float:
    """Warm-up, then constant, and over the last 1,000 steps, or 40 % of a short training, linear down to 1 %.

    A skill that appears late, such as looking things up, does not appear at a low rate.
    """
    if step < _WARM_UP:
        return (step + 1) / _WARM_UP
    return min(1.0, max(0.01, (steps - step) / min(_COOL_DOWN, 0.4 * steps)))
