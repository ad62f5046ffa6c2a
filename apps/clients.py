"""OpenAI's own clients, on a transport that leads to the run which the calling code belongs to."""

from __future__ import annotations

import json
from typing import Any

import openai
from pydantic_core import from_json

from ..errors import UsageError
from ..models.openai_client import http
from ..models.pocket.serving.refusal import Refusal, error_body
from .asked import Asked, asked_from
from .completion import Answered, events, whole
from .endpoint import place_of
from .run import AppRun, current_run

__all__ = ["async_openai_client", "openai_client"]

_NOWHERE = "http://apportion.invalid/v1"
"""A base URL to which nothing is ever sent."""


def openai_client(role: str | None = None, *, key: str | None = None) -> openai.OpenAI:
    """OpenAI's sync client, unpatched, for use inside an app: its chat completions are answered by a role of the run.

    Args:
        role: who answers, whatever model a request names; None: the role that the request names as its model.
        key: of the run, as `run_endpoint().key` gives it, for threads and processes that have not its context.

    Raises:
        UsageError: the key is none. A request outside a run raises `openai.AuthenticationError`, which names `key=`.
    """
    if key is not None:
        return openai.OpenAI(base_url=_base_url(role, key), api_key=key, max_retries=0)
    client = http.Client(transport=_Transport(role), base_url=_NOWHERE, trust_env=False)
    return openai.OpenAI(base_url=_NOWHERE, api_key="a run", http_client=client, max_retries=0)


def async_openai_client(role: str | None = None, *, key: str | None = None) -> openai.AsyncOpenAI:
    """As `openai_client`, OpenAI's async client; it may be used on any loop."""
    if key is not None:
        return openai.AsyncOpenAI(base_url=_base_url(role, key), api_key=key, max_retries=0)
    client = http.AsyncClient(transport=_AsyncTransport(role), base_url=_NOWHERE, trust_env=False)
    return openai.AsyncOpenAI(base_url=_NOWHERE, api_key="a run", http_client=client, max_retries=0)


def _base_url(role: str | None, key: str) -> str:
    try:
        place = place_of(key)
    except ValueError as error:
        raise UsageError(f"key={key[:16]!r}: {error}") from None
    return place if role is None else f"{place}/roles/{role}"


class _Transport(http.BaseTransport):
    """Leads from the thread that asks to its run."""

    def __init__(self, role: str | None) -> None:
        self._role = role

    def handle_request(self, request: http.Request) -> http.Response:
        """One request, one response."""
        try:
            run = _run_of(self._role)
            body, role, asked = _read(request, request.read(), self._role)
            return _response(run.ask(role, asked), body)
        except Refusal as refusal:
            return _refused(refusal)


class _AsyncTransport(http.AsyncBaseTransport):
    """Leads from the task that asks to its run."""

    def __init__(self, role: str | None) -> None:
        self._role = role

    async def handle_async_request(self, request: http.Request) -> http.Response:
        """One request, one response."""
        try:
            run = _run_of(self._role)
            body, role, asked = _read(request, await request.aread(), self._role)
            return _response(await run.ask_async(role, asked), body)
        except Refusal as refusal:
            return _refused(refusal)


def _run_of(role: str | None) -> AppRun:
    """The run that asks; raises a refusal where there is none, because the client would call all else unreachable."""
    try:
        return current_run("a model" if role is None else f"role {role!r}")
    except UsageError as error:
        raise Refusal(401, str(error), code="no_run", kind="authentication_error") from None


def _read(request: http.Request, content: bytes, role: str | None) -> tuple[dict[str, Any], str, Asked]:
    """The body of a request, whom it asks, and what."""
    if not request.url.path.endswith("/chat/completions"):
        message = f"Only chat completions are served inside a run, not {request.method} {request.url.path}."
        raise Refusal(404, message, code="unknown_url")
    body = from_json(content)
    named = role or body.get("model")
    if not isinstance(named, str):
        raise Refusal(400, "Missing required parameter: 'model'.", code="missing_required_parameter", param="model")
    return body, named, asked_from(body)


def _response(answered: Answered, body: dict[str, Any]) -> http.Response:
    if not body.get("stream"):
        return http.Response(200, json=whole(answered))
    options = body.get("stream_options")
    usage = isinstance(options, dict) and bool(options.get("include_usage"))
    content = "".join(events(answered, include_usage=usage)).encode()
    return http.Response(200, headers={"content-type": "text/event-stream"}, content=content)


def _refused(refusal: Refusal) -> http.Response:
    headers = {"x-should-retry": "false", "content-type": "application/json"}
    return http.Response(refusal.status, headers=headers, content=json.dumps(error_body(refusal)).encode())
