"""Log-probabilities of a completion."""

from __future__ import annotations

import math

__all__ = ["read_logprobs"]


def read_logprobs(content: object) -> tuple[float | None, float | None, float | None]:
    """Mean and least log-probability of the tokens, and entropy of the first token's distribution, in nats.

    Endpoints return only the likeliest few tokens; what is left of the probability counts as one more token, so the
    entropy is a lower bound.

    Args:
        content: the field `logprobs` of a choice.
    """
    tokens = content.get("content") if isinstance(content, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None, None, None
    logprobs = [_logprob(token) for token in tokens]
    known = [logprob for logprob in logprobs if logprob is not None]
    if len(known) < len(logprobs):
        return None, None, None
    top = tokens[0].get("top_logprobs")
    first = [_logprob(token) for token in top] if isinstance(top, list) else []
    shares = [math.exp(logprob) for logprob in first if logprob is not None]
    if not shares or len(shares) < len(first):
        return math.fsum(known) / len(known), min(known), None
    shares.append(max(0.0, 1.0 - math.fsum(shares)))
    entropy = -math.fsum(share * math.log(share) for share in shares if share > 0.0)
    return math.fsum(known) / len(known), min(known), max(0.0, entropy)


def _logprob(token: object) -> float | None:
    """A log-probability; None where it is not a finite number, and never above 0."""
    value = token.get("logprob") if isinstance(token, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(0.0, float(value))
