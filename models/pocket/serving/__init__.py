"""The embedded models behind an HTTP server that OpenAI's clients can talk to; on this machine only."""

from __future__ import annotations

from .server import PocketServer

__all__ = ["PocketServer"]
