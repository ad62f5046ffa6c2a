"""What a node's answer is: a line, a text, a program, a number, one of some options, or JSON by a schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias, cast, get_args
from urllib.parse import unquote

from ..errors import GraphError
from .answers import normal_form

__all__ = ["JsonOutput", "JsonVote", "OneOf", "Output", "OutputName", "canonical_json", "output_from", "output_json"]

OutputName: TypeAlias = Literal["line", "text", "code", "number"]
JsonVote: TypeAlias = Literal["whole", "fields"]
_NAMES = get_args(OutputName)
_MOST_OPTIONS = 256
_SAFE_INTEGER = 2.0**53
"""Below it every whole float is the integer that it looks like."""
_TYPES = "array, boolean, integer, null, number, object, string"
_SCALARS = {"string": "line", "number": "number", "integer": "number", "boolean": "line", "null": "line"}
"""Types of a value that is no object and no list, with the output to take in place of JSON."""
_SAYS = frozenset(
    ("type", "properties", "items", "prefixItems", "$ref", "anyOf", "oneOf", "allOf", "required", "enum", "const")
)
"""Of these a schema has at least one; an object without any is most likely an example and no schema."""
_BY_NAME = frozenset(("properties", "$defs", "definitions", "dependentSchemas"))
"""Fields of a schema that hold schemas by name."""
_VALUES = frozenset(("enum", "const", "default", "examples", "example"))
"""Fields of a schema that hold values, which are no schemas whatever they look like."""


@dataclass(frozen=True, init=False)
class OneOf:
    """The answer is one of these options; `OneOf("yes", "no", "unknown")`.

    Args:
        options: at least two, each one line, no two of them the same answer (see `normal_form`).

    Raises:
        GraphError: they are none.
    """

    options: tuple[str, ...]

    def __init__(self, *options: str) -> None:
        if len(options) == 1 and isinstance(options[0], list | tuple):
            raise GraphError('OneOf takes the options one by one, not as a list; write OneOf("A", "B")')
        object.__setattr__(self, "options", options)
        if not 2 <= len(options) <= _MOST_OPTIONS:
            raise GraphError(f"OneOf needs 2 to {_MOST_OPTIONS} options, not {len(options)}; give each as a text")
        forms: dict[str, str] = {}
        for option in options:
            if not isinstance(option, str) or not option.strip() or option != option.strip() or "\n" in option:
                raise GraphError(f"OneOf: {option!r} must be a text on one line without white space around it")
            form = normal_form(option)
            if form in forms:
                raise GraphError(f"OneOf: {forms[form]!r} and {option!r} count as the same answer; rename one of them")
            forms[form] = option


@dataclass(frozen=True, init=False)
class JsonOutput:
    """The answer is JSON that keeps to a schema; the parsed value is `Message.data` and `Result.data`.

    Args:
        schema: a JSON schema for an object or a list, or a type that pydantic can make one of, such as a model class.
            Only the schema is kept, so that a graph file needs no import; validators of a class do not run.
        vote: among several samples, "whole" counts answers that are the same JSON; "fields" takes the majority of
            every field.

    Raises:
        GraphError: it is no schema, or one that refers to other files, does not end, or is of a bare number or text.
    """

    schema: str
    """As canonical JSON."""
    vote: JsonVote

    def __init__(self, schema: Mapping[str, Any] | type[Any], vote: JsonVote = "whole") -> None:
        if vote not in get_args(JsonVote):
            raise GraphError(f'JsonOutput: vote must be "whole" or "fields", not {vote!r}')
        given = schema if isinstance(schema, Mapping) else _schema_of(schema)
        try:
            text = canonical_json(given)
        except (TypeError, ValueError, RecursionError) as error:
            raise GraphError(f"JsonOutput: the schema cannot be written as JSON: {error}") from None
        _check_schema(text)
        object.__setattr__(self, "schema", text)
        object.__setattr__(self, "vote", vote)

    @property
    def name(self) -> str:
        """The schema's title, for messages."""
        title = json.loads(self.schema).get("title")
        return title if isinstance(title, str) else "the schema"


Output: TypeAlias = OutputName | OneOf | JsonOutput


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, whole numbers without a point (as RFC 8785 has it).

    Raises:
        TypeError: it is no JSON value.
        ValueError: it holds a number that JSON has no text for, or itself.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def output_from(value: Any) -> Output:
    """An output from what a user or a graph file says.

    Raises:
        GraphError: it is none; the message says what there is.
    """
    if isinstance(value, OneOf | JsonOutput):
        return value
    if isinstance(value, str) and value in _NAMES:
        return cast(OutputName, value)
    if isinstance(value, Mapping):
        fields = dict(value)
        if set(fields) == {"one_of"} and isinstance(fields["one_of"], list | tuple):
            return OneOf(*fields["one_of"])
        if "json" in fields and set(fields) <= {"json", "vote"} and isinstance(fields["json"], Mapping):
            return JsonOutput(fields["json"], fields.get("vote", "whole"))
    names = ", ".join(f'"{name}"' for name in _NAMES)
    hint = "; wrap a schema or a class as JsonOutput(...)" if isinstance(value, Mapping | type) else ""
    raise GraphError(f'output must be one of {names}, OneOf("A", "B") or JsonOutput(schema), not {value!r}{hint}')


def output_json(output: Output) -> Any:
    """An output as a graph file holds it."""
    if isinstance(output, OneOf):
        return {"one_of": list(output.options)}
    if isinstance(output, JsonOutput):
        schema = json.loads(output.schema)
        return {"json": schema} if output.vote == "whole" else {"json": schema, "vote": output.vote}
    return output


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("the fields of an object must have texts for names")
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < _SAFE_INTEGER
        return int(value) if whole else float(value)
    return value


def _schema_of(given: Any) -> Any:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    if not isinstance(given, type):
        raise GraphError(f"JsonOutput: {given!r} is neither a JSON schema nor a class; give one of the two")
    try:
        return TypeAdapter(given).json_schema()
    except PydanticUserError as error:
        reason = str(error).partition("\n")[0]
        raise GraphError(f"JsonOutput: pydantic makes no JSON schema of {given.__name__}: {reason}") from None


@lru_cache(maxsize=64)
def _check_schema(text: str) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    schema = json.loads(text)
    if not _SAYS & set(schema):
        raise GraphError(
            f"JsonOutput: {text[:80]} is no JSON schema: it has none of 'type', 'properties', '$ref', 'anyOf' and the "
            'like; write {"type": "object", "properties": {...}, "required": [...]}'
        )
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        # The type of a schema is the one place where draft 2020-12 says "anyOf", and its message names none of them.
        typed = error.validator == "anyOf" and error.json_path.endswith(".type")
        wrong = f"{error.instance!r} is none of {_TYPES}" if typed else error.message
        raise GraphError(f"JsonOutput: the schema is none: {error.json_path}: {wrong[:200]}; mend it there") from None
    if isinstance(schema.get("type"), str) and schema["type"] in _SCALARS:
        instead = _SCALARS[schema["type"]]
        raise GraphError(
            f"JsonOutput: the schema is of a bare {schema['type']}; take output={instead!r}, or describe an object"
        )
    for part in _schemas(schema):
        _check_part(part, schema)


def _schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """A schema and all within it."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            yield part
            for name, value in part.items():
                if name in _BY_NAME and isinstance(value, dict):
                    waiting += value.values()
                elif name not in _VALUES:
                    waiting.append(value)


def _check_part(part: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    import regex

    for name in ("$ref", "$dynamicRef"):
        target = part.get(name)
        if isinstance(target, str) and not _leads_on(target, schema):
            raise GraphError(
                f"JsonOutput: {name} {target!r} leads nowhere in the schema; write all of it in one piece, with what "
                "is referred to under '$defs'"
            )
    if isinstance(part.get("patternProperties"), dict):
        raise GraphError("JsonOutput: patternProperties is not supported; name the fields under 'properties'")
    if part is not schema and isinstance(part.get("$id"), str):
        # References below it would start from there, and so lead elsewhere than was looked at.
        raise GraphError("JsonOutput: $id within a schema is not supported; leave it out, or keep it at the top")
    pattern = part.get("pattern")
    if isinstance(pattern, str):
        try:
            regex.compile(pattern)
        except (regex.error, OverflowError, RecursionError) as error:
            raise GraphError(f"JsonOutput: the pattern {pattern[:80]!r} of the schema is none: {error}") from None


def _leads_on(target: str, schema: Any) -> bool:
    """Whether a reference leads to a schema within this one, and not into a value or a table of schemas.

    What it leads to is then among `_schemas`, and was looked at like all others.
    """
    if not target.startswith("#/"):
        return target == "#"
    names = False
    for step in unquote(target[2:]).split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list) and not names and name.isdigit() and int(name) < len(schema):
            schema = schema[int(name)]
        elif isinstance(schema, dict) and name in schema and (names or name not in _VALUES):
            schema = schema[name]
            names = not names and name in _BY_NAME
        else:
            return False
    return not names and isinstance(schema, dict | bool)
