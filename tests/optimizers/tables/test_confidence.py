from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from apportion.optimizers.tables.confidence import Confidence, signs_of
from apportion.optimizers.tables.table import Stage

USUAL = Confidence(
    bias=0.5, centres=(5.0, 3.0, 0.0), scales=(1.0, 1.0, 1.0), weights=(-1.0, 0.5, 1.0), families=(("sums", 1.0),)
)


def sure(thinking: float, output: float, own: float, family: str = "", confidence: Confidence = USUAL) -> float:
    signs = signs_of(*(np.array([each]) for each in (thinking, output, own)))
    return float(confidence.of(signs, [family])[0])


def test_long_thinking_makes_less_sure_and_families_differ() -> None:
    assert sure(50, 60, 0.5) > sure(500, 510, 0.5)
    assert sure(50, 60, 0.9) > sure(50, 60, 0.1)
    assert sure(50, 60, 0.5, "sums") > sure(50, 60, 0.5, "words") == sure(50, 60, 0.5)


@given(st.floats(), st.floats(), st.floats())
def test_whatever_a_reply_shows_it_is_a_probability(thinking: float, output: float, own: float) -> None:
    """Also of tokens that are not known, huge or negative, and of confidences beyond 0 and 1."""
    assert 0 < sure(thinking, output, own) < 1


def test_what_is_not_known_counts_as_usual() -> None:
    usual = 1 / (1 + np.exp(-0.5))
    assert sure(np.nan, np.nan, np.nan) == pytest.approx(usual)
    assert sure(np.nan, np.nan, -np.inf) == pytest.approx(usual)


def test_it_is_read_back_from_a_policy_file_and_old_files_have_none() -> None:
    stage = Stage("a", 0.5, confidence=USUAL)
    reads = TypeAdapter(Stage)
    assert reads.validate_json(json.dumps(asdict(stage))) == stage
    assert reads.validate_python({"arm": "a", "sure": 0.5}).confidence is None
    for wrong in ({"bias": float("nan")}, {"scales": (1.0, 0.0, 1.0)}, {"weights": (1.0,)}, {"centres": "many"}):
        with pytest.raises(ValidationError, match=r"confidence|finite|scales|weights|centres"):
            reads.validate_python({"arm": "a", "confidence": asdict(USUAL) | wrong})


def test_it_says_which_columns_it_needs() -> None:
    assert USUAL.reads == ("thinking_tokens", "output_tokens", "confidences")
    assert Confidence(0.0, (0.0,) * 3, (1.0,) * 3, (0.0, 0.0, 0.0)).reads == ()
