from __future__ import annotations

import math
from typing import Any

import pytest

from apportion.models.replies.logprobs import read_logprobs


def tokens(*logprobs: float, top: list[float] | None = None) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"token": "x", "logprob": logprob} for logprob in logprobs]
    if top is not None:
        content[0]["top_logprobs"] = [{"token": "y", "logprob": logprob} for logprob in top]
    return {"content": content}


def test_logprobs() -> None:
    half = math.log(0.5)
    mean, least, entropy = read_logprobs(tokens(half, 3 * half, top=[half, half]))
    assert mean == pytest.approx(2 * half)
    assert least == 3 * half
    assert entropy == pytest.approx(math.log(2))


def test_the_rest_of_the_probability_counts_as_one_token() -> None:
    _, _, entropy = read_logprobs(tokens(math.log(0.5), top=[math.log(0.5), math.log(0.25)]))
    assert entropy == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))


@pytest.mark.parametrize("logprobs", [tokens(math.nan), tokens(-1.0, math.inf), {"content": []}, {"content": None}, []])
def test_logprobs_that_are_none(logprobs: Any) -> None:
    assert read_logprobs(logprobs) == (None, None, None)
