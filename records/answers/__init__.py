"""What counts as the same answer: one plain text and one normal form for readers, votes and metrics."""

from __future__ import annotations

from .abstention import abstains
from .normal import letter_of, normal_form
from .numbers import Number, last_number, number_of
from .plain import folded, plain

__all__ = ["Number", "abstains", "folded", "last_number", "letter_of", "normal_form", "number_of", "plain"]
