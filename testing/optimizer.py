"""What every optimizer must do, as a test class to subclass.

Example:
    ```python
    class TestMyOptimizer(OptimizerConformance):
        def make(self, spec: Brief) -> Optimizer:
            return MyOptimizer(spec)
    ```
"""

from __future__ import annotations

import random

from ..graphs.graph import Graph
from ..graphs.plan import Plan
from ..graphs.space import Space
from ..models.pool import Pool
from ..nodes.knob import choose
from ..nodes.solver import Solver
from ..nodes.verifier import Verifier
from ..optimizers.search.base import Optimizer, ProblemSpec
from ..optimizers.search.measurement import Measurement, Outcome
from ..records.status import Status
from .scripted import ScriptedModel

__all__ = ["OptimizerConformance", "planted_outcome", "planted_space", "race"]

_MOST_TURNS = 200


class OptimizerConformance:
    """The tests; see the text of this module."""

    def make(self, spec: ProblemSpec) -> Optimizer:
        """Makes the optimizer under test."""
        raise NotImplementedError

    def test_ends(self) -> None:
        """Proposals run out."""
        spec = ProblemSpec(planted_space(), tasks=60, affordable=1e9)
        race(self.make(spec))

    def test_proposes_canonical_plans_of_the_space_within_the_tasks(self) -> None:
        """Nothing is proposed that cannot be measured, or that is measured already."""
        spec = ProblemSpec(planted_space(), tasks=60, affordable=1e9)
        optimizer = self.make(spec)
        measured: dict[str, Measurement] = {}
        for _ in range(_MOST_TURNS):
            proposals = optimizer.propose(measured)
            if not proposals:
                return
            assert len({proposal.plan.hash for proposal in proposals}) == len(proposals)
            for proposal in proposals:
                assert spec.space.canonical(proposal.plan) == proposal.plan
                known = measured.get(proposal.plan.hash)
                assert (len(known.outcomes) if known else 0) < proposal.tasks <= spec.tasks
                measured[proposal.plan.hash] = _extended(known, proposal.plan, proposal.tasks)

    def test_asks_the_same_when_told_the_same(self) -> None:
        """A stopped study is resumed by asking again from the start."""
        spec = ProblemSpec(planted_space(), tasks=60, affordable=1e9, seed=7)
        first, second = self.make(spec), self.make(spec)
        measured = race(first)
        assert race(second) == measured
        assert list(first.survivors(measured)) == list(second.survivors(measured))
        assert list(self.make(spec).propose({})) == list(first.propose({}))

    def test_survivors_were_measured(self) -> None:
        """What goes on to validation has been seen on fit, each plan once, and the best of what was seen is there."""
        optimizer = self.make(ProblemSpec(planted_space(), tasks=60, affordable=1e9))
        measured = race(optimizer)
        survivors = [plan.hash for plan in optimizer.survivors(measured)]
        assert survivors
        assert len(set(survivors)) == len(survivors)
        assert set(survivors) <= set(measured)
        longest = max(len(m.outcomes) for m in measured.values())
        best = max(m.score for m in measured.values() if len(m.outcomes) == longest)
        assert max(measured[name].score for name in survivors) == best

    def test_nothing_measured_has_no_survivors(self) -> None:
        """Also when the spend ran out at once."""
        assert list(self.make(ProblemSpec(planted_space(), tasks=60, affordable=1e9)).survivors({})) == []

    def test_a_space_of_one_plan(self) -> None:
        """There may be nothing to choose."""
        graph = Graph("one").add("solve", Solver(model="only", samples=1))
        spec = ProblemSpec(graph.space(Pool([ScriptedModel(lambda _: "", name="only")])), tasks=40, affordable=1e9)
        optimizer = self.make(spec)
        assert list(optimizer.survivors(race(optimizer))) == [spec.space.default()]


def planted_space() -> Space:
    """Plans over two models, samples, styles, output caps, and one optional edge."""
    graph = Graph("planted")
    graph.add(
        "solve", Solver(samples=choose(1, 3, 5), style=choose("direct", "think"), max_output_tokens=choose(16, 64))
    )
    graph.add("again", Solver(style=choose("direct", "think"), samples=1))
    graph.add("judge", Verifier(method="vote", model="small"))
    graph.connect("solve", "judge")
    graph.connect("again", "judge", optional=True)
    return graph.space(Pool([ScriptedModel(lambda _: "", name=name) for name in ("small", "large")]))


def planted_outcome(plan: Plan, task: int) -> tuple[float, float]:
    """Score and cost: samples and the large model help, a larger output cap and the second solver only cost."""
    values = plan.values
    large, samples = values.get("solve.model") == "large", values.get("solve.samples", 1)
    chance = 0.3 + 0.08 * samples + (0.2 if large else 0.0)
    luck = random.Random(f"{samples}/{large}/{task}").random()
    cost = samples * values.get("solve.max_output_tokens", 16) * (2 if large else 1) + 100 * len(plan.edges)
    return float(luck < chance), float(cost)


def race(optimizer: Optimizer) -> dict[str, Measurement]:
    """Answers proposals with planted outcomes until there are none."""
    measured: dict[str, Measurement] = {}
    for _ in range(_MOST_TURNS):
        proposals = optimizer.propose(measured)
        if not proposals:
            return measured
        for proposal in proposals:
            measured[proposal.plan.hash] = _extended(measured.get(proposal.plan.hash), proposal.plan, proposal.tasks)
    raise AssertionError(f"there were still proposals after {_MOST_TURNS} turns")


def _extended(known: Measurement | None, plan: Plan, tasks: int) -> Measurement:
    start = len(known.outcomes) if known else 0
    outcomes = tuple(Outcome(f"t{i}", Status.OK, *planted_outcome(plan, i), 0.0) for i in range(start, tasks))
    return Measurement(plan, (*known.outcomes, *outcomes) if known else outcomes)
