"""Who may ask a server: keys by their hashes, each with what it may ask and spend."""

from __future__ import annotations

import hashlib
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..budgets.cap import smallest
from ..errors import UnknownName, UsageError
from ..records.files import read_text
from ..records.rows import Limit, Unit
from ..web.refusal import Refusal

__all__ = ["ANYBODY", "Key", "Keys", "new_key"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = r"sha256:[0-9a-f]{64}"
_EXAMPLE = '[keys.ann] with hash = "sha256:..."; `apportion proxy new-key ann` writes one'


class Key(BaseModel):
    """One key, as its table in a key file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    hash: Annotated[str, Field(pattern=f"^{_HASH}$")] = ""
    """SHA-256 of the key; the key itself is nowhere."""
    cap: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The most that it may spend in a period of the server; None: what all may."""
    unit: Unit = "tokens"
    models: tuple[str, ...] = ()
    """The models that it may ask; none named: all."""
    requests_per_minute: Annotated[int, Field(gt=0, lt=2**53)] | None = None
    tokens_per_minute: Annotated[int, Field(gt=0, lt=2**53)] | None = None
    """The most that its calls may take in any minute of the clock, reserved for those in flight included."""

    @property
    def limit(self) -> Limit | None:
        """Its cap as accounts have it."""
        return None if self.cap is None else Limit(self.unit, smallest(self.cap, self.unit))

    def may_ask(self, model: str) -> bool:
        """Whether it may ask a model."""
        return not self.models or model in self.models


ANYBODY = Key()
"""Who asks where there are no keys."""


class Keys:
    """The keys of a server.

    Args:
        keys: each with a hash.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._by_hash = {key.hash: key for key in keys}

    @property
    def all(self) -> tuple[Key, ...]:
        """All of them."""
        return tuple(self._by_hash.values())

    @classmethod
    def read(cls, path: Path, models: Iterable[str]) -> Self:
        """Reads a key file.

        Args:
            path: TOML, a table for each key.
            models: those that there are.

        Raises:
            UsageError: it cannot be read, or a field is not valid; file, table and field are named, and nothing that
                may be a key is repeated.
        """
        known, found = tuple(models), []
        hashes: dict[str, str] = {}
        for name, table in _tables(path).items():
            where = f"{path}, table [keys.{name}]"
            key = _key(name, table, where)
            for model in key.models:
                if model not in known:
                    raise UsageError(f"{where}, field 'models': {UnknownName('model', model, known)}")
            if key.hash in hashes:
                raise UsageError(f"{where}, field 'hash': it is the key of {hashes[key.hash]!r} too; make another")
            hashes[key.hash] = name
            found.append(key)
        return cls(found)

    def holder(self, authorization: str | None) -> Key:
        """Whose key a request brings.

        Args:
            authorization: the header of that name.

        Raises:
            Refusal: it brings none, or one that is not known.
        """
        scheme, _, key = (authorization or "").partition(" ")
        found = self._by_hash.get(_hash_of(key.strip())) if scheme.lower() == "bearer" and key.strip() else None
        if found is not None:
            return found
        told = (
            "Incorrect API key provided." if key.strip() else "You didn't provide an API key (Authorization: Bearer)."
        )
        raise Refusal(401, told, code="invalid_api_key")


def new_key(name: str) -> tuple[str, str]:
    """A key that nobody has, and the table of a key file that admits it.

    Raises:
        UsageError: the name is none that a table can have.
    """
    _check_name(name)
    key = f"sk-apportion-{secrets.token_urlsafe(32)}"
    return key, f'[keys.{name if "." not in name else repr(name)}]\nhash = "{_hash_of(key)}"\n'


def _hash_of(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:64]!r} is no name of a key; letters, digits, '.', '_' and '-' are, up to 64")


def _tables(path: Path) -> Mapping[str, object]:
    try:
        content = tomllib.loads(read_text(path))
    except RecursionError:
        raise UsageError(f"{path}: not valid TOML: too many brackets inside each other") from None
    except ValueError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    tables = content.get("keys")
    if set(content) - {"keys"} or not isinstance(tables, dict) or not tables:
        raise UsageError(f"{path}: write a table for each key and nothing else, such as {_EXAMPLE}")
    return tables


def _key(name: str, table: object, where: str) -> Key:
    _check_name(name)
    if not isinstance(table, dict):
        raise UsageError(f"{where}: must be a table of fields, such as {_EXAMPLE}")
    if "hash" not in table or "name" in table:
        told = "field 'hash': is missing" if "hash" not in table else "field 'name': the table's own name is its name"
        raise UsageError(f"{where}, {told}; see {_EXAMPLE}")
    fields: dict[str, Any] = {"name": name, **table}
    try:
        key = Key.model_validate(fields)
        _ = key.limit
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "extra_forbidden":
            near = get_close_matches(field, Key.model_fields, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "take it out"
            raise UsageError(f"{where}, field {field[:40]!r}: unknown; {hint}") from None
        reason = f'must be "{_EXAMPLE[22:35]}", never the key itself' if field == "hash" else fault["msg"]
        raise UsageError(f"{where}, field {field!r}: {reason}") from None
    except UsageError as error:
        raise UsageError(f"{where}, field 'cap': {error}") from None
    return key
