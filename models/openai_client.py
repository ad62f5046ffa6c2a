"""All that differs between version 2 of the package openai, which is built on httpx, and version 3, built on httpx2."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import openai

__all__ = ["http"]

_THIRD = int(openai.__version__.partition(".")[0]) >= 3

if TYPE_CHECKING:
    import httpx2 as http
else:
    http = import_module("httpx2" if _THIRD else "httpx")
