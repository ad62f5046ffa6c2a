"""Somebody's own app as a graph: its roles are nodes, and a plan says who answers for them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..apps.programs import compiled
from ..apps.skipping import skippable_name
from ..errors import GraphError, UsageError
from ..nodes.app import App, UnknownModels
from ..nodes.app_source import nodes_of
from ..nodes.app_step import AppStep
from ..nodes.callables import Given, Imported
from ..nodes.kinds import Kinds
from ..nodes.role import Role
from ..records.display import visible
from .draw import ENTITIES, DrawingFormat
from .graph import Graph
from .plan import Plan

__all__ = ["Workflow", "check_langgraph"]

_NO_NAME = re.compile(r"[^\w-]+")


class Workflow(Graph):
    """An app of your own, unchanged, as a graph: what it asks of models by name are its roles, and a plan answers.

    It runs, searches and is deployed as any graph. Its calls cannot be foreseen, so that every run needs
    `Cap(per_task=...)`; a call that does not fit is refused, as HTTP 402 in OpenAI's shape, and the app may catch it::

        workflow = Workflow(answer, roles={"router": Role(), "grader": Role(models=["small", "large"])})
        report = optimize(workflow, tasks, pool, cap=Cap(per_task=4_000), spend=500_000)

    Args:
        app: a LangGraph `StateGraph` or compiled graph; a function, sync or async, from the question to the answer; or
            a command, as a list or one line, that reads the question on its standard input and prints the answer.
        roles: by the model name that the app asks for.
        question: of a LangGraph app: the key of its state that takes the question.
        answer: of a LangGraph app: the key of its state that holds the answer.
        name: a label for people; the app's own name where it is left out.
        steps: names that a function or a command has marked as `skippable`; those of a LangGraph app are found.
        unknown_models: what becomes of a request for a model that is no role: refused, or passed to the model so named.
        timeout_seconds: after so long a run of the app is ended.
        at_once: the most runs of the app at a time.
        refusals: how many calls may get no reply, as they do not fit or fail, before a run of the app is ended.

    Raises:
        GraphError: it is no app, or has no roles.
    """

    def __init__(
        self,
        app: Any,
        roles: Mapping[str, Role],
        question: str = "question",
        answer: str = "answer",
        *,
        name: str = "",
        steps: Iterable[str] = (),
        unknown_models: UnknownModels = "refuse",
        timeout_seconds: float = 600.0,
        at_once: int = 64,
        refusals: int = 1_000,
    ) -> None:
        if not roles:
            raise GraphError('an app needs roles, the model names that it asks for: roles={"router": Role()}')
        if not isinstance(roles, Mapping):
            raise UsageError(f'roles must be a dictionary such as {{"router": Role()}}, not {roles!r:.60}')
        if isinstance(steps, str):
            raise UsageError(f"steps must be a list of names, not a text; write steps=[{steps!r}]")
        for role, node in roles.items():
            if not isinstance(role, str) or not role:
                raise UsageError(f"a role is named by the model that the app asks for, not by {role!r:.40}")
            if not isinstance(node, Role):
                raise UsageError(f"role {role!r} must be a Role, not {node!r:.40}; write Role()")
        super().__init__(name or _name_of(app))
        taken = {"app", "task", "out"}
        nodes = {role: _free(role, taken) for role in roles}
        for role, place in nodes.items():
            own = roles[role] if place == role else roles[role].model_copy(update={"asked_as": role})
            self.add(place, own)
        found = {step: _free(step, taken) for step in dict.fromkeys((*steps, *_marked(app)))}
        for place in found.values():
            self.add(place, AppStep())
        self.add(
            "app",
            App.model_validate(
                {
                    "app": app,
                    "question": question,
                    "answer": answer,
                    "roles": tuple(nodes.items()),
                    "steps": tuple(found.items()),
                    "unknown_models": unknown_models,
                    "timeout_seconds": timeout_seconds,
                    "at_once": at_once,
                    "refusals": refusals,
                }
            ),
        )
        for place in (*nodes.values(), *found.values()):
            self.connect(place, "app")

    @classmethod
    def from_json(cls, text: str, *, kinds: Kinds = (), allow: Collection[str] = ()) -> Graph:
        """See `Graph.from_json`; an app in a file is a graph like any other."""
        return Graph.from_json(text, kinds=kinds, allow=allow)

    def draw(self, format: DrawingFormat = "mermaid", plan: Plan | None = None) -> str:
        """See `Graph.draw`; in Mermaid, a LangGraph app is drawn with its own nodes and edges below its roles."""
        drawn = super().draw(format, plan)
        source: Any = self.nodes["app"]
        app = source.app.function() if isinstance(source.app, Imported | Given) else None
        return drawn + _inner_mermaid(app) if format == "mermaid" and app is not None else drawn


def _inner_mermaid(app: Any) -> str:
    """The nodes and edges of a LangGraph app as a part of a Mermaid flowchart; empty where it has none."""
    if not nodes_of(app):
        return ""
    drawn = compiled(app).get_graph()
    ids = {name: f"a{position}" for position, name in enumerate(drawn.nodes)}
    lines = ['  subgraph inside["inside app"]']
    lines += [f'    {short}["{visible(str(name)).translate(ENTITIES)}"]' for name, short in ids.items()]
    for edge in drawn.edges:
        said = "" if edge.data is None else f'|"{visible(str(edge.data)).translate(ENTITIES)}"|'
        lines.append(f"    {ids[edge.source]} {'-.->' if edge.conditional else '-->'}{said} {ids[edge.target]}")
    return "\n".join([*lines, "  end", ""])


def _free(name: str, taken: set[str]) -> str:
    """A name for a node, as near to a name as nodes' names may be."""
    wanted = _NO_NAME.sub("-", name).strip("-_") or "role"
    found, number = wanted, 1
    while found in taken:
        number += 1
        found = f"{wanted}-{number}"
    taken.add(found)
    return found


def _name_of(app: Any) -> str:
    if isinstance(app, str):
        return app
    if isinstance(app, Sequence):
        return " ".join(map(str, app))
    found = getattr(app, "__name__", None) or getattr(app, "name", None)
    return found if isinstance(found, str) and found else "app"


def check_langgraph(app: Any) -> None:
    """Makes sure that an app is one of LangGraph.

    Raises:
        UsageError: it is not.
    """
    if not nodes_of(app):
        raise UsageError(
            f"from_langgraph takes a StateGraph with nodes, compiled or not, and no {type(app).__name__}; for a "
            "function or a command write Workflow(app, roles)"
        )


def _marked(app: Any) -> list[str]:
    """The steps of a LangGraph app that were marked with `skippable`, each once."""
    found = []
    for runnable in nodes_of(app).values():
        for function in (getattr(runnable, "func", None), getattr(runnable, "afunc", None)):
            name = skippable_name(function)
            if name is not None and name not in found:
                found.append(name)
    return found
