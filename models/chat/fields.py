"""The body of a request for a chat completion, field by field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from ...web.fields import NotServed, Strict, invalid_value

__all__ = [
    "NOT_SERVED",
    "WITHOUT_EFFECT",
    "Asking",
    "Body",
    "Chosen",
    "MessageFields",
    "SchemaFormat",
]

WITHOUT_EFFECT = frozenset(
    {
        "metadata",
        "moderation",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "user",
    }
)
"""Fields that do not change what is asked for, whatever their value."""
NOT_SERVED: NotServed = {
    "audio": ((), "asks for audio; replies are texts."),
    "function_call": (("none", "auto"), "is of an older API; write 'tool_choice'."),
    "functions": (([],), "is of an older API; write 'tools'."),
    "logprobs": ((False,), "is not passed on."),
    "modalities": ((["text"],), "asks for more than text; replies are texts."),
    "n": ((1,), "asks for several choices; one is reserved for: ask several times."),
    "prediction": ((), "adds to the bill without a bound."),
    "service_tier": (("auto", "default"), "changes what a token costs."),
    "top_logprobs": ((0,), "is not passed on."),
    "web_search_options": ((), "adds to the bill without a bound."),
}


class TextPart(Strict):
    """A part of a content."""

    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: Any = None
    cache_control: Any = None


class RefusalPart(Strict):
    """A part of an earlier answer."""

    type: Literal["refusal"]
    refusal: str


class CalledFunction(Strict):
    """What an earlier turn called."""

    name: str
    arguments: str


class Called(Strict):
    """A call of an earlier turn."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None
    extra_content: dict[str, Any] | None = None


def _as_parts(content: object) -> object:
    """A content as its parts; a text is one."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


Part: TypeAlias = Annotated[TextPart | RefusalPart, Field(discriminator="type")]


class MessageFields(Strict):
    """One message; what an answer brought beside its text may be sent back."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[list[Part] | None, BeforeValidator(_as_parts)] = None
    name: str | None = None
    tool_calls: list[Called] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None

    @property
    def text(self) -> str:
        """Its parts as one text."""
        texts = (part.text if isinstance(part, TextPart) else part.refusal for part in self.content or ())
        return "\n".join(texts) or self.refusal or ""


class StreamOptions(Strict):
    """How a stream is to be sent."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class OfferedFunction(Strict):
    """A function that may be called."""

    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Offered(Strict):
    """A tool that may be called; tools that an endpoint runs itself have no bound."""

    type: Literal["function"]
    function: OfferedFunction


class NamedFunction(Strict):
    """A function by its name."""

    name: str


class Chosen(Strict):
    """The tool that is to be called."""

    type: Literal["function"]
    function: NamedFunction


class Schema(Strict):
    """A JSON schema of replies."""

    name: str
    description: str | None = None
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class PlainFormat(Strict):
    """Text, or any JSON object."""

    type: Literal["text", "json_object"]


class SchemaFormat(Strict):
    """JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: Schema


StopTexts: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1)]] | None, Field(max_length=4), BeforeValidator(_as_list)
]
_Penalty: TypeAlias = Annotated[float, Field(ge=-2, le=2)]


class Asking(Strict):
    """What any server of chat completions is asked for; null is as good as left out."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[MessageFields], Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: StopTexts = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def output_cap(self) -> int | None:
        """The cap that is named, by whichever name."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def include_usage(self) -> bool:
        """Whether a stream is to end with what was used."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def check_together(self) -> None:
        """Raises `Refusal` where a field may not be there because of another."""
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise invalid_value("max_tokens", "give either 'max_tokens' or 'max_completion_tokens', not both")
        if self.stream_options is not None and not self.stream:
            raise invalid_value("stream_options", "it needs 'stream' to be true")


class Body(Asking):
    """All that a model behind a server can be asked for."""

    tools: list[Offered] | None = None
    tool_choice: Literal["auto", "none", "required"] | Chosen | None = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[PlainFormat | SchemaFormat, Field(discriminator="type")] | None = None
    reasoning_effort: str | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: int | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
