"""All that differs between version 2 of the package openai, which is built on httpx, and version 3, built on httpx2."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import openai

__all__ = ["AIOHTTP_MISSING", "http"]

_THIRD = int(openai.__version__.partition(".")[0]) >= 3

if TYPE_CHECKING:
    import httpx2 as http
else:
    http = import_module("httpx2" if _THIRD else "httpx")

_NEEDED = ("aiohttp",) if _THIRD else ("aiohttp", "httpx_aiohttp")
AIOHTTP_MISSING = next((name for name in _NEEDED if find_spec(name) is None), "")
"""The package that the transport "aiohttp" lacks, by the name of its module; empty where it can be used."""
