"""What was learned from data, as immutable values that are written to JSON and read back without loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError

from ...errors import UsageError
from ..arrays import Floats, Ints

__all__ = ["Array", "Fitted", "Indexes", "rounded"]


_MOST = 1e30
"""No score, cost or weight comes near it, and products of several still are numbers."""
_MOST_INDEX = 2**31 - 1


def _array(value: Any) -> Floats:
    array = _listed(value, np.float64)
    if array.size and not np.abs(array).max() <= _MOST:  # also where one is not a number
        raise ValueError(f"its numbers must be finite, and none above {_MOST:g}")
    array.flags.writeable = False
    return array


def _indexes(value: Any) -> Ints:
    array = _listed(value, None)
    if array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() > _MOST_INDEX):
        raise ValueError("its numbers must be whole and not negative")
    array = array.astype(np.intp)
    array.flags.writeable = False
    return array


def _listed(value: Any, kind: type[np.float64] | None) -> NDArray[Any]:
    try:
        array = np.asarray(value, kind)
    except (OverflowError, TypeError, ValueError):
        array = np.empty(())
    if not array.ndim or array.dtype.kind not in "biuf":
        raise ValueError("it must be a list of numbers, or of lists of them that are equally long")
    return array


Array = Annotated[Floats, PlainValidator(_array), PlainSerializer(lambda array: array.tolist(), return_type=list)]
"""A field that holds an array of finite numbers, nested lists in JSON."""

Indexes = Annotated[Ints, PlainValidator(_indexes), PlainSerializer(lambda array: array.tolist(), return_type=list)]
"""A field that holds an array of whole numbers from 0."""


class Fitted(BaseModel):
    """A fitted state. Reading back what `to_json` wrote gives the same numbers to the last digit."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            UsageError: it is not that; the message names the fields.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            wrong = "; ".join(f"field {'.'.join(map(str, e['loc']))!r}: {e['msg']}" for e in error.errors()[:3])
            raise UsageError(f"this is no {cls.__name__}: {wrong}") from None


def rounded(array: Floats, digits: int = 6) -> Floats:
    """The array with so many significant digits, so that it is short in JSON and the same when read back."""
    array = np.asarray(array, np.float64)
    # Through decimal text, because dividing by a power of ten leaves digits that nobody asked for.
    return np.char.mod(f"%.{digits - 1}e", array).astype(np.float64)
