from __future__ import annotations

from typing import Any

import pytest
from mcp.types import AudioContent, CallToolResult, TextContent

from apportion.nodes.servers.results import result_of
from apportion.nodes.tool_costs import ToolResult


def text(said: str) -> TextContent:
    return TextContent(text=said)


@pytest.mark.parametrize(
    ("content", "more", "result"),
    [
        ([], {}, ToolResult("")),
        ([text("a"), text(""), text("b\nc")], {}, ToolResult("a\n\nb\nc")),
        ([text("no")], {"is_error": True}, ToolResult("no", failed=True)),
        ([], {"structured_content": [1, "ü"]}, ToolResult('[1, "ü"]')),
        ([text("a")], {"structured_content": {"b": 1}}, ToolResult("a")),
        ([AudioContent(data="", mime_type="")], {}, ToolResult("[audio of 0 bytes: it cannot be shown as text]")),
    ],
)
def test_a_result_is_a_text(content: list[Any], more: dict[str, Any], result: ToolResult) -> None:
    assert result_of(CallToolResult(content=content, **more)) == result


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", b"x" * 12_345])
def test_data_that_no_text_shows_is_told_by_its_size(data: bytes) -> None:
    from base64 import b64encode

    block = AudioContent(data=b64encode(data).decode(), mime_type="audio/wav")
    told = result_of(CallToolResult(content=[block])).text
    assert told == f"[audio of {len(data):,} bytes, audio/wav: it cannot be shown as text]"
