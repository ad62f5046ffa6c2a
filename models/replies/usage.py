"""What a reply used, from usage records that are whole, partial, too small, or not there.

What is charged is never below what is known: a count that is missing is taken at its bound, and an output that is too
small for the text that came is raised to the least that the text can have taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...records.usage import MOST_TOKENS, Usage
from ..call_bounds import CallBounds

__all__ = ["LONGEST_TOKEN_BYTES", "UsageReading", "read_usage"]

LONGEST_TOKEN_BYTES = 128
"""The longest token of all tiktoken encodings (r50k, p50k, cl100k, o200k: runs of spaces); Mistral's Tekken has 78."""

_PROMPT = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens")
_OUTPUT = ("completion_tokens", "output_tokens", "completionTokens", "outputTokens")
_TOTAL = ("total_tokens", "totalTokens")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
_BESIDE_PROMPT = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic counts these beside `input_tokens`, not within."""

UsageReading = tuple[Usage | None, str]
"""What was used, None where nothing credible was said, and what was odd about the record, for the trace."""


def read_usage(content: object, said: str, bounds: Callable[[], CallBounds]) -> UsageReading:
    """Reads a usage record.

    Where there is none, or nothing credible in it, nothing is known, unless the text alone breaks the output cap.

    Output is at least what the total leaves beside the prompt, since some endpoints count hidden reasoning there
    alone. Where only the total is known it is split so that as much of it as possible is output, which no price list
    makes cheaper than input. Reasoning and cached tokens are parts of output and input, and never more than those.

    Args:
        content: the field `usage`.
        said: the text of the answer, which takes at least a token for every `LONGEST_TOKEN_BYTES`.
        bounds: what the call can use at most; asked only where a count is missing.
    """
    record: Mapping[str, object] = content if isinstance(content, Mapping) else {}
    prompt, output, total = _prompt(record), _count(record, _OUTPUT), _count(record, _TOTAL)
    floor = -(-len(said.encode()) // LONGEST_TOKEN_BYTES)
    if not prompt and not output and not total:
        if floor <= bounds().output_tokens:
            return None, ""
        return Usage(bounds().input_tokens, floor, estimated=True), "no usage, and more text than the output cap allows"
    notes: list[str] = []
    prompt, output = _completed(prompt, output, total or 0, said, bounds, notes)
    if output < floor:
        notes.append(f"{output:,} output tokens reported for {len(said.encode()):,} bytes; charged {floor:,}")
        output = floor
    reasoning = _count(_details(record, "completion_tokens_details", "output_tokens_details"), ("reasoning_tokens",))
    cached = _count(_details(record, "prompt_tokens_details", "input_tokens_details"), _CACHED) or 0
    cached = cached or _count(record, _CACHED) or 0
    usage = Usage(prompt, output, min(reasoning or 0, output), min(cached, prompt), estimated=bool(notes))
    return usage, "; ".join(notes)


def _completed(
    prompt: int | None, output: int | None, total: int, said: str, bounds: Callable[[], CallBounds], notes: list[str]
) -> tuple[int, int]:
    """Prompt and output, from the total or the bounds where they were not reported."""
    if not output and said:
        output = None  # a text takes at least one token, so 0 says that nobody counted
    if not prompt and output is None:
        notes.append("only a total was reported; its split is assumed")
        most = bounds()
        output = max(0, min(total - 1, most.output_tokens))
        return total - output, output
    if prompt:
        if output is None and total <= prompt:
            output = bounds().output_tokens
            notes.append("no output tokens were reported; their bound is charged")
        return prompt, max(output or 0, total - prompt)
    assert output is not None
    if total > output:
        return total - output, output
    notes.append("no prompt tokens were reported; their bound is charged")
    return bounds().input_tokens, output


def _prompt(record: Mapping[str, object]) -> int | None:
    prompt = _count(record, _PROMPT)
    beside = sum(_count(record, (name,)) or 0 for name in _BESIDE_PROMPT)
    if prompt is None or not beside:
        return prompt
    apart = "prompt_tokens" not in record and "input_tokens_details" not in record
    return prompt + beside if apart or beside > prompt else prompt


def _count(record: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    """The first number of tokens under these names; what is no whole number from 0 says nothing."""
    for name in names:
        value = record.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is int and 0 <= value < MOST_TOKENS:
            return value
    return None


def _details(record: Mapping[str, object], *names: str) -> Mapping[str, object]:
    return next((found for name in names if isinstance(found := record.get(name), Mapping)), {})
