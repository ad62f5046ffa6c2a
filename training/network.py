"""The pocket architecture in torch, in full precision and with the rounding of the shipped weights.

Llama-like (Touvron et al. 2023): RMSNorm, rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020), tied embeddings.
The rounding is that of `apportion.models.pocket.network`, passed straight through by the gradient (Bengio et al. 2013).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from apportion.models.pocket.tokenizer import PIECES

from .recipes import Recipe

__all__ = ["Network"]

_PROBABILITY_STEPS = 255
_LEVELS = 127


def _through(exact: Tensor, rounded: Tensor) -> Tensor:
    """The rounded value with the gradient of the exact one."""
    return exact + (rounded - exact).detach()


def _round_rows(matrix: Tensor) -> Tensor:
    """To 127 levels per row."""
    step = matrix.detach().abs().amax(-1, keepdim=True).clamp_min(1e-8) / _LEVELS
    return _through(matrix, torch.round(matrix / step) * step)


def _round_range(values: Tensor, limit: Tensor) -> Tensor:
    """To 127 levels between -limit and limit."""
    step = limit / _LEVELS
    clipped = torch.clamp(values, -limit, limit)
    return _through(clipped, torch.round(clipped / step) * step)


def _normalised(x: Tensor, rounded: bool) -> Tensor:
    """RMSNorm without gain; rounded: to 127 levels per token, which then also give the mean square."""
    exact = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-8)
    if not rounded:
        return exact
    levels = torch.round(x.detach() * (_LEVELS / x.detach().abs().amax(-1, keepdim=True).clamp_min(1e-8)))
    return _through(exact, levels * torch.rsqrt(levels.square().mean(-1, keepdim=True).clamp_min(1e-8)))


class Layer(nn.Module):
    """Attention and feed-forward."""

    limits: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        width, hidden = recipe.width, recipe.hidden
        self.heads = recipe.heads
        self.attention_gain = nn.Parameter(torch.ones(width))
        self.feed_gain = nn.Parameter(torch.ones(width))
        self.queries_keys_values = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.out = nn.Parameter(torch.randn(width, width) * width**-0.5 / 2)
        self.gate_up = nn.Parameter(torch.randn(2 * hidden, width) * width**-0.5)
        self.down = nn.Parameter(torch.randn(width, hidden) * hidden**-0.5 / 2)
        self.register_buffer("limits", torch.zeros(3))
        self.calibrating = False

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, rounded: bool) -> Tensor:
        """(examples, length, width) -> the same."""
        x = x + self._attend(_normalised(x, rounded), cosine, sine, rounded)
        gate_up = self._gained(self.gate_up, self.feed_gain, rounded)
        gate, up = (_normalised(x, rounded) @ gate_up.T).chunk(2, -1)
        hidden = functional.silu(gate) * up
        if rounded:
            hidden = _round_rows(hidden)
        return x + hidden @ (_round_rows(self.down) if rounded else self.down).T

    def _gained(self, matrix: Tensor, gain: Tensor, rounded: bool) -> Tensor:
        return _round_rows(matrix * gain) if rounded else matrix * gain

    def _attend(self, x: Tensor, cosine: Tensor, sine: Tensor, rounded: bool) -> Tensor:
        examples, length, width = x.shape
        projected = x @ self._gained(self.queries_keys_values, self.attention_gain, rounded).T
        split = projected.view(examples, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        queries, keys, values = _rotated(split[0], cosine, sine), _rotated(split[1], cosine, sine), split[2]
        if self.calibrating:
            largest = torch.stack([t.detach().abs().amax() for t in (queries, keys, values)])
            self.limits.copy_(torch.maximum(self.limits, largest))
        if not rounded:
            mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
            return mixed.transpose(1, 2).reshape(examples, length, width) @ self.out.T
        queries, keys, values = (
            _round_range(t, limit) for t, limit in zip((queries, keys, values), self.limits, strict=True)
        )
        scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
        weights = torch.exp(scores - scores.detach().amax(-1, keepdim=True)) * _PROBABILITY_STEPS
        weights = _through(weights, torch.round(weights))
        mixed = weights @ values / weights.sum(-1, keepdim=True)
        return _round_rows(mixed.transpose(1, 2).reshape(examples, length, width)) @ _round_rows(self.out).T


def _rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), -1)


class Network(nn.Module):
    """Tokens to logits.

    Args:
        recipe: the shape.
        window: the longest sequence.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, recipe: Recipe, window: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(len(PIECES), recipe.width) * recipe.width**-0.5)
        self.layers = nn.ModuleList(Layer(recipe) for _ in range(recipe.layers))
        half = recipe.width // recipe.heads // 2
        angles = torch.arange(window, dtype=torch.float64)[:, None] * 10000.0 ** (
            -torch.arange(half, dtype=torch.float64) / half
        )
        self.register_buffer("cosine", angles.cos().float(), persistent=False)
        self.register_buffer("sine", angles.sin().float(), persistent=False)

    def forward(self, tokens: Tensor, rounded: bool = False, wanted: Tensor | None = None) -> Tensor:
        """(examples, length) -> logits (examples, length, vocabulary), or (number wanted, vocabulary).

        Args:
            tokens: the sequences.
            rounded: whether to round as the shipped weights do.
            wanted: (examples, length), true where logits are needed.
        """
        length = tokens.shape[1]
        embedding = _round_rows(self.embedding) if rounded else self.embedding
        x = functional.embedding(tokens, embedding)
        for layer in self.layers:
            x = layer(x, self.cosine[:length], self.sine[:length], rounded)
        return _normalised(x if wanted is None else x[wanted], rounded) @ embedding.T

    def calibrate(self, batches: list[Tensor]) -> None:
        """Sets the ranges of queries, keys and values to what these batches reach."""
        for layer in self.layers:
            layer.calibrating = True
        with torch.no_grad():
            for tokens in batches:
                self(tokens)
        for layer in self.layers:
            layer.calibrating = False
