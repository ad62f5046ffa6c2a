"""What is wrong with the settings of a node, said in one line."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import CoreSchema, core_schema

from ..errors import GraphError, UnknownName

__all__ = ["settings_error", "with_settings_errors"]

_MOST_SHOWN = 80


def with_settings_errors(model: type[BaseModel], schema: CoreSchema) -> CoreSchema:
    """The schema of a class of settings, with `settings_error` raised in place of pydantic's own error."""

    def checked(settings: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(settings)
        except ValidationError as error:
            raise settings_error(model.__name__, error, model.model_fields) from None

    return core_schema.no_info_wrap_validator_function(checked, schema)


def settings_error(name: str, error: ValidationError, known: Collection[str]) -> GraphError:
    """The first setting that does not fit: its name, why, and what was given.

    A setting may have several forms, such as a number and a rule; pydantic tells what is wrong with each. The first is
    the usual one, and the only one that is said.

    Args:
        name: of the kind of node.
        error: of pydantic, for settings given by name.
        known: the names of all settings.
    """
    first = error.errors(include_url=False)[0]
    loc = first["loc"]
    # Behind an item's number come the names of the forms that were tried, which are pydantic's own.
    place = ".".join(str(step) for step in (loc[:2] if len(loc) > 1 and isinstance(loc[1], int) else loc[:1]))
    if first["type"] == "extra_forbidden" and len(loc) == 1:
        return GraphError(f"{name}: {UnknownName('setting', place, known)}")
    said = first["msg"].removeprefix("Value error, ")
    if not place:
        return GraphError(f"{name}: {said}")
    shown = "" if first["type"] == "missing" else f"; it is {first['input']!r:.{_MOST_SHOWN}}"
    return GraphError(f"{name}, field {place!r}: {said}{shown}")
