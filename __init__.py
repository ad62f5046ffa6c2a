"""Which model answers each step of an agent graph, with how much compute, under one hard token cap.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import lazy_names

if TYPE_CHECKING:  # the same names for type checkers and editors, which read no table; a test holds the two together
    from .apps.chat_model import chat_model as chat_model
    from .apps.clients import async_openai_client as async_openai_client, openai_client as openai_client
    from .apps.run import run_endpoint as run_endpoint
    from .apps.skipping import skippable as skippable
    from .budgets.cap import Cap as Cap
    from .errors import (
        ApportionError as ApportionError,
        BudgetBreach as BudgetBreach,
        Infeasible as Infeasible,
        UsageError as UsageError,
    )
    from .graphs.gate import Gate as Gate
    from .graphs.graph import Graph as Graph
    from .graphs.plan import Plan as Plan
    from .graphs.result import Result as Result
    from .graphs.space import Space as Space
    from .graphs.workflow import Workflow as Workflow
    from .models.openai_compatible import OpenAIModel as OpenAIModel
    from .models.pocket import load_pocket_models as load_pocket_models
    from .models.pool import Pool as Pool
    from .nodes.agent import Agent as Agent
    from .nodes.decomposer import Decomposer as Decomposer
    from .nodes.function import Function as Function
    from .nodes.knob import adaptive as adaptive, choose as choose
    from .nodes.mcp_tools import McpTools as McpTools
    from .nodes.merger import Merger as Merger
    from .nodes.role import Role as Role
    from .nodes.search import Search as Search
    from .nodes.solver import Solver as Solver
    from .nodes.symbolic_solver import SymbolicSolver as SymbolicSolver
    from .nodes.tool_costs import ToolResult as ToolResult, priced as priced
    from .nodes.verifier import Verifier as Verifier
    from .optimizers.policies.sequential_policy import STOP as STOP, Seen as Seen, SequentialPolicy as SequentialPolicy
    from .optimizers.serving.policy import DeployedPolicy
    from .optimizers.study.optimize import optimize as optimize, optimize_async as optimize_async
    from .optimizers.study.report import StudyReport as StudyReport
    from .optimizers.tables.table import UNANSWERED as UNANSWERED
    from .records.output import JsonOutput as JsonOutput, OneOf as OneOf
    from .records.prompt import Prompt as Prompt
    from .records.status import Status as Status
    from .records.task import Task as Task
    from .stores.opening import open_store as open_store
    from .tasks.devset import load_tasks as load_tasks
    from .tasks.families import generate as generate
    from .tasks.judge import Judge as Judge

    Policy = DeployedPolicy

    __all__: list[str]

_HOMES = {
    "apps.chat_model": ("chat_model",),
    "apps.clients": ("async_openai_client", "openai_client"),
    "apps.run": ("run_endpoint",),
    "apps.skipping": ("skippable",),
    "budgets.cap": ("Cap",),
    "errors": ("ApportionError", "BudgetBreach", "Infeasible", "UsageError"),
    "graphs.gate": ("Gate",),
    "graphs.graph": ("Graph",),
    "graphs.plan": ("Plan",),
    "graphs.result": ("Result",),
    "graphs.space": ("Space",),
    "graphs.workflow": ("Workflow",),
    "models.openai_compatible": ("OpenAIModel",),
    "models.pocket": ("load_pocket_models",),
    "models.pool": ("Pool",),
    "nodes.agent": ("Agent",),
    "nodes.decomposer": ("Decomposer",),
    "nodes.function": ("Function",),
    "nodes.knob": ("adaptive", "choose"),
    "nodes.mcp_tools": ("McpTools",),
    "nodes.merger": ("Merger",),
    "nodes.role": ("Role",),
    "nodes.search": ("Search",),
    "nodes.solver": ("Solver",),
    "nodes.symbolic_solver": ("SymbolicSolver",),
    "nodes.tool_costs": ("ToolResult", "priced"),
    "nodes.verifier": ("Verifier",),
    "optimizers.policies.sequential_policy": ("STOP", "Seen", "SequentialPolicy"),
    "optimizers.serving.policy": ("DeployedPolicy as Policy",),
    "optimizers.study.optimize": ("optimize", "optimize_async"),
    "optimizers.study.report": ("StudyReport",),
    "optimizers.tables.table": ("UNANSWERED",),
    "records.output": ("JsonOutput", "OneOf"),
    "records.prompt": ("Prompt",),
    "records.status": ("Status",),
    "records.task": ("Task",),
    "stores.opening": ("open_store",),
    "tasks.devset": ("load_tasks",),
    "tasks.families": ("generate",),
    "tasks.judge": ("Judge",),
}

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
