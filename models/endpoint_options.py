"""How requests to an endpoint are addressed and carried, beside its URL and its key."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PoolError
from ..records.redaction import redacted, tells_of_a_secret
from ..records.text import encodable
from .openai_client import http
from .request_fields import reserved_for

__all__ = ["PLAIN", "EndpointOptions", "check_variable", "variable"]

_VARIABLE = re.compile(r"[A-Z]+(?:_[A-Z]*\d{0,4}[A-Z]*){0,7}")
"""As environment variables are mostly named, and keys are not."""
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OF_THE_CLIENT = frozenset(
    (
        *("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "expect"),
        *("accept", "accept-encoding", "te", "upgrade", "trailer", "keep-alive", "proxy-authorization"),
    )
)
_ONCE = frozenset(("idempotency-key", "x-idempotency-key"))


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """What an endpoint needs beside its URL and its key; see `docs/endpoints.md` for each as a field of pool.toml.

    Raises:
        PoolError: one of them cannot be sent; the message begins with the field's name.
    """

    headers: tuple[tuple[str, str], ...] = ()
    """Further headers of every request, by name."""
    query: tuple[tuple[str, str], ...] = ()
    """Further parameters in the URL of every request, by name."""
    organization: str = ""
    project: str = ""
    api_version: str = ""
    """Of Azure OpenAI, together with `deployment`."""
    deployment: str = ""
    """The name of an Azure OpenAI deployment: it stands in the path, and the key goes into the header `api-key`."""
    ca_file: str = ""
    """A PEM file with the certificate authorities to trust, in place of the known ones."""
    proxy: str = ""
    """The URL of an HTTP proxy, in place of what the environment names."""
    secrets: tuple[str, ...] = ()
    """What came from the environment; see `guarded`."""

    @property
    def guarded(self) -> tuple[str, ...]:
        """What is to be kept out of all that is written: `secrets`, and what is one by its place, also from code."""
        telling = [value for name, value in (*self.headers, *self.query) if tells_of_a_secret(name)]
        found = (*self.secrets, *(form for value in telling for form in _forms(value)), *_password(self.proxy))
        return tuple(dict.fromkeys(found))

    def __post_init__(self) -> None:
        for name, value in self.headers:
            _check_header(name, value)
        for name, value in self.query:
            if encodable(name + value) != name + value:
                raise PoolError(f"field 'query': {encodable(name)[:40]!r} holds half a surrogate pair; write it anew")
            why = None if name in ("api_key", "authorization") else reserved_for(name)
            if why:
                raise PoolError(f"field 'query': {name!r} cannot be set here: {why}; take it out")
        if bool(self.deployment) != bool(self.api_version):
            given, missing = ("deployment", "api_version") if self.deployment else ("api_version", "deployment")
            raise PoolError(
                f"field {given!r}: Azure needs both; give {missing!r} too, or take {given!r} out for an endpoint whose "
                "URL ends in /openai/v1"
            )
        self._check_not_twice()
        if self.proxy:
            _check_proxy(self.proxy)

    def __repr__(self) -> str:
        return "EndpointOptions(...)"  # its values may be keys

    @classmethod
    def read(cls, table: Mapping[str, object], folder: Path) -> EndpointOptions:
        """Reads the fields of a model's table in a pool file.

        Args:
            table: of the model; a value is a text, or `{ env = "NAME" }` for what that variable holds.
            folder: of the file; `ca_file` is found from there.

        Raises:
            PoolError: a value is none of both, cannot be sent, or looks like a key; or the variable is not set. The
                message begins with the field's name.
        """
        secrets: list[str] = []

        def text(field: str, value: object, name: str = "") -> str:
            read = _read(field, value, name)
            if isinstance(value, Mapping):
                secrets.extend(_forms(read))
            return read

        single: dict[str, Any] = {field: text(field, table[field]) for field in _TEXTS if field in table}
        pairs: dict[str, tuple[tuple[str, str], ...]] = {}
        for field in ("headers", "query"):
            values = table.get(field, {})
            if not isinstance(values, Mapping):
                raise PoolError(f'field {field!r}: must be a table, such as {field} = {{ name = "value" }}')
            pairs[field] = tuple((name, text(field, value, name)) for name, value in values.items())
        if single.get("ca_file"):
            single["ca_file"] = str(folder / single["ca_file"])
        return cls(pairs["headers"], pairs["query"], **single, secrets=tuple(secrets))

    def tls(self) -> ssl.SSLContext | None:
        """How certificates are checked; None where as always.

        Raises:
            PoolError: the file with the authorities cannot be read.
        """
        if not self.ca_file:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            said = error.strerror if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError) else ""
            reason = said or "it holds no certificate in PEM form"
            raise PoolError(f"field 'ca_file': {self.ca_file} cannot be used: {reason}") from None

    def check_key(self, keyed: bool) -> None:
        """Makes sure that no header takes the place of the key.

        Raises:
            PoolError: one does.
        """
        for name, _ in self.headers:
            if keyed and name.lower() in ("authorization", "api-key"):
                raise PoolError(
                    f"field 'headers': {name!r} would take the place of the key; take it out, or 'api_key_env'"
                )

    def _check_not_twice(self) -> None:
        names = [name.lower() for name, _ in self.headers]
        for field, header in (("organization", "openai-organization"), ("project", "openai-project")):
            if getattr(self, field) and header in names:
                raise PoolError(f"field 'headers': {header!r} is what {field!r} sends; give one of both")
        for field in ("organization", "project", "api_version", "deployment", "proxy"):
            if not _printable(getattr(self, field)):
                raise PoolError(f"field {field!r}: it holds a character that no header or URL can hold; write it anew")
        for name in names:
            if names.count(name) > 1:
                raise PoolError(f"field 'headers': {name!r} is there twice; keep one")
        if self.api_version and any(name == "api-version" for name, _ in self.query):
            raise PoolError("field 'query': 'api-version' is what 'api_version' sends; give one of both")


_PLAIN_TEXTS = ("api_version", "deployment", "ca_file")
_TEXTS = ("organization", "project", "api_version", "deployment", "ca_file", "proxy")


def check_variable(field: str, name: str, what: str) -> str:
    """What an environment variable holds, without the line end that files and shells leave.

    Raises:
        PoolError: it is not set.
    """
    value = os.environ.get(name, "").strip() if encodable(name) == name else ""
    if not value:
        raise PoolError(f"field {field!r}: {variable(name)} is not set; {what}")
    return value


def variable(name: str) -> str:
    """An environment variable for people, by its name unless that may be a key in the wrong field."""
    if _VARIABLE.fullmatch(name) and redacted(name) == name:
        return f"the environment variable {name}"
    return "the environment variable that it names (the name, not the key itself, belongs here)"


def _read(field: str, value: object, name: str) -> str:
    """A text, or what a variable holds."""
    if isinstance(value, Mapping) and field not in _PLAIN_TEXTS:
        if set(value) != {"env"} or not isinstance(value["env"], str):
            raise PoolError(f'field {field!r}: a value from the environment is written {{ env = "NAME" }}')
        return check_variable(field, value["env"], f"set it, or take {name or field!r} out")
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        hint = "" if field in _PLAIN_TEXTS else ', or { env = "NAME" } for what a variable holds'
        raise PoolError(f"field {field!r}: must be a text{hint}")
    text = str(value)
    if field == "proxy" and _user(text):
        raise PoolError("field 'proxy': a password does not belong in a file; write { env = \"NAME\" } in its place")
    if (name and tells_of_a_secret(name)) or redacted(text) != text:
        raise PoolError(
            f"field {field!r}: a key does not belong in a file; put it into an environment variable and write "
            f'{{ env = "NAME" }} in its place'
        )
    return text


def _check_header(name: str, value: str) -> None:
    lower = name.lower()
    if not _HEADER.fullmatch(name):
        raise PoolError(f"field 'headers': {name[:40]!r} is no name of a header; it has letters, digits and dashes")
    if not value or not _printable(value):
        raise PoolError(f"field 'headers': the value of {name!r} is empty or holds a character that no header can hold")
    if lower in _OF_THE_CLIENT:
        raise PoolError(f"field 'headers': {name!r} is set by the client itself; take it out")
    if lower in _ONCE:
        raise PoolError(f"field 'headers': {name!r} would make all calls one call; take it out")


def _check_proxy(proxy: str) -> None:
    try:
        url = http.URL(proxy)
    except http.InvalidURL:
        raise PoolError("field 'proxy': this is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise PoolError("field 'proxy': this is not a URL of the form http://host:port")


def _user(proxy: str) -> bool:
    try:
        return bool(http.URL(proxy).userinfo)
    except http.InvalidURL:
        return False


def _forms(secret: str) -> Iterator[str]:
    """A secret, and what stands behind its scheme, as in `Bearer KEY`."""
    yield from (secret, *secret.split()[1:])


def _password(proxy: str) -> Iterator[str]:
    """The password in a proxy's URL, as it is and as it stands there."""
    url = http.URL(proxy)
    yield from filter(None, (url.password, url.userinfo.decode("ascii", "replace").partition(":")[2]))


def _printable(value: str) -> bool:
    return all(" " <= character <= "~" for character in value) and value == value.strip()


PLAIN = EndpointOptions()
"""Where there is nothing to say."""
