"""A LangChain chat model that a role of the run answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeGuard

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from ..errors import UsageError
from .clients import async_openai_client, openai_client
from .run import current_run

__all__ = ["RoleChatModel", "chat_model"]


def chat_model(role: str, *, key: str | None = None, **settings: Any) -> RoleChatModel:
    """A LangChain chat model for use inside an app, which a role of the run answers.

    Args:
        role: who answers.
        key: of the run, as `run_endpoint().key` gives it, for threads and processes that have not its context.
        settings: `temperature`, `max_tokens` or `stop`, sent with every request where the plan leaves them to the app.
    """
    return RoleChatModel(role=role, key=key, **settings)


class RoleChatModel(BaseChatModel):
    """See `chat_model`. A call that does not fit raises `openai.APIStatusError` with the status 402.

    Raises:
        UsageError: it is asked outside a run.
    """

    role: str
    key: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None

    @property
    def _llm_type(self) -> str:
        return "apportion-role"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": self.role, "temperature": self.temperature, "max_tokens": self.max_tokens}

    @cached_property
    def _client(self) -> openai.OpenAI:
        return openai_client(self.role, key=self.key)

    @cached_property
    def _async_client(self) -> openai.AsyncOpenAI:
        return async_openai_client(self.role, key=self.key)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call; `tool_choice` is auto, none, required ("any"), or the name of one."""
        told = [convert_to_openai_tool(tool) for tool in tools]
        choice: Any = {"any": "required", True: "required", False: "none"}.get(tool_choice, tool_choice)
        if isinstance(choice, str) and choice not in ("auto", "none", "required"):
            choice = {"type": "function", "function": {"name": choice}}
        chosen = {} if choice is None else {"tool_choice": choice}
        return self.bind(tools=told, **chosen, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "function_calling",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """The model with a form for its replies.

        Args:
            schema: a pydantic class, a TypedDict, or a JSON schema.
            include_raw: whether to return the message too, and what was wrong with it, see LangChain.
            method: "function_calling", by a tool that must be called, or "json_schema", by the format of the reply.
            kwargs: for the model.

        Raises:
            UsageError: there is no such method.
        """
        if method not in ("function_calling", "json_schema"):
            raise UsageError(f"method must be 'function_calling' or 'json_schema', not {method!r}")
        function = convert_to_openai_tool(schema)["function"]
        if method == "function_calling":
            asking: Runnable[Any, Any] = self.bind_tools([schema], tool_choice=function["name"], **kwargs)
        else:
            form = {"name": function["name"], "schema": function.get("parameters", {"type": "object"})}
            asking = self.bind(response_format={"type": "json_schema", "json_schema": form}, **kwargs)
        parser: Any = PydanticOutputParser(pydantic_object=schema) if _is_model(schema) else JsonOutputParser()
        reading: Runnable[Any, Any] = RunnableLambda(_written) | parser
        if not include_raw:
            return asking | reading
        read: Any = RunnableLambda(lambda said: said["raw"]) | reading
        parsed = RunnablePassthrough.assign(parsed=read, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=asking) | parsed.with_fallbacks([failed], exception_key="parsing_error")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        said = self._client.chat.completions.create(**self._body(messages, stop, kwargs))
        return _result(said.model_dump())

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        said = await self._async_client.chat.completions.create(**self._body(messages, stop, kwargs))
        return _result(said.model_dump())

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        body = self._body(messages, stop, kwargs) | _STREAMED
        for event in self._client.chat.completions.create(**body):
            chunk = _chunk(event.model_dump())
            if run_manager is not None:
                run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        body = self._body(messages, stop, kwargs) | _STREAMED
        async for event in await self._async_client.chat.completions.create(**body):
            chunk = _chunk(event.model_dump())
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    def _body(self, messages: list[BaseMessage], stop: list[str] | None, more: Mapping[str, Any]) -> dict[str, Any]:
        if self.key is None:
            current_run(f"role {self.role!r}")
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": stop or self.stop}
        said: Any = convert_to_openai_messages(messages)
        body = {"model": self.role, "messages": said, **own, **more}
        return {name: value for name, value in body.items() if value is not None}


_STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def _is_model(schema: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def _written(message: AIMessage) -> str:
    """The JSON of a reply: the arguments of its call, or its text."""
    if message.tool_calls:
        return json.dumps(message.tool_calls[0]["args"])
    if message.invalid_tool_calls:
        return str(message.invalid_tool_calls[0]["args"])
    return str(message.text)


def _result(said: Mapping[str, Any]) -> ChatResult:
    usage = said["usage"]
    about = {"model_name": said["model"], "x_apportion": said.get("x_apportion", {})}
    found = []
    for place, choice in enumerate(said["choices"]):
        calls, wrong = _calls(choice["message"].get("tool_calls") or ())
        message = AIMessage(
            choice["message"]["content"] or "",
            tool_calls=calls,
            invalid_tool_calls=wrong,
            usage_metadata=_counted(usage) if place == 0 else None,
            response_metadata={**about, "finish_reason": choice["finish_reason"]},
        )
        found.append(ChatGeneration(message=message))
    return ChatResult(generations=found, llm_output={"token_usage": usage, **about})


def _calls(calls: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[Any]]:
    """The calls of a reply, and those whose arguments are no JSON object."""
    good: list[Any] = []
    wrong: list[Any] = []
    for call in calls:
        name, written = call["function"]["name"], call["function"]["arguments"]
        try:
            arguments = json.loads(written or "{}")
            if not isinstance(arguments, dict):
                raise ValueError("the arguments are no JSON object")
            good.append(tool_call(name=name, args=arguments, id=call["id"]))
        except (ValueError, RecursionError) as error:
            wrong.append(invalid_tool_call(name=name, args=written, id=call["id"], error=str(error)))
    return good, wrong


def _chunk(event: Mapping[str, Any]) -> ChatGenerationChunk:
    usage = event.get("usage")
    if not event["choices"]:
        counted = None if usage is None else _counted(usage)
        return ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=counted))
    choice = event["choices"][0]
    delta = choice["delta"]
    calls = [
        tool_call_chunk(
            name=call["function"]["name"],
            args=call["function"]["arguments"],
            id=call["id"],
            index=call["index"],
        )
        for call in delta.get("tool_calls") or ()
    ]
    about = {"finish_reason": choice["finish_reason"], "model_name": event["model"]} if choice["finish_reason"] else {}
    return ChatGenerationChunk(
        message=AIMessageChunk(content=delta.get("content") or "", tool_call_chunks=calls, response_metadata=about)
    )


def _counted(usage: Mapping[str, Any]) -> UsageMetadata:
    read, written = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return UsageMetadata(
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        total_tokens=usage["total_tokens"],
        input_token_details={"cache_read": read.get("cached_tokens") or 0},
        output_token_details={"reasoning": written.get("reasoning_tokens") or 0},
    )
