"""Graphs that many people build: strategies of the field as functions that give a `Graph` to run, change or search."""

from __future__ import annotations

from .early_exit import early_exit as early_exit
from .ladder import ladder as ladder
from .search_if_unsure import search_if_unsure as search_if_unsure
from .self_verified import self_verified as self_verified

__all__ = ["early_exit", "ladder", "search_if_unsure", "self_verified"]
