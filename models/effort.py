"""How hard a model is asked to think: what a card makes of the word for it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .request_fields import canonical, check_request_fields

__all__ = ["Effort", "in_order", "place_of"]

_USUAL = {"none": 0, "off": 0, "minimal": 1, "low": 2, "medium": 3, "high": 4, "xhigh": 5, "max": 6}
"""The words that endpoints have for efforts, with their places."""


class Effort(BaseModel):
    """One effort of a model. Every key beside the two fields is a field of the request, sent as it is written."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    prompt: str = ""
    """Words that are added to the instructions, such as "/no_think"."""
    max_output_tokens: int | None = Field(default=None, gt=0)
    """The most that a reply at this effort may have, hidden reasoning included. Of it and of what the node allows, the
    smaller holds: an effort never raises a cap."""

    @model_validator(mode="after")
    def _leaves_the_rest_of_the_request_alone(self) -> Effort:
        check_request_fields(self.model_extra or {}, "an effort")
        return self

    @cached_property
    def fields(self) -> str:
        """The request fields as canonical JSON; empty where there are none."""
        return canonical(self.model_extra) if self.model_extra else ""


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Efforts from the least to the most: in the usual order where all are usual words, else as they were written."""
    return tuple(sorted(names, key=_USUAL.__getitem__)) if set(names) <= _USUAL.keys() else tuple(names)


def place_of(name: str, names: Collection[str]) -> int:
    """The place of one of a card's efforts on the axis of reasoning depth, from 0."""
    return _USUAL[name] if set(names) <= _USUAL.keys() else 1 + in_order(names).index(name)
