"""Node kinds, their prompts by dialect, votes and stop rules, and the knobs that open them to the optimizer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import CallBound, Context, Inputs, Kind, Node
    from .decomposer import Decomposer
    from .depth import Depth
    from .draws import Draws
    from .kinds import KINDS, kind_of, kinds_with, node_from_json
    from .knob import ANY_MODEL, Adaptive, Choice, Knob, ModelKnob, adaptive, choose
    from .merger import Merger
    from .search import Search
    from .solver import Solver
    from .symbolic.node import SymbolicSolver
    from .verifier import Verifier

__all__ = [
    "ANY_MODEL",
    "KINDS",
    "Adaptive",
    "CallBound",
    "Choice",
    "Context",
    "Decomposer",
    "Depth",
    "Draws",
    "Inputs",
    "Kind",
    "Knob",
    "Merger",
    "ModelKnob",
    "Node",
    "Search",
    "Solver",
    "SymbolicSolver",
    "Verifier",
    "adaptive",
    "choose",
    "kind_of",
    "kinds_with",
    "node_from_json",
]

_HOMES = {
    "base": ("CallBound", "Context", "Inputs", "Kind", "Node"),
    "kinds": ("KINDS", "kind_of", "kinds_with", "node_from_json"),
    "knob": ("ANY_MODEL", "Adaptive", "Choice", "Knob", "ModelKnob", "adaptive", "choose"),
    "decomposer": ("Decomposer",),
    "depth": ("Depth",),
    "draws": ("Draws",),
    "merger": ("Merger",),
    "search": ("Search",),
    "solver": ("Solver",),
    "symbolic.node": ("SymbolicSolver",),
    "verifier": ("Verifier",),
}
"""Names by module; imported when first asked for, so that the solver's process does not load every node kind."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
