"""Node kinds, their prompts by dialect, votes and stop rules, and the knobs that open them to the optimizer.

The names below are loaded when they are first used, so that the solver's process does not load every node kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:  # the same names for type checkers and editors, which read no table; a test holds the two together
    from .agent import Agent as Agent
    from .base import (
        CallBound as CallBound,
        Context as Context,
        Fee as Fee,
        Inputs as Inputs,
        Kind as Kind,
        Node as Node,
    )
    from .decomposer import Decomposer as Decomposer
    from .depth import Depth as Depth
    from .draws import Draws as Draws
    from .function import Function as Function
    from .kinds import KINDS as KINDS, kind_of as kind_of, kinds_with as kinds_with, node_from_json as node_from_json
    from .knob import (
        ANY_MODEL as ANY_MODEL,
        Adaptive as Adaptive,
        Choice as Choice,
        Knob as Knob,
        ModelKnob as ModelKnob,
        adaptive as adaptive,
        choose as choose,
    )
    from .mcp_tools import McpTools as McpTools
    from .merger import Merger as Merger
    from .search import Search as Search
    from .solver import Solver as Solver
    from .symbolic_solver import SymbolicSolver as SymbolicSolver
    from .tool_costs import ToolResult as ToolResult, priced as priced
    from .verifier import Verifier as Verifier

    __all__: list[str]

_HOMES = {
    "agent": ("Agent",),
    "base": ("CallBound", "Context", "Fee", "Inputs", "Kind", "Node"),
    "decomposer": ("Decomposer",),
    "depth": ("Depth",),
    "draws": ("Draws",),
    "function": ("Function",),
    "kinds": ("KINDS", "kind_of", "kinds_with", "node_from_json"),
    "knob": ("ANY_MODEL", "Adaptive", "Choice", "Knob", "ModelKnob", "adaptive", "choose"),
    "mcp_tools": ("McpTools",),
    "merger": ("Merger",),
    "search": ("Search",),
    "solver": ("Solver",),
    "symbolic_solver": ("SymbolicSolver",),
    "tool_costs": ("ToolResult", "priced"),
    "verifier": ("Verifier",),
}

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
