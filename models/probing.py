"""What an endpoint can do, found out by a few short calls, as lines for a pool file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import BudgetBreach, CallFailed, CapReached
from ..records.protocols import FactBook
from ..records.rows import FactRow
from .facts import content_of
from .openai_compatible import OpenAIModel
from .pool import Pool
from .replies.failures import one_line
from .request import ChatMessage, Reply, Request
from .side_calls import SideCalls

__all__ = ["Probe", "probe_models"]

_KEPT_SECONDS = 7 * 24 * 3600.0
_SPEND = 40_000
"""The most tokens that the calls may take together, in the worst case; they mostly take a few hundred."""
_TEMPLATE_TOKENS = 1_024
"""Room for templates that are not known yet; those for tools write a page."""
_OUTPUT = {"standard": 32, "reasoning": 1_024}
_SCHEMA = {
    "type": "object",
    "properties": {"greeting": {"type": "string"}},
    "required": ["greeting"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}
_PREFIXES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "as it is": ({}, {}),
    'with "prefix": true': ({"prefix": True}, {}),
    "with continue_final_message": ({}, {"continue_final_message": True, "add_generation_prompt": False}),
}
"""How endpoints are asked to go on with an assistant's message: fields of the message, and of the request."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found."""

    lines: tuple[str, ...]
    """TOML: fields of the model's table, and comments on what no field says."""
    tokens: int
    """What the calls came to."""
    found_at: float


async def probe_models(pool: Pool, names: Sequence[str], facts: FactBook | None = None) -> dict[str, Probe]:
    """Finds out what the endpoints of models can do, or reads what was found within the last 7 days.

    Args:
        pool: the models; embedded ones need no probe.
        names: of those to be probed.
        facts: where what was found is kept.

    Returns:
        What was found, by the model's name.

    Raises:
        StoreError: what was kept of an earlier probe is damaged.
    """
    try:
        models = [model for name in names if isinstance(model := pool.model(name), OpenAIModel)]
        return {model.card.name: await _probe(model, facts) for model in models}
    finally:
        await pool.aclose()


async def _probe(model: OpenAIModel, facts: FactBook | None) -> Probe:
    subject = hashlib.sha256(f"{_urls(model)} {model.card.fingerprint}".encode()).hexdigest()[:16]
    known = None if facts is None else facts.fact(subject, "probe")
    if known is not None and time.time() - known.found_at < _KEPT_SECONDS:
        kept = content_of(known, {"lines": list, "tokens": int})
        return Probe(tuple(map(str, kept["lines"])), kept["tokens"], known.found_at)
    probing = _Probing(model)
    first = await probing.hear(_user("a"))
    if first.reply is None:
        return Probe((f"# not probed: {first.reason}",), probing.calls.charged.tokens, time.time())
    for look in (_overhead, _temperature, _seed, _samples, _logprobs, _schema, _tools, _prefix):
        await look(probing)
    probe = Probe(tuple(probing.lines), probing.calls.charged.tokens, time.time())
    if facts is not None:
        content = json.dumps({"lines": probe.lines, "tokens": probe.tokens})
        facts.record(FactRow(subject, "probe", content, probe.found_at))
    return probe


@dataclass(frozen=True, slots=True)
class _Heard:
    """An answer: a reply and its JSON, or why there is none."""

    reply: Reply | None = None
    choices: Sequence[Any] = ()
    refused: bool = False
    """Whether the endpoint does not take what was asked, as against a failure that says nothing about it."""
    reason: str = ""


@dataclass(slots=True)
class _Probing:
    model: OpenAIModel
    calls: SideCalls = field(default_factory=lambda: SideCalls(_SPEND))
    lines: list[str] = field(default_factory=list)

    def found(self, name: str, value: object, comment: str = "") -> None:
        self.lines.append(f"{name} = {json.dumps(value)}" + (f"  # {comment}" if comment else ""))

    def say(self, text: str) -> None:
        self.lines.append(f"# {text}")

    async def hear(self, *messages: ChatMessage, last: Mapping[str, Any] | None = None, **fields: Any) -> _Heard:
        """Sends messages with further fields of the request, and of the last message."""
        card = self.model.card
        room = _OUTPUT[card.kind]
        asker = _Asker(self.model, fields, last or {})
        # As a schema the further fields are bounded; they are not sent as one.
        request = Request(card.name, messages, room, response_schema=json.dumps([fields, last]))
        try:
            reply = await self.calls.ask(asker, replace(request, sample=self.calls.calls))
        except CallFailed as failure:
            refused = not failure.billed and not failure.retryable
            return _Heard(refused=refused, reason=one_line(failure.reason))
        except (BudgetBreach, CapReached) as failure:
            return _Heard(reason=one_line(str(failure)))
        return _Heard(reply, asker.choices)


class _Asker(OpenAIModel):
    """The model with fields of the request that no node asks for; reserves generously, since little is known yet."""

    def __init__(self, model: OpenAIModel, fields: Mapping[str, Any], last: Mapping[str, Any]) -> None:
        room = {"template_tokens": max(model.card.template_tokens, _TEMPLATE_TOKENS), "attempts": 2}
        plain = {"seed": False, "temperature": False, "json_schema": False, "exact_tokenizer": False}
        card = model.card.model_copy(update={**room, **plain, "system_role": "system"})
        self._begin(card, model.endpoints)
        self._fields, self._last = fields, last
        self.choices: Sequence[Any] = ()

    async def complete(self, request: Request) -> Reply:
        body = {**self.body(request), **self._fields}
        body["messages"][-1] |= self._last
        reply, answer = await self.exchange(body, request)
        try:
            self.choices = json.loads(answer)["choices"]
        except (ValueError, LookupError, TypeError):
            self.choices = ()
        return reply


def _urls(model: OpenAIModel) -> str:
    return " ".join(endpoint.base_url for endpoint in model.endpoints)


def _user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


async def _overhead(probing: _Probing) -> None:
    """What the template adds, from two calls whose every message is one letter, which is one token."""
    letter = _user("a")
    one, three = [await probing.hear(*m) for m in ((letter,), (letter, ChatMessage("assistant", "a"), letter))]
    told = await probing.hear(ChatMessage("system", "a"), letter)
    if told.refused:
        probing.found("system_role", "user", told.reason)
    first, second = _prompt(one), _prompt(three)
    if first is None or second is None:
        probing.say(f"the template's tokens are not known: {one.reason or three.reason or 'usage is incomplete'}")
        return
    message = max(0, -(-(second - first) // 2) - 1)
    with_system = _prompt(told)
    template = max(0, first - message - 1, 0 if with_system is None else with_system - 2 * message - 2)
    probing.found("template_tokens", template, f"one letter took {first} tokens, three letters in turns {second}")
    probing.found("message_tokens", message)


def _prompt(heard: _Heard) -> int | None:
    usage = None if heard.reply is None else heard.reply.usage
    return None if usage is None or usage.estimated else usage.input_tokens


async def _temperature(probing: _Probing) -> None:
    heard = await probing.hear(_user("Name a colour."), temperature=0.7)
    _switch(probing, "temperature", heard, lambda reply: True)


async def _seed(probing: _Probing) -> None:
    asked = _user("Write five random words.")
    heard = [await probing.hear(asked, seed=seed) for seed in (7, 7, 8)]
    texts = [each.reply.text for each in heard if each.reply is not None]
    comment = ""
    if len(texts) == 3:
        comment = "equal seeds gave equal text" if texts[0] == texts[1] else "equal seeds gave different text"
        comment += ", another seed too" if texts[1] == texts[2] and texts[0] == texts[1] else ""
    _switch(probing, "seed", heard[0], lambda reply: True, comment)


async def _logprobs(probing: _Probing) -> None:
    heard = await probing.hear(_user("Say ok."), logprobs=True, top_logprobs=5)
    _switch(probing, "logprobs", heard, lambda reply: reply.mean_logprob is not None, silent="none came back")


async def _schema(probing: _Probing) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "reply", "schema": _SCHEMA, "strict": True}}
    heard = await probing.hear(_user("Say hello in one word, without JSON."), response_format=schema)
    _switch(probing, "json_schema", heard, _keeps_schema, silent="the reply did not follow it")


def _keeps_schema(reply: Reply) -> bool:
    try:
        content = json.loads(reply.text)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and list(content) == ["greeting"]


async def _samples(probing: _Probing) -> None:
    card = probing.model.card
    two: dict[str, Any] = {"n": 2, card.output_cap: _OUTPUT[card.kind] // 2}  # both within what is reserved for one
    heard = await probing.hear(_user("Name a colour."), **two)
    got = len(heard.choices)
    _comment(probing, "n", heard, f"{got} of 2 samples came from one request")


async def _tools(probing: _Probing) -> None:
    heard = await probing.hear(_user("Look up the word tree with the tool."), tools=[_TOOL])
    called = any(isinstance(each, dict) and (each.get("message") or {}).get("tool_calls") for each in heard.choices)
    if called:
        probing.found("tools", True, "taken and called")
    else:
        _comment(probing, "tools", heard, "taken and not called")


async def _prefix(probing: _Probing) -> None:
    """Whether a reply goes on with what an assistant's last message began."""
    begun = _user("Write the alphabet in capitals, separated by spaces."), ChatMessage("assistant", "A B C D E")
    reasons = []
    for how, (last, fields) in _PREFIXES.items():
        heard = await probing.hear(*begun, last=last, **fields)
        if heard.reply is not None and heard.reply.text.removeprefix("A B C D E").lstrip().startswith("F"):
            probing.say(f"prefix: goes on with an assistant's message {how}")
            return
        reasons.append(heard.reason)
    probing.say("prefix: does not go on with an assistant's message" + (f" ({reasons[-1]})" if reasons[-1] else ""))


def _switch(
    probing: _Probing,
    name: str,
    heard: _Heard,
    works: Callable[[Reply], bool],
    comment: str = "",
    silent: str = "",
) -> None:
    """A field that is on or off; nothing where the answer tells nothing."""
    if heard.reply is not None and (heard.reply.text or works(heard.reply)):
        on = works(heard.reply)
        probing.found(name, on, comment if on else silent)
    elif heard.refused:
        probing.found(name, False, heard.reason)
    else:
        probing.say(f"{name}: not known ({heard.reason or 'the reply was empty'})")


def _comment(probing: _Probing, name: str, heard: _Heard, found: str) -> None:
    if heard.reply is not None:
        probing.say(f"{name}: {found}")
    else:
        probing.say(f"{name}: {'refused' if heard.refused else 'not known'} ({heard.reason})")
