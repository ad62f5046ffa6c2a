"""The arrays that tables, policies and searches calculate with; their docstrings say the shapes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Ints"]

Floats = NDArray[np.float64]
"""Scores, costs, shares."""
Ints = NDArray[np.intp]
"""Numbers of questions, arms, folds."""
Bools = NDArray[np.bool_]
"""Whether each of them is meant."""
