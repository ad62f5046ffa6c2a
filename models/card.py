"""What is known of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..errors import UnknownName
from ..records.text import longest_bytes
from ..records.usage import Amount, Usage
from .effort import Effort, in_order, place_of
from .request_fields import canonical, check_request_fields
from .system_role import JOINT, SystemRole

__all__ = ["ModelCard"]

_BOUNDING = {
    "output_cap",
    "output_slack_tokens",
    "max_output_tokens",
    "tokenizer",
    "exact_tokenizer",
    "template_tokens",
    "message_tokens",
}
_MOST = 1e15
_BOOKS = 2**63 - 1
"""The largest integer of a database, in the smallest unit of tokens, weighted tokens or dollars."""


class ModelCard(BaseModel):
    """What the ledger, the nodes and the optimizer need to know of a model before they call it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1)
    """The name that graphs and plans use."""
    kind: Literal["standard", "reasoning"] = "standard"
    """Whether it was made to think before it answers."""
    dialect: str = "chat"
    """How nodes speak to it: chat (plain English messages) or pocket (the embedded models' shorthand)."""
    provider: str = "openai"
    """For the trace: who serves it."""
    served_as: str = ""
    """The name that the endpoint knows it by; empty means `name`."""
    revision: str = ""
    """Version of the weights or deployment; part of the cache key."""
    context_tokens: int = Field(default=8192, gt=0)
    """Prompt and completion together."""
    max_output_tokens: int = Field(default=4096, gt=0)
    """The most that one reply may have."""
    direct_output_tokens: int | None = Field(default=None, gt=0)
    """What a direct answer may take, where a run has to end with one; None means 64, or 1,024 for a model that
    reasons."""
    weight: float = Field(default=1.0, gt=0)
    """Weighted tokens per token, for caps in the unit `weighted`; for example millions of FLOPs per token."""
    input_usd_per_million: float = Field(default=0.0, ge=0)
    cached_input_usd_per_million: float | None = Field(default=None, ge=0)
    """Of input that the endpoint read from its own cache, as far as it reports that; None means as other input.
    Bounds count all input at the full price, since nobody knows before a call what will be cached."""
    output_usd_per_million: float = Field(default=0.0, ge=0)
    output_cap: Literal["max_completion_tokens", "max_tokens", "ignored"] = "max_completion_tokens"
    """The request field by which the endpoint caps its output; a model where it is "ignored" is refused."""
    system_role: SystemRole = "system"
    """How instructions are sent. "system" or "developer": as a message of that role. "user": as words of the user,
    merged with what the user says next. "none": all of them in front of the user's first words, also those that nodes
    write in mid-conversation."""
    output_slack_tokens: int = Field(default=0, ge=0)
    """How many tokens the endpoint may write past the cap, for example with speculative decoding."""
    tokenizer: str = ""
    """The name of its tiktoken encoding, "pocket", or empty where it is not known."""
    exact_tokenizer: bool = False
    """Whether counts by `tokenizer` are exact, so that prompts are bounded by count and not by bytes."""
    bytes_per_token: int = Field(default=6, gt=0)
    """The most bytes that a token of a whole reply has on average. From it follows what the edges behind a node carry;
    English has about 4, and a reply with more is too large for them, which a status says."""
    template_tokens: int = Field(default=16, ge=0)
    """What the chat template adds to a prompt."""
    message_tokens: int = Field(default=8, ge=0)
    """What the chat template adds to each message."""
    temperature: bool = True
    """Whether the endpoint takes a temperature; some reasoning models refuse one."""
    seed: bool = True
    """Whether the endpoint takes a seed."""
    truncation: Literal["exact", "none"] = "none"
    """exact: under a smaller output cap a reply is exactly the beginning of the one under a larger cap, at the same
    sample, seed and temperature; a stored reply then also answers requests with other caps."""
    logprobs: bool = False
    """Whether the endpoint returns log-probabilities."""
    json_schema: bool = False
    """Whether the endpoint can hold the reply to a JSON schema."""
    tools: bool = False
    """Whether the endpoint takes tools, and the model calls them in the format of chat completions. Where not, an agent
    tells it in words how to call a tool, and reads the calls in its text."""
    tools_tokens: int = Field(default=512, ge=0)
    """What the chat template adds to a prompt with tools, beside the tools themselves: how to call them."""
    streaming: Literal["usage", "plain", "none"] = "usage"
    """How the endpoint streams. "usage": it is asked to end with what was used (`stream_options`). "plain": it refuses
    that field, so a stream is charged by what the endpoint says of itself, else at its bound. "none": it does not
    stream, so replies are taken whole."""
    prefix: Literal["none", "assistant", "flag", "continue_final_message"] = "none"
    """How the endpoint continues a reply that is begun for it: by a last message of the assistant, by one with
    `prefix: true` (Mistral, DeepSeek), or by vLLM's fields."""
    reasoning_efforts: tuple[str, ...] = ()
    """The values of `reasoning_effort` that it takes: shorthand for efforts of the same names that set this field."""
    efforts: Mapping[str, Effort] = Field(default_factory=dict)
    """How hard it can be asked to think, by name: what to send for each, see `Effort`. A model without efforts is asked
    as always."""
    extra_body: Mapping[str, Any] = Field(default_factory=dict)
    """Further fields of every request, sent as they are written; an effort's field of the same name takes its place."""
    concurrency: int = Field(default=16, gt=0)
    """The most calls at once, at each replica."""
    requests_per_minute: int | None = Field(default=None, gt=0)
    """The most that leave in any minute, at each replica; they are evenly spaced, and wait for their turn."""
    tokens_per_minute: int | None = Field(default=None, gt=0)
    """The most tokens of calls that leave in any minute, at each replica, by the bounds of the calls: prompt and output
    cap. Calls wait for their turn."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """Per attempt."""
    attempts: int = Field(default=4, gt=0)
    """The most attempts at one call; each has its own reservation."""
    parameters: int | None = Field(default=None, gt=0)
    """How many numbers were trained, where that is known."""
    about: str = ""
    """What it was made for, in a few words, for people."""

    @field_validator("*")
    @classmethod
    def _within_reason(cls, value: Any) -> Any:
        if isinstance(value, int | float) and value > _MOST:
            raise ValueError(f"Input should be at most {_MOST:g}")
        return value

    @model_validator(mode="after")
    def _can_be_booked(self) -> Self:
        most = self.amount(self.context_tokens, self.max_output_tokens)
        if max(most.tokens, most.weighted, most.usd) > _BOOKS:
            raise ValueError("one call could cost more than the books can hold; lower the weight or the prices")
        return self

    @model_validator(mode="after")
    def _efforts_are_told_apart(self) -> Self:
        for name in self.reasoning_efforts:
            if name in self.efforts:
                raise ValueError(
                    f"effort {name!r} stands in reasoning_efforts and in efforts; take it out of the first"
                )
        if not all((*self.reasoning_efforts, *self.efforts)):
            raise ValueError("an effort must have a name")
        return self

    @model_validator(mode="after")
    def _cached_input_is_no_dearer(self) -> Self:
        if (self.cached_input_usd_per_million or 0.0) > self.input_usd_per_million:
            raise ValueError(
                "cached_input_usd_per_million is above input_usd_per_million, at which calls are bounded; state the "
                "higher price in both"
            )
        return self

    @field_validator("extra_body")
    @classmethod
    def _leaves_the_rest_of_the_request_alone(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        check_request_fields(fields, "extra_body")
        return fields

    @property
    def effort_names(self) -> tuple[str, ...]:
        """All efforts, those of the shorthand included, from the least to the most."""
        return in_order((*self.efforts, *self.reasoning_efforts))

    def effort(self, name: str) -> Effort | None:
        """What an effort means for this model; None where it takes no efforts at all.

        Raises:
            UnknownName: it takes others.
        """
        names = self.effort_names
        if names and name not in names:
            raise UnknownName(f"effort of model {self.name!r}", name, names)
        if name in self.reasoning_efforts:
            return Effort.model_validate({"reasoning_effort": name})
        return self.efforts.get(name)

    def effort_place(self, name: str) -> int:
        """The place of an effort on the axis of reasoning depth; 0 where the model takes none."""
        names = self.effort_names
        return place_of(name, names) if name in names else 0

    @property
    def fingerprint(self) -> str:
        """Identifies what answers, for the cache key: provider, served name, revision, dialect, and how it is told."""
        told = () if self.system_role == "system" else (self.system_role,)
        extra = (self.extra_fields,) if self.extra_body else ()
        return _hash(self.provider, self.served_as or self.name, self.revision, self.dialect, *told, *extra)

    @property
    def extra_fields(self) -> str:
        """`extra_body` as canonical JSON; empty where there is none."""
        return canonical(self.extra_body) if self.extra_body else ""

    @property
    def extra_bound_tokens(self) -> int:
        """The most that `extra_body` adds to a prompt, where a template writes what it says."""
        return longest_bytes(self.extra_fields)

    @property
    def bounds_fingerprint(self) -> str:
        """Identifies what answers and all by which its calls are bounded: other where any of it was mended."""
        bounding = self.model_dump_json(include=_BOUNDING | ({"tools_tokens"} if self.tools else set()))
        return _hash(self.fingerprint, bounding)

    @property
    def message_bound_tokens(self) -> int:
        """The most that a message adds to a prompt beside its text: by the template, or where it is merged."""
        return max(self.message_tokens, 0 if self.system_role in ("system", "developer") else len(JOINT))

    @property
    def direct_output_cap(self) -> int:
        """The output cap of a direct answer, in tokens."""
        usual = 1024 if self.kind == "reasoning" else 64
        return min(self.direct_output_tokens or usual, self.max_output_tokens)

    @property
    def costs_money(self) -> bool:
        """Whether a token has a price."""
        return self.input_usd_per_million > 0 or self.output_usd_per_million > 0

    def amount(self, input_tokens: int, output_tokens: int) -> Amount:
        """Tokens in all three units, rounded up, so that sums of bounds stay bounds."""
        return self._amount(input_tokens, output_tokens, 0)

    def charge(self, usage: Usage) -> Amount:
        """What a reply with this usage costs; input from the endpoint's cache at its own price, where it has one."""
        return self._amount(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)

    def _amount(self, input_tokens: int, output_tokens: int, cached: int) -> Amount:
        tokens = input_tokens + output_tokens
        picodollars = input_tokens * _micro(self.input_usd_per_million)
        picodollars += output_tokens * _micro(self.output_usd_per_million)
        if cached and self.cached_input_usd_per_million is not None:
            less = _micro(self.input_usd_per_million) - _micro(self.cached_input_usd_per_million)
            picodollars -= min(cached, input_tokens) * less
        return Amount(tokens=tokens, weighted=tokens * _micro(self.weight), usd=-(-picodollars // 1000))


def _micro(price: float) -> int:
    """In whole millionths, so that sums are exact."""
    return round(price * 1_000_000)


def _hash(*texts: str) -> str:
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:16]
