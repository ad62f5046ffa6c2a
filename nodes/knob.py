"""Knobs: settings of a node or an edge that are pinned, or open to the optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

__all__ = [
    "ADDED",
    "ANY_MODEL",
    "MODEL",
    "MOST_TIMES",
    "Adaptive",
    "Choice",
    "Knob",
    "Mark",
    "ModelKnob",
    "Times",
    "adaptive",
    "choose",
    "marked",
    "most",
    "options",
]

T = TypeVar("T")

ANY_MODEL = "*"
"""The value of a `ModelKnob` that is open to every model of the pool; in any other field it is a plain value."""
MOST_TIMES = 10_000
"""The most samples, rounds or passages of one node: what a file asks for beyond it is a mistake, or meant to hurt."""

Times = Annotated[int, Field(ge=1, le=MOST_TIMES)]
"""How often a node does something."""


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """The values of an open knob, in the order in which they were given."""

    values: tuple[T, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("choose() needs at least one value")
        if any(value in self.values[:position] for position, value in enumerate(self.values)):
            raise ValueError(f"choose() got the same value twice: {self.values}")


def choose(*values: T) -> T:
    """Opens a knob: the optimizer picks one of the values. The first is the default.

    The return type is that of the values, so that `Solver(samples=choose(1, 3, 5))` type-checks as a number would.

    Raises:
        ValueError: no value, or the same value twice.
    """
    return cast(T, Choice(values))


def options(value: Any) -> tuple[Any, ...]:
    """The values that a knob may take: those of its choice, or the one that it has."""
    return value.values if isinstance(value, Choice) else (value,)


class Adaptive(BaseModel):
    """A knob value that decides within bounds while the node runs; it is measured like any other value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int = Field(ge=0, le=MOST_TIMES)
    high: int = Field(ge=1, le=MOST_TIMES)

    @model_validator(mode="after")
    def _ordered(self) -> Adaptive:
        if self.low > self.high:
            raise ValueError(f"adaptive({self.low}, {self.high}): the first bound is above the second")
        return self


def adaptive(low: int, high: int) -> Any:
    """At least `low` and at most `high`, as the node's own stop rule says; returns an `Adaptive`.

    Typed as Any so that `choose(1, 3, adaptive(1, 4))` fits a field of type `Knob[int | Adaptive]`.
    """
    return Adaptive(low=low, high=high)


def most(value: int | Adaptive) -> int:
    """The most that a fixed or adaptive count can become."""
    return value.high if isinstance(value, Adaptive) else value


class _KnobSchema:
    """Lets a field take one value of its type or a choice of several."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, inner: Callable[[Any], Any]) -> Any:
            if isinstance(value, dict) and set(value) == {"choose"}:
                if not isinstance(value["choose"], list | tuple):
                    raise ValueError("'choose' must be a list of values")
                value = Choice(tuple(value["choose"]))
            if isinstance(value, Choice):
                return Choice(tuple(inner(option) for option in value.values))
            return inner(value)

        return core_schema.no_info_wrap_validator_function(
            validate,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(_to_json),
        )


def _to_json(value: Any) -> Any:
    if isinstance(value, Choice):
        return {"choose": [_to_json(option) for option in value.values]}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


Knob = Annotated[T, _KnobSchema()]
"""`Knob[int]` is a field that holds an int, or a `Choice` of ints until a plan pins it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Tells the fields of a node apart by their types: `Annotated[int, mark]`."""

    name: str


MODEL = Mark("model")
"""Of knobs that hold a model."""
ADDED = Mark("added")
"""Of fields that a kind got when graphs without them had been stored already, see `Node.canonical`."""

ModelKnob = Annotated[str, _KnobSchema(), MODEL]
"""A knob whose values are models of the pool; `ANY_MODEL` opens it to all of them."""


@cache
def marked(config: type[BaseModel], mark: Mark) -> frozenset[str]:
    """The fields of a class whose type has the mark, also as a part of it such as `ModelKnob | None`."""
    return frozenset(
        name
        for name, about in config.model_fields.items()
        if any(each is mark for each in about.metadata) or _within(about.annotation, mark)
    )


def _within(annotation: Any, mark: Mark) -> bool:
    return any(each is mark or _within(each, mark) for each in get_args(annotation))
