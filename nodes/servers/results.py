"""What an MCP tool returned, as a text for a model."""

from __future__ import annotations

import json
from typing import Any

from ..tool_costs import ToolResult

__all__ = ["result_of"]


def result_of(result: Any) -> ToolResult:
    """The result of a call as a tool's own.

    Texts are as they are, one below the other, those of embedded resources too. Of what is no text, such as images, a
    line says that it was there. Where there is nothing but a structured result, that is it.

    Args:
        result: a `CallToolResult` of the MCP client.
    """
    parts = [_text(block) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return ToolResult("\n".join(parts), failed=bool(result.is_error))


def _text(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "resource_link":
            return f"[resource {block.name}: {block.uri}]"
        case "resource":
            resource = block.resource
            text = getattr(resource, "text", None)
            if text is not None:
                return str(text)
            return _unshown(f"resource {resource.uri}", resource.mime_type, resource.blob)
        case kind:
            return _unshown(kind, block.mime_type, block.data)


def _unshown(what: str, mime_type: str | None, data: str) -> str:
    """A line in place of data that no text shows.

    Args:
        what: it is.
        mime_type: as the server says.
        data: in base64.
    """
    size = len(data.rstrip("=")) * 3 // 4
    return f"[{what} of {size:,} bytes{f', {mime_type}' if mime_type else ''}: it cannot be shown as text]"
