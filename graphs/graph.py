"""A graph of nodes and edges as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Self

from ..budgets.cap import Cap
from ..errors import GraphError, UnknownName
from ..models.pool import Pool
from ..nodes.base import Node
from ..nodes.kinds import Kinds, kind_of, kinds_from, kinds_named, node_from_json
from ..nodes.knob import Adaptive, Choice, options
from ..records.message import Forward
from .blueprint import Blueprint, GraphContent
from .checks import check_name, checked
from .edges import Each, Edge, Loop, edge_name, forward_policy, round_bounds
from .gate import Gate, gate_from_json
from .space import Space

if TYPE_CHECKING:
    from langgraph.graph import StateGraph

    from ..records.protocols import StudyStore
    from ..records.task import Task
    from .draw import DrawingFormat
    from .plan import Plan
    from .result import Grader, Result
    from .workflow import Workflow

__all__ = ["Graph"]


class Graph:
    """A pipeline as data: what the optimizer searches over and what a plan belongs to.

    Nodes without incoming edges are asked the task's question; so are those named by `start`. The node without
    outgoing edges gives the answer. The graph is checked when it is first used; later changes check it again::

        graph = Graph("sums")
        graph.add("solve", Solver(model="*", samples=choose(1, 3, 5)))
        graph.add("check", Verifier(model="*"))
        graph.connect("solve", "check", optional=False)
        graph.loop("check", "solve", rounds=choose(1, 2))

    Args:
        name: a label for people.
        kinds: your own node kinds, beside those of the package and of installed ones; or a whole table by name.
    """

    def __init__(self, name: str, *, kinds: Kinds = ()) -> None:
        self.name = name
        self.kinds = kinds_from(kinds)
        self._nodes: dict[str, Node] = {}
        self._edges: dict[str, Edge] = {}
        self._groups: list[Each] = []
        self._loops: dict[str, Loop] = {}
        self._starts: list[str] = []
        self._finish: str | None = None
        self._blueprint: Blueprint | None = None

    def add(self, name: str, node: Node) -> Self:
        """Adds a node.

        Raises:
            GraphError: the name is taken, or has characters that edges and knobs need, or the node's kind takes other
                settings.
            UnknownName: the graph's `kinds` do not have the node's kind.
        """
        check_name(name)
        if not isinstance(node, Node):
            raise GraphError(f"node {name!r} must be a node such as Solver() or Function(...), not {node!r:.40}")
        if name in self._nodes:
            raise GraphError(f"graph {self.name!r} already has a node {name!r}; names must differ")
        kind_of(node, self.kinds)
        self._nodes[name] = node
        return self._changed()

    def connect(
        self,
        source: str,
        target: str,
        *,
        optional: bool = False,
        forward: str | Forward | Choice[Any] = Forward.FULL,
        when: Gate | None = None,
    ) -> Self:
        """Sends the messages of one node to another.

        Args:
            source: the node that writes.
            target: the node that reads, after all its inputs are there.
            optional: whether a plan may leave the edge out.
            forward: what passes: "full", "answer", "truncated", or a choice of these.
            when: opens the edge only where the message that would pass says so; None: always.

        Raises:
            UnknownName: there is no such node or policy.
            GraphError: the two are one node, or are connected already.
        """
        name = self._pair(source, target)
        if name in self._edges:
            raise GraphError(f"edge {name!r} exists already")
        if when is not None and not isinstance(when, Gate):
            raise GraphError(f"edge {name!r}: `when` must be a Gate, not {when!r}")
        self._edges[name] = Edge(source, target, optional, forward_policy(forward, f"edge {name!r}"), when)
        return self._changed()

    def each(self, split: str, solve: str, merge: str) -> Self:
        """Runs `solve` once per part that `split` makes and joins the results in `merge`.

        A part that needs the answer of another runs after it, others at the same time. The three edges between them
        are implied; connect them yourself only to set what they forward.

        Raises:
            UnknownName: there is no such node.
            GraphError: the three are not three nodes.
        """
        group = Each(split, solve, merge)
        for pair in group.pairs:
            self._pair(*pair)
        self._groups.append(group)
        return self._changed()

    def loop(
        self,
        check: str,
        solve: str,
        *,
        rounds: Any = 2,
        forward: str | Forward | Choice[Any] = Forward.FULL,
    ) -> Self:
        """Leads back from `check` to `solve`, until the check accepts or the rounds are used up.

        Args:
            check: the last node of a round; it leaves the loop when its message says accepted.
            solve: the first node of a round; from the second on it sees what the check said.
            rounds: the most rounds, `adaptive(low, high)`, or a choice of these.
            forward: what the next round sees of the check.

        Raises:
            UnknownName: there is no such node or policy.
            GraphError: the two are one node, are looped already, or the rounds are not numbers of at least 1.
        """
        name = self._pair(check, solve)
        if name in self._loops:
            raise GraphError(f"loop {name!r} exists already")
        for option in options(rounds):
            round_bounds(option, f"loop {name!r}")
        self._loops[name] = Loop(check, solve, rounds, forward_policy(forward, f"loop {name!r}"))
        return self._changed()

    def start(self, *names: str) -> Self:
        """Says that these nodes can work from the task alone, whatever else they may be given.

        Needed only where all edges into a node are optional and it is to run without them too.

        Raises:
            UnknownName: there is no such node.
        """
        for name in names:
            self._known(name)
            if name not in self._starts:
                self._starts.append(name)
        return self._changed()

    def finish(self, name: str) -> Self:
        """Says which node gives the answer, where it is not the only one without outgoing edges.

        Raises:
            UnknownName: there is no such node.
        """
        self._known(name)
        self._finish = name
        return self._changed()

    @property
    def blueprint(self) -> Blueprint:
        """The graph, checked and frozen.

        Raises:
            GraphError: it is not valid; the message names the node or the edge.
        """
        if self._blueprint is None:
            edges, loops = self._all_edges(), self._loops.values()
            self._blueprint = checked(
                self.name, self.kinds, self._nodes, edges, self._groups, loops, self._starts, self._finish
            )
        return self._blueprint

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name, in the order in which they were added."""
        return self.blueprint.nodes

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, those of groups included and those of loops excepted."""
        return self.blueprint.edges

    @property
    def hash(self) -> str:
        """Of the canonical JSON, 16 hexadecimal digits; a plan names it.

        Raises:
            GraphError: the graph is not valid.
        """
        return self.blueprint.hash

    def to_json(self) -> str:
        """The canonical JSON, which `from_json` reads.

        Raises:
            GraphError: the graph is not valid.
        """
        return self.blueprint.to_json()

    @classmethod
    def from_json(cls, text: str, *, kinds: Kinds = (), allow: Collection[str] = ()) -> Graph:
        """Reads what `to_json` wrote. The text is data: what it names is imported or started only where it is admitted.

        Args:
            text: the JSON.
            kinds: as for the graph itself.
            allow: modules that are admitted with all that is below them, for kinds and functions; and commands of MCP
                servers and apps, word for word, such as "mcp:python server.py" and "app:python app.py".

        Raises:
            GraphError: it is not such JSON, or a node was written by another version of its kind.
            UnknownName: a node's kind is not known.
            UsageError: it names a module or a command that is not admitted; the message has the option that admits it.
        """
        content = GraphContent.of(text)
        used = [kind for _, fields in content.nodes if isinstance(kind := fields.get("kind"), str)]
        graph = cls(content.name, kinds=kinds_named(used, content.kinds, kinds_from(kinds), allow))
        for name, fields in content.nodes:
            graph.add(name, node_from_json(fields, graph.kinds, allow=allow))
        try:
            for source, target, optional, forward, *gates in content.edges:
                gate = gate_from_json(gates[0]) if gates else None
                graph.connect(source, target, optional=optional, forward=_choice(forward), when=gate)
            for split, solve, merge in content.each:
                graph.each(split, solve, merge)
            for check, solve, rounds, forward in content.loops:
                graph.loop(check, solve, rounds=_rounds(rounds), forward=_choice(forward))
        except (TypeError, ValueError) as problem:
            raise GraphError(f"not the JSON of a graph: a choice of an edge or a loop: {problem}") from problem
        graph.start(*content.start)
        return graph.finish(content.finish)

    @classmethod
    def from_langgraph(
        cls, app: Any, roles: Mapping[str, Any], question: str = "question", answer: str = "answer", **settings: Any
    ) -> Workflow:
        """A LangGraph app of your own as a graph: the models that it asks for are its roles, see `Workflow`.

        It runs as by itself, with its own recursion limit, retries, streams, checkpoints and interrupts.

        Args:
            app: a `StateGraph`, or what its `compile()` gave.
            roles: a `Role` by each model name that the app asks for.
            question: the key of its state that takes the question.
            answer: the key of its state that holds the answer.
            settings: further ones of `Workflow`.

        Raises:
            UsageError: it is no such app.
        """
        from .workflow import Workflow, check_langgraph

        check_langgraph(app)
        return Workflow(app, roles, question, answer, **settings)

    def space(self, pool: Pool) -> Space:
        """All plans that the graph and a pool admit.

        Raises:
            GraphError: the graph is not valid.
        """
        return Space(self, pool)

    def to_langgraph(self, plan: Plan, pool: Pool) -> StateGraph[Any, Any, Any, Any]:
        """What a plan leaves of the graph, as an uncompiled LangGraph `StateGraph`.

        Its input is the channel `task` (a `Task`), its output the channel `out` (a `Message`); each node writes the
        channel `name.message`. It runs with the context that `Runner.session` gives, so that inside another LangGraph
        app its calls are metered as everywhere else.

        Raises:
            GraphError: the graph is not valid.
            PlanError, UnknownName: the plan does not belong to it.
        """
        from .compile import to_state_graph

        space = Space(self, pool)
        return to_state_graph(space.active(space.canonical(plan).edges))

    def run(
        self,
        task: Task | str,
        plan: Plan | None = None,
        *,
        pool: Pool,
        cap: Cap | None = None,
        store: StudyStore | None = None,
        metric: Grader | None = None,
    ) -> Result:
        """Answers one question; `arun` for sync code, also where an event loop is running.

        Args:
            task: the task or the question.
            plan: every open knob's first value and all optional edges where it is left out.
            pool: the models.
            cap: the ceiling of this run.
            store: where accounts, replies and traces are kept; in memory, and then gone, where it is left out.
            metric: scores the answer, `(task, answer) -> float`; or the `Result`, where its second parameter is called
                `result`. It may be asynchronous. A `Judge` is charged beside the run, within the cap.

        Raises:
            GraphError: the graph is not valid.
            PlanError, UnknownName: the plan does not belong to it.
            Infeasible: not even the cheapest plan fits under the cap; nothing was called.
            BudgetBreach: a model charged more than its reservation.
            NodeFailed: the code of a node failed.
        """
        from .portal import run_closing

        return run_closing(
            Pool.given(pool).aclose, self.arun, task, plan, pool=pool, cap=cap, store=store, metric=metric
        )

    async def arun(
        self,
        task: Task | str,
        plan: Plan | None = None,
        *,
        pool: Pool,
        cap: Cap | None = None,
        store: StudyStore | None = None,
        metric: Grader | None = None,
    ) -> Result:
        """Answers one question; arguments and errors are those of `run`. For many questions use a `Runner`."""
        from .single import run_single

        limit = None if cap is None else Cap.given(cap)
        return await run_single(self, task, plan, Pool.given(pool), limit, store, metric)

    def draw(self, format: DrawingFormat = "mermaid", plan: Plan | None = None) -> str:
        """A drawing: Mermaid text, or an SVG file that needs nothing else.

        Args:
            format: "mermaid" or "svg".
            plan: greys out what does not run under it and shows the values of its knobs.

        Raises:
            GraphError: the graph is not valid.
            UnknownName: there is no such format.
        """
        from .draw import draw

        return draw(self, format, plan)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self._nodes)} nodes)"

    def _changed(self) -> Self:
        self._blueprint = None
        return self

    def _known(self, name: str) -> None:
        if name not in self._nodes:
            raise UnknownName(f"node of graph {self.name!r}", name, self._nodes)

    def _pair(self, source: str, target: str) -> str:
        self._known(source)
        self._known(target)
        if source == target:
            edge = edge_name(source, target)
            raise GraphError(f"{edge!r} joins a node to itself; repetition inside a node is a knob")
        return edge_name(source, target)

    def _all_edges(self) -> list[Edge]:
        """The user's edges and those that groups imply, in the order of their nodes."""
        found = dict(self._edges)
        for group in self._groups:
            for pair in group.pairs:
                found.setdefault(edge_name(*pair), Edge(*pair))
        order = {name: position for position, name in enumerate(self._nodes)}
        return sorted(found.values(), key=lambda edge: (order[edge.source], order[edge.target]))


def _choice(value: Any) -> Any:
    return Choice(tuple(value["choose"])) if isinstance(value, dict) and "choose" in value else value


def _rounds(value: Any) -> Any:
    if isinstance(value, dict) and "choose" in value:
        return Choice(tuple(_rounds(option) for option in value["choose"]))
    return Adaptive.model_validate(value) if isinstance(value, dict) else value
