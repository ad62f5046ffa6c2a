"""Which model answers each step of an agent graph, with how much compute, under one hard token cap.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .budgets.cap import Cap
    from .errors import ApportionError, BudgetBreach, Infeasible, UsageError
    from .graphs.graph import Graph
    from .graphs.plan import Plan
    from .graphs.result import Result
    from .graphs.space import Space
    from .models.openai_compatible import OpenAIModel
    from .models.pocket import load_pocket_models
    from .models.pool import Pool
    from .nodes.decomposer import Decomposer
    from .nodes.knob import adaptive, choose
    from .nodes.merger import Merger
    from .nodes.search import Search
    from .nodes.solver import Solver
    from .nodes.symbolic.node import SymbolicSolver
    from .nodes.verifier import Verifier
    from .optimizers.serving.policy import DeployedPolicy as Policy
    from .optimizers.study.optimize import optimize, optimize_async
    from .optimizers.study.report import StudyReport
    from .records.status import Status
    from .records.task import Task
    from .stores.opening import open_store
    from .tasks.devset import load_tasks
    from .tasks.families import generate

__all__ = [
    "ApportionError",
    "BudgetBreach",
    "Cap",
    "Decomposer",
    "Graph",
    "Infeasible",
    "Merger",
    "OpenAIModel",
    "Plan",
    "Policy",
    "Pool",
    "Result",
    "Search",
    "Solver",
    "Space",
    "Status",
    "StudyReport",
    "SymbolicSolver",
    "Task",
    "UsageError",
    "Verifier",
    "adaptive",
    "choose",
    "generate",
    "load_pocket_models",
    "load_tasks",
    "open_store",
    "optimize",
    "optimize_async",
]

_HOME = {
    "ApportionError": "errors",
    "BudgetBreach": "errors",
    "Cap": "budgets.cap",
    "Decomposer": "nodes.decomposer",
    "Graph": "graphs.graph",
    "Infeasible": "errors",
    "Merger": "nodes.merger",
    "OpenAIModel": "models.openai_compatible",
    "Plan": "graphs.plan",
    "Policy": "optimizers.serving.policy:DeployedPolicy",
    "Pool": "models.pool",
    "Result": "graphs.result",
    "Search": "nodes.search",
    "Solver": "nodes.solver",
    "Space": "graphs.space",
    "Status": "records.status",
    "StudyReport": "optimizers.study.report",
    "SymbolicSolver": "nodes.symbolic.node",
    "Task": "records.task",
    "UsageError": "errors",
    "Verifier": "nodes.verifier",
    "adaptive": "nodes.knob",
    "choose": "nodes.knob",
    "generate": "tasks.families",
    "load_pocket_models": "models.pocket",
    "load_tasks": "tasks.devset",
    "open_store": "stores.opening",
    "optimize": "optimizers.study.optimize",
    "optimize_async": "optimizers.study.optimize",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, own_name = home.partition(":")
    value = getattr(import_module(f".{module}", __name__), own_name or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
