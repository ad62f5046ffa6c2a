"""Reading the JSON body of a request: strictly, so that nothing is ignored that was meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, from_json

from .refusal import Refusal

__all__ = ["NotServed", "Strict", "checked", "invalid_value", "json_object", "unsupported"]


class Strict(BaseModel):
    """Fields of a body; one that is not among them is refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


M = TypeVar("M", bound=Strict)
NotServed: TypeAlias = Mapping[str, tuple[tuple[Any, ...], str]]
"""Fields that ask for what is not done here, with the values, beside null, that ask for nothing, and why."""


def json_object(body: bytes) -> dict[str, Any]:
    """The object that a body holds.

    Raises:
        Refusal: it holds none.
    """
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"The body is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(content, dict):
        raise Refusal(400, "The body is not a JSON object.", code="invalid_json")
    return content


def checked(fields: type[M], content: Mapping[str, Any], *, ignored: frozenset[str], not_served: NotServed) -> M:
    """The content as these fields.

    Args:
        fields: what it may hold.
        content: of the body.
        ignored: names that have no effect, whatever their value.
        not_served: names that are refused with a value that asks for something.

    Raises:
        Refusal: a field is not served, missing, unknown, of a wrong type or out of range; the first one is named.
    """
    for name, (silent, reason) in not_served.items():
        if content.get(name) is not None and content[name] not in silent:
            raise unsupported(name, reason)
    left_out = ignored | not_served.keys()
    try:
        return fields.model_validate({name: value for name, value in content.items() if name not in left_out})
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False)[0], content) from None


def invalid_value(param: str, reason: str, code: str = "invalid_value") -> Refusal:
    """A field whose value is none that it may have."""
    return Refusal(400, f"Invalid value for '{param}': {reason}.", code=code, param=param)


def unsupported(param: str, reason: str) -> Refusal:
    """A field that asks for what is not done here."""
    return Refusal(400, f"Unsupported parameter: '{param}' {reason}", code="unsupported_parameter", param=param)


def _invalid(fault: ErrorDetails, content: object) -> Refusal:
    """What a field at fault means."""
    missing = fault["type"] in ("missing", "union_tag_not_found")
    tag = fault.get("ctx", {}).get("discriminator", "").strip("'")  # the field that says which of several is meant
    param = _path((*fault["loc"], *filter(None, [tag])), content, missing=missing)
    if missing:
        return Refusal(400, f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
    if fault["type"] == "extra_forbidden":
        return Refusal(400, f"Unrecognized request argument: '{param}'.", code="unknown_parameter", param=param)
    if fault["type"] == "model_type":
        return invalid_value(param, "an object is needed")
    return invalid_value(param, fault["msg"][:1].lower() + fault["msg"][1:])


def _path(location: Sequence[int | str], content: object, *, missing: bool) -> str:
    """The place of a fault as `messages[0].role`, as far as it is in what was sent, or is what is missing there."""
    path = ""
    for step in location:
        if isinstance(step, int):
            if not isinstance(content, list):
                break
            path += f"[{step}]"
            content = content[step] if step < len(content) else None
        else:
            if not isinstance(content, dict) or (step not in content and not missing):
                break  # a string, or one of the types that a field may have
            path += f".{step}" if path else step
            content = content.get(step)
    return path
