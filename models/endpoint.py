"""An OpenAI-compatible endpoint: its connections, and what its failures mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import NoReturn, cast

import openai

from ..errors import ApportionError, CallFailed, PoolError
from ..records.redaction import Redaction
from ..records.status import Status
from .card_hints import card_hint
from .connections import Connections, Transport
from .departure import departure
from .endpoint_options import PLAIN, EndpointOptions, check_variable
from .openai_client import http
from .replies.failures import failure, one_line, read_error
from .replies.waits import wait_in_headers

__all__ = ["Endpoint", "Transport", "check_urls"]

Looked = tuple[int, bytes]
_CHECK_SECONDS = 15.0


class Endpoint:
    """Where completions are asked for; models on one endpoint share its connections.

    Args:
        base_url: such as "http://localhost:8000/v1".
        api_key_env: the environment variable that holds the key; empty where none is needed.
        api_key: the key itself, for callers that keep keys elsewhere.
        transport: "aiohttp" (about 1.6 times as many requests per second), or "httpx", also called "httpx2", which
            comes with openai. None takes aiohttp where it is installed.
        connect_seconds: the most that opening a connection may take. A call that fails there was never sent, and so
            is not billed.
        options: further headers, a proxy, an Azure deployment and the like.

    Raises:
        PoolError: the URL, the transport or an option cannot be used, or the variable is not set. The message begins
            with the field's name.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key_env: str = "",
        api_key: str = "",
        transport: Transport | None = None,
        connect_seconds: float = 10.0,
        options: EndpointOptions = PLAIN,
    ) -> None:
        _check_url(base_url)
        if api_key and api_key_env:
            raise PoolError("field 'api_key_env': give either the variable or the key, not both")
        if api_key_env:
            what = f"set it to the key for {base_url}, or take the field out if the endpoint needs none"
            api_key = check_variable("api_key_env", api_key_env, what)
        options.check_key(bool(api_key))
        self._base_url = base_url.rstrip("/")
        self._api_key_env = api_key_env
        self._key = _checked_key(api_key)
        self._options = options
        # None of a key that is short: it guards nothing, and "none" or "ollama" may be a word of any reply.
        self._forms_of_secrets = Redaction().concealing(self.secrets).secrets
        self._connections = Connections(self._base_url, self._key, transport, connect_seconds, options)

    @property
    def base_url(self) -> str:
        """Where it is."""
        return self._base_url

    @property
    def transport(self) -> Transport:
        """How requests travel."""
        return self._connections.transport

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key and what else it was told of secrets, for those who keep them out of what they write."""
        return tuple(filter(None, (self._key, *self._options.guarded)))

    def __repr__(self) -> str:
        return f"Endpoint({self._base_url!r})"

    async def complete(self, content: bytes, seconds: float) -> bytes:
        """Asks for a chat completion, once.

        Args:
            content: the body of the request, JSON.
            seconds: the deadline for the whole exchange.

        Returns:
            The body of a response with a status of 2xx; nothing is known of it yet.

        Raises:
            CallFailed: there was no such response.
        """
        with departure() as leaving:
            try:
                async with asyncio.timeout(seconds):
                    client = await self._connections.client()
                    response = await client.post(
                        self._connections.completions_url, cast_to=http.Response, content=content
                    )
                    return self._redacted(response.content)
            except TimeoutError:
                self._silent(seconds, leaving.left)
            except openai.APIStatusError as error:
                self._refused(error)
            except self._connections.errors as error:
                self._broken(error, leaving.left)

    async def stream(self, content: bytes, seconds: float) -> AsyncGenerator[bytes, None]:
        """Asks for a chat completion as a stream, once; to be closed where it is left before its end.

        Args:
            content: the body of the request, JSON.
            seconds: the most to wait for the endpoint, all waits added up; the time in which nobody reads on is free.

        Returns:
            The body of a response with a status of 2xx, whole lines at a time; nothing is known of it yet.

        Raises:
            CallFailed: there was no such response, or it broke off.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        response = await self._begin_stream(content, seconds)
        try:
            pieces, line = response.aiter_bytes(), b""
            left = until - loop.time()
            while True:
                begun = loop.time()
                try:
                    async with asyncio.timeout(max(left, 0.0)):
                        piece = await anext(pieces, None)
                except TimeoutError:
                    reason = f"{self._base_url} did not end its answer within {seconds:g} s"
                    raise CallFailed(Status.TIMEOUT, reason, retryable=True) from None
                except self._connections.errors as error:
                    self._broken(error, left=True)
                left -= loop.time() - begun
                if piece is None:
                    break
                whole, end, rest = piece.rpartition(b"\n")
                if end:
                    yield self._redacted(line + whole + end)
                    line = rest
                else:
                    line += rest
            if line:
                yield self._redacted(line)
        finally:
            await response.aclose()

    async def _begin_stream(self, content: bytes, seconds: float) -> http.Response:
        """As `complete`, without the body."""
        with departure() as leaving:
            try:
                async with asyncio.timeout(seconds):
                    client = await self._connections.client()
                    response = await client.post(
                        self._connections.completions_url,
                        cast_to=http.Response,
                        content=content,
                        stream=True,
                        stream_cls=openai.AsyncStream[http.Response],
                    )
                    return cast(http.Response, response)  # what it is to be cast to goes before the class of streams
            except TimeoutError:
                self._silent(seconds, leaving.left)
            except openai.APIStatusError as error:
                self._refused(error)
            except self._connections.errors as error:
                self._broken(error, leaving.left)

    async def check(self) -> tuple[str, ...] | None:
        """Asks whether the endpoint is there and takes the key; costs no tokens.

        Returns:
            The names of the models that it lists; None where it has no such list.

        Raises:
            PoolError: it is not there, or does not take the key; one line that names the field to mend.
        """
        if self._options.deployment:  # Azure's list is of what could be deployed
            status, body = 404, b""
        else:
            status, body = await self.look("/models")
        page, names = body.lstrip()[:1] == b"<", _listed(body) if status < 300 else None
        if status == 404:  # not all servers list their models, but all refuse an empty request
            status, _ = await self.look(self._connections.completions_url, b"{}")
        if status in (401, 403):
            raise PoolError(f"field 'api_key_env': {self._base_url} answered {status}; {self._key_hint()}")
        if status == 404 and self._options.deployment:
            raise PoolError(f"field 'deployment': {self._base_url} has no deployment {self._options.deployment!r}")
        if page or status in (404, 405) or 300 <= status < 400:
            raise PoolError(f"field 'base_url': no chat completions at {self._base_url} (status {status}); {_URL_HINT}")
        return names

    async def look(self, path: str, content: bytes | None = None, *, seconds: float = _CHECK_SECONDS) -> Looked:
        """Asks for something that costs no tokens.

        Args:
            path: below the base URL, or a whole URL.
            content: posted where given, JSON.
            seconds: the most to wait for an answer.

        Returns:
            The status, and the body where the status is 2xx.

        Raises:
            PoolError: it is not there; one line that names the field to mend.
        """
        try:
            async with asyncio.timeout(seconds):
                client = await self._connections.client()
                try:
                    if content is None:
                        response = await client.get(path, cast_to=http.Response)
                    else:
                        response = await client.post(path, cast_to=http.Response, content=content)
                except openai.APIStatusError as error:
                    return error.status_code, b""
                return response.status_code, self._redacted(response.content)
        except TimeoutError:
            raise PoolError(f"field 'base_url': {self._base_url} gave no answer within {seconds:g} s") from None
        except self._connections.errors as error:
            raise PoolError(f"field 'base_url': {self._unreachable(error)}") from None

    async def is_alive(self, seconds: float) -> bool:
        """Whether it answers a question that costs no tokens, with anything but a fault of its own.

        Args:
            seconds: the most to wait for that.
        """
        status = 404
        try:
            if not self._options.deployment:
                status, _ = await self.look("/models", seconds=seconds)
            if status == 404:
                status, _ = await self.look(self._connections.completions_url, b"{}", seconds=seconds)
        except PoolError:
            return False
        return status < 300 or status in (400, 413, 415, 422)

    async def aclose(self) -> None:
        """Closes the connections of the running loop; the endpoint may be used again afterwards."""
        await self._connections.aclose()

    def _silent(self, seconds: float, left: bool) -> NoReturn:
        """What it means that no answer came in time."""
        silent = "gave no answer" if left else "could not be reached"
        reason = f"{self._base_url} {silent} within {seconds:g} s"
        raise CallFailed(Status.TIMEOUT, reason, billed=left, retryable=True) from None

    def _refused(self, error: openai.APIStatusError) -> NoReturn:
        """What a status other than 2xx means."""
        body = self._redacted(error.response.content)
        stated, status = read_error(body), error.status_code
        said = self._clean(stated.text or body.decode(errors="replace"))
        reason = f"{self._base_url} answered {status}" + (f": {said}" if said else "")
        if status in (401, 403):
            reason += f"; {self._key_hint()}"
        if status in (404, 405) or 300 <= status < 400:
            reason += f"; {_URL_HINT}, or 'served_as' names a model that it does not have"
        hint = card_hint(status, stated.text)
        failed = failure(status, stated, reason + hint, wait=wait_in_headers(error.response.headers))
        if hint:  # the same request would be refused again
            failed.retryable = failed.elsewhere = False
        raise failed from None

    def _broken(self, error: Exception, left: bool) -> NoReturn:
        """What a connection that failed means."""
        for cause in _causes(error):
            if isinstance(cause, ApportionError):  # it could not be announced
                raise cause
        if not left:
            raise CallFailed(Status.PROVIDER_ERROR, self._unreachable(error), billed=False, retryable=True) from None
        reason = f"{self._base_url} broke off: {self._clean(_cause(error))}"
        raise CallFailed(Status.PROVIDER_ERROR, reason, retryable=True) from None

    def _unreachable(self, error: Exception) -> str:
        return f"{self._base_url} cannot be reached ({self._clean(_cause(error))}); {_URL_HINT} or the server is down"

    def _key_hint(self) -> str:
        if self._api_key_env:
            return f"the key in {self._api_key_env} was not accepted"
        if self._key:
            return "the key was not accepted"
        return "it asks for a key: name the environment variable that holds it in 'api_key_env'"

    def _redacted(self, body: bytes) -> bytes:
        """The body without the key, since some servers repeat it and bodies are stored."""
        for form in self._forms_of_secrets:
            body = body.replace(form.encode(), b"[key]")
        return body

    def _clean(self, text: str) -> str:
        """One short line without the key."""
        for form in self._forms_of_secrets:
            text = text.replace(form, "[key]")
        return one_line(text)


_URL_HINT = "perhaps 'base_url' is wrong (it mostly ends in /v1)"


def check_urls(base_urls: Sequence[str]) -> None:
    """Makes sure that no endpoint is among the replicas of a model twice, in whatever spelling.

    Raises:
        PoolError: one is; the message says where.
    """
    plain = [_plain_url(url) for url in base_urls]
    for place, url in enumerate(plain):
        if url in plain[:place]:
            raise PoolError(f"field 'base_urls': place {place + 1} is there before; give each URL once")


def _plain_url(base_url: str) -> str:
    """A URL as any other spelling of it has it: no `/` at its end, a host in lower case, no port that goes without."""
    try:
        return str(http.URL(base_url.rstrip("/")))
    except http.InvalidURL:
        return base_url


def _check_url(base_url: str) -> None:
    try:
        url = http.URL(base_url)
    except http.InvalidURL as error:
        said = "" if "@" in base_url else f": {error}"  # which may repeat a piece of a password
        raise PoolError(f"field 'base_url': this is not a URL{said}") from None
    if url.userinfo or url.query:
        raise PoolError(
            "field 'base_url': a user, password or query does not belong here; put a key into 'api_key_env'"
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise PoolError("field 'base_url': this is not a URL of the form http://host:port/v1")
    if url.fragment or base_url.split() != [base_url]:
        raise PoolError("field 'base_url': it holds a space or a '#', behind which no path can be added; take it out")


def _checked_key(key: str) -> str:
    """The key without the line end that files and shells leave; refused where errors about headers would show it."""
    key = key.strip()
    if not all("!" <= character <= "~" for character in key):
        raise PoolError("field 'api_key_env': the key holds a space or a character that is not ASCII; set it again")
    return key


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _cause(error: Exception) -> str:
    """The innermost cause that has something to say."""
    texts = [str(cause) or type(cause).__name__ for cause in _causes(error)]
    return texts[-1]


def _listed(body: bytes) -> tuple[str, ...] | None:
    """The names in a list of models: OpenAI's `data`, the bare list of some, Ollama's `models`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(content, dict):
        content = content.get("data", content.get("models"))
    if not isinstance(content, list):
        return None
    found = (each.get("id", each.get("name")) if isinstance(each, dict) else each for each in content)
    return tuple(name for name in found if isinstance(name, str)) or None
