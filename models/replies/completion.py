"""Reading a chat completion: either a reply, or a typed failure with what is known of its cost.

A reply that is whole and was paid for is never refused for its form: it would only be bought again. Servers also
answer 200 with a web page, half a JSON text, an error object or null choices. None of that may pass for an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import CallFailed
from ...records.status import Status
from ...records.text import encodable
from ...records.usage import Usage
from ..call_bounds import CallBounds
from ..request import FinishReason, Reply
from ..tools import ToolCall
from .calls import read_calls
from .failures import failure, one_line, read_error, says_something
from .finish import read_finish
from .logprobs import read_logprobs
from .parts import Said, read_message
from .streams import merged_stream
from .usage import read_usage

__all__ = ["read_completion", "read_reply"]

_DECODER = json.JSONDecoder(strict=False)
"""Some servers leave line ends in texts unescaped; what follows the completion is no part of it."""
_WRAPPERS = ("data", "result", "response", "body")
"""Where gateways that wrap a completion put it."""
_FINISHES = ("finish_reason", "finishReason", "stop_reason", "done_reason")


def read_reply(body: bytes, bounds: Callable[[], CallBounds], *, tools: bool = False) -> Reply:
    """Reads the body of a chat completion.

    Args:
        body: as it came, with a status of 2xx.
        bounds: the most that the call can use, for what the endpoint leaves out of its report.
        tools: whether the request offered any; calls of tools that were not offered are left out.

    Raises:
        CallFailed: it is no completion, or it broke off. Its usage is what was reported, where credible.
    """
    return read_completion(_completion(body), bounds, tools=tools)


def read_completion(content: Mapping[str, Any], bounds: Callable[[], CallBounds], *, tools: bool = False) -> Reply:
    """Reads a chat completion that is an object already; arguments and errors are those of `read_reply`."""
    choice = _choice(content)
    said = _said(choice)
    text, refusal = _clean(said.answer), _clean(said.refusal)
    called = _calls(content, choice)
    written = "".join((text, *(call.name + call.arguments for call in called)))
    usage, odd_usage = read_usage(content.get("usage") or choice.get("usage"), written, bounds)
    _check_no_error(content, choice, text, usage)
    if _message(choice) is None:
        raise _violation("the completion holds no message", usage)
    finish, odd_end = _finish(choice, bool(text or refusal or called), usage, bounds)
    notes = (
        odd_usage,
        odd_end,
        f"parts of type {', '.join(said.skipped)} were left out" if said.skipped and not called else "",
        "it is a tool call, and no tool was offered" if called and not text and not tools else "",
    )
    mean_logprob, least_logprob, first_token_entropy = read_logprobs(choice.get("logprobs"))
    return Reply(
        text=text or refusal,
        finish_reason="refusal" if refusal and not text else finish,
        usage=usage,
        mean_logprob=mean_logprob,
        least_logprob=least_logprob,
        first_token_entropy=first_token_entropy,
        reasoning=_clean(said.reasoning),
        response_model=_clean(content.get("model")),
        response_id=_clean(content.get("id")),
        tool_calls=called if tools else (),
        note=one_line("; ".join(filter(None, notes))),
    )


def _completion(body: bytes) -> Mapping[str, Any]:
    """The completion as an object: from JSON, JSON within a JSON text, a list of one, a wrapper, or an event stream."""
    text = body.decode("utf-8-sig", errors="replace")
    content = _json(text)
    if isinstance(content, str):
        content = _json(content)
    if content is None:
        content = merged_stream(text)
    if content is None:
        page = text.lstrip()[:1] == "<"
        start = (
            f"{read_error(body).text!r}; perhaps 'base_url' is wrong (it mostly ends in /v1)" if page else _short(text)
        )
        reason = f"status 200 with a body that is {'a web page' if page else 'not JSON'}: {start}"
        raise CallFailed(Status.PROVIDER_ERROR, reason, retryable=not page, elsewhere=True)
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise _violation(f"status 200 with JSON that is no object: {_short(content)}", None)
    inner = next(
        (each for name in _WRAPPERS if isinstance(each := content.get(name), dict) and "choices" in each), None
    )
    return content if inner is None or "choices" in content else inner


def _json(text: str) -> object:
    try:
        return _DECODER.raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError):
        return None


def _choice(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first choice with an answer, else the first; some gateways send text and tool call as two choices."""
    found = content.get("choices")
    if not found and isinstance(content.get("message"), dict):  # as Ollama and Cohere answer without a compatible layer
        found = content
    choices = [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]
    if len(choices) > 1:
        return next((each for each in choices if _said(each).answer), choices[0])
    return choices[0] if choices else {}


def _message(choice: Mapping[str, Any]) -> object:
    """The message of a choice; as a text in the shape of the older completions."""
    return next((choice[name] for name in ("message", "delta", "text") if choice.get(name) is not None), None)


def _said(choice: Mapping[str, Any]) -> Said:
    return read_message(_message(choice))


def _calls(content: Mapping[str, Any], choice: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The calls of the choice that is read; of another, where a gateway gives text and calls as two."""
    choices = content.get("choices")
    others = [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
    return next(filter(None, (read_calls(_message(each)) for each in (choice, *others))), ())


def _check_no_error(content: Mapping[str, Any], choice: Mapping[str, Any], text: str, usage: Usage | None) -> None:
    """Looks for an error within the 200: a field of its own, one of the choice, or all there is."""
    error = next((each for each in (content.get("error"), choice.get("error")) if says_something(each)), None)
    if error is None and choice:
        return
    stated = read_error(content if error is None else {"error": error})
    if error is None and not stated.text:
        raise _violation("the completion holds no choices", usage)
    # Where a text had begun, the error came after work that was done, whatever it is called.
    status = None if text else stated.status
    number = "" if stated.status is None else f" {stated.status}"
    raise failure(status, stated, f"status 200 with an error{number}: {stated.text or _short(error)}", usage=usage)


def _finish(
    choice: Mapping[str, Any], answered: bool, usage: Usage | None, bounds: Callable[[], CallBounds]
) -> tuple[FinishReason, str]:
    """How the reply ended, and what was odd about that."""
    word = next((choice[name] for name in _FINISHES if name in choice), None)
    ending = read_finish(word)
    if ending == "error":
        raise _violation(f"the reply broke off with finish_reason {_short(word)}", usage)
    if ending != "unstated" and ending != "unknown":
        return ending, ""
    if not answered:
        reason = f"no text, and finish_reason {_short(word)}"
        raise CallFailed(Status.PROVIDER_ERROR, reason, usage=usage, retryable=ending == "unstated")
    cut = usage is not None and not usage.estimated and usage.output_tokens >= bounds().output_tokens
    note = f"finish_reason {_short(word)} is not known; the text is taken as whole" if ending == "unknown" else ""
    return "length" if cut else "stop", note


def _violation(reason: str, usage: Usage | None) -> CallFailed:
    return CallFailed(Status.PROVIDER_ERROR, reason, usage=usage, retryable=True)


def _clean(value: object) -> str:
    return encodable(value) if isinstance(value, str) else ""


def _short(value: object) -> str:
    return one_line(repr(value)[:200])
