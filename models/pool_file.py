"""Reading a pool from TOML, with errors that name file, table, field and remedy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import FileError, PoolError, UnknownName
from ..records.files import read_text
from ..records.redaction import redacted
from .base import Model
from .card import ModelCard

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["pool_content", "pool_text", "read_pool_file"]

_CARD_FIELDS = frozenset(ModelCard.model_fields) - {"name"}
_OPTIONS = ("headers", "query", "organization", "project", "api_version", "deployment", "ca_file", "proxy")
_ENDPOINT_FIELDS = ("base_url", "base_urls", "api_key_env", "transport", *_OPTIONS)
_Endpoints = dict[tuple[object, ...], "Endpoint"]
_WORDS = re.compile(r"[A-Za-z_ -]{1,24}")
"""What no key looks like."""
_EXAMPLE = '[models.small] with base_url = "http://localhost:8000/v1"'


def read_pool_file(path: Path) -> Sequence[Model]:
    """Reads the models of a pool file, in its order; see `Pool` for the format.

    Models with the same endpoint share its connections.

    Raises:
        PoolError: with one line for each fault; none repeats what may be a key in the wrong field.
    """
    models: list[Model] = []
    faults: list[str] = []
    endpoints: _Endpoints = {}
    try:
        tables = _tables(path)
    except PoolError as fault:
        raise PoolError(redacted(str(fault))) from None
    for name, table in tables.items():
        where = f"{path}, table [models.{name}]"
        try:
            if not isinstance(table, dict):
                raise PoolError(f"{where}: must be a table of fields, such as {_EXAMPLE}")
            models.append(_model(name, table, where, path.parent, endpoints))
        except PoolError as fault:
            faults.append(str(fault))
    if faults:
        raise PoolError(redacted("\n".join(faults)))
    return models


def pool_text(path: Path) -> str:
    """What a pool file says.

    Raises:
        PoolError: it cannot be read.
    """
    try:
        return read_text(path)
    except FileError as error:
        raise PoolError(str(error)) from None


def pool_content(text: str, path: Path) -> dict[str, Any]:
    """The tables of a pool file's text, whatever they are.

    Raises:
        PoolError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise PoolError(f"{path}: not valid TOML: too many brackets inside each other") from None
    except ValueError as error:
        raise PoolError(f"{path}: not valid TOML: {error}") from None


def _tables(path: Path) -> Mapping[str, object]:
    content = pool_content(pool_text(path), path)
    for key in content:
        if key != "models":
            raise PoolError(f"{path}, {key!r}: unknown; a pool file has one table per model, such as {_EXAMPLE}")
    tables = content.get("models")
    if not isinstance(tables, dict) or not tables:
        raise PoolError(f"{path}: names no model; write a table per model, such as {_EXAMPLE}")
    return tables


def _model(name: str, table: Mapping[str, object], where: str, folder: Path, endpoints: _Endpoints) -> Model:
    if table.get("provider") == "pocket":
        return _pocket_model(name, table, where)
    from .openai_compatible import OpenAIModel  # here, because pools of embedded models need no client

    found = _endpoints_of(table, where, folder, endpoints)
    served = {"served_as": table["deployment"]} if "deployment" in table and "served_as" not in table else {}
    return OpenAIModel.on(_card(name, {**table, **served}, where), found)


def _pocket_model(name: str, table: Mapping[str, object], where: str) -> Model:
    from .pocket import load_pocket_model

    for field in table:
        if field != "provider":
            raise PoolError(f"{where}, field {field!r}: an embedded model brings its own card; take the field out")
    try:
        return load_pocket_model(name)
    except UnknownName as error:
        raise PoolError(f"{where}: {error}; the table's name chooses the embedded model") from None


def _card(name: str, table: Mapping[str, object], where: str) -> ModelCard:
    if "name" in table:
        raise PoolError(f"{where}, field 'name': the table's own name is the model's name; take the field out")
    fields = {field: value for field, value in table.items() if field not in _ENDPOINT_FIELDS}
    try:
        return ModelCard.model_validate({"name": name, **fields})
    except ValidationError as error:
        raise PoolError("\n".join(_line(where, fault) for fault in error.errors(include_url=False))) from None


def _line(where: str, fault: ErrorDetails) -> str:
    field = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        if "key" in field or field == "token" or "secret" in field:
            return (
                f"{where}, field {field!r}: a key does not belong in a file; put it into an environment variable and "
                "name that in 'api_key_env'"
            )
        near = get_close_matches(field, [*_CARD_FIELDS, *_ENDPOINT_FIELDS], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "take it out"
        return f"{where}, field {field!r}: unknown; {hint}"
    if not field:
        return f"{where}: {fault['msg']}"
    value = fault["input"]
    if isinstance(fault["input"], dict) and fault["type"] == "value_error":
        return f"{where}, field {field!r}: {fault['ctx']['error']}"
    # What may be a key in the wrong field is not repeated.
    shown = isinstance(value, int | float) or (isinstance(value, str) and _WORDS.fullmatch(value))
    return f"{where}, field {field!r}: {fault['msg']}; it is {repr(value) if shown else f'a {type(value).__name__}'}"


def _endpoints_of(table: Mapping[str, object], where: str, folder: Path, endpoints: _Endpoints) -> Sequence[Endpoint]:
    """The endpoints of a model, those that it shares with models before it from `endpoints`."""
    from .endpoint import Endpoint, Transport, check_urls
    from .endpoint_options import EndpointOptions

    urls = _urls(table, where)
    api_key_env = _text(table, "api_key_env", where)
    transport = _text(table, "transport", where)
    if transport and transport not in get_args(Transport):
        raise PoolError(f"{where}, field 'transport': must be one of {', '.join(get_args(Transport))}")
    ways: dict[str, Any] = {"transport": transport} if transport else {}
    found = []
    try:
        check_urls(urls)
        options = EndpointOptions.read(table, folder)
        for url in urls:
            key = (url, api_key_env, transport, options)
            if key not in endpoints:
                endpoints[key] = Endpoint(url, api_key_env=api_key_env, options=options, **ways)
            found.append(endpoints[key])
    except PoolError as fault:
        said = str(fault).replace("'base_url'", "'base_urls'", 1) if "base_urls" in table else str(fault)
        raise PoolError(f"{where}, {said}") from None
    return found


def _urls(table: Mapping[str, object], where: str) -> Sequence[str]:
    if "base_urls" not in table:
        base_url = _text(table, "base_url", where)
        if not base_url:
            raise PoolError(
                f"{where}, field 'base_url': is missing; give the endpoint's URL, such as "
                '"http://localhost:8000/v1", or provider = "pocket" for an embedded model'
            )
        return [base_url]
    if "base_url" in table:
        raise PoolError(f"{where}, field 'base_urls': there is 'base_url' too; put all URLs into the list")
    urls = table["base_urls"]
    if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
        raise PoolError(f"{where}, field 'base_urls': must be a list of URLs, such as [\"http://localhost:8000/v1\"]")
    return urls


def _text(table: Mapping[str, object], field: str, where: str) -> str:
    value = table.get(field, "")
    if not isinstance(value, str):
        raise PoolError(f'{where}, field {field!r}: must be a text, such as {field} = "..."')
    return value
