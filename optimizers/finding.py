"""The base of what is reported."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Finding"]


class Finding(BaseModel):
    """A part of a report: frozen, and read back from its own JSON; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
