from __future__ import annotations

import pytest

from apportion import Cap, Gate, Graph, Pool, Solver, Task, Verifier, choose, optimize
from apportion.graphs.gate import GateReading
from apportion.graphs.resolved import resolve
from apportion.models.request import Request
from apportion.optimizers.analysis.gate_openings import gate_openings
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.records.status import Status
from apportion.testing.scripted import ScriptedModel


def number(request: Request) -> int:
    return int(request.messages[-1].content.split("#")[1].split("?")[0])


def test_a_study_says_how_often_a_gate_opened_and_what_either_side_came_to() -> None:
    """The small model's samples differ on every fourth question, of which the large one gets two of three right."""

    def small(request: Request) -> str:
        return f"Answer: {'yes' if number(request) % 4 or not request.sample else 'no'}"

    def large(request: Request) -> str:
        return f"Answer: {'no' if number(request) % 12 else 'yes'}"

    graph = Graph("gated").add("small", Solver(model="small", samples=3, max_output_tokens=20))
    graph.add("large", Solver(model="large", max_output_tokens=20)).add("pick", Verifier(method="last"))
    graph.connect("small", "large", when=Gate("confidence", below=choose(0.9, 0.1)), forward="none")
    graph.connect("small", "pick").connect("large", "pick")
    tasks = [Task(question=f"Is #{n}? so", gold="no" if n % 12 and not n % 4 else "yes") for n in range(240)]
    pool = Pool([ScriptedModel(small, name="small"), ScriptedModel(large, name="large")])
    report = optimize(graph, tasks, pool, cap=Cap(total=10**6), spend=10**6, policies=())
    assert report.best is not None
    assert report.best.plan["values"] == {"small->large.when": 0.9}
    (gate,) = report.gates
    assert (gate.edge, gate.signal, gate.opens) == ("small->large", "confidence", "below 0.9")
    assert gate.runs == report.tasks["validation"]
    assert gate.opened == pytest.approx(gate.runs / 4, abs=6)
    assert gate.score_open == gate.score_shut == 1.0
    assert gate.cost_open is not None
    assert gate.cost_shut is not None
    assert gate.cost_open > gate.cost_shut > 0
    # Always open scores as much for more; always shut misses what the large model brings, a quarter less every twelfth.
    assert gate.n == gate.runs
    assert gate.untold == "no plan leaves out what it leads to, and that alone; mark the edge optional"
    assert gate.saved is not None
    assert gate.saved.mean == pytest.approx((gate.cost_open - gate.cost_shut) * (1 - gate.opened / gate.runs), rel=0.1)
    assert gate.lost is not None
    assert gate.lost.mean < 0
    assert type(report).model_validate_json(report.model_dump_json()).gates == report.gates


def test_a_plan_without_gates_has_none_to_report() -> None:
    graph = Graph("plain").add("solve", Solver(model="m", samples=choose(1, 3)))
    pool = Pool([ScriptedModel(lambda request: "Answer: yes", name="m")])
    tasks = [Task(question=f"Is {n} so?", gold="yes") for n in range(40)]
    assert optimize(graph, tasks, pool, cap=Cap(total=10**6), spend=10**6, policies=()).gates == ()


def test_in_a_loop_the_last_round_counts_and_runs_that_did_not_read_it_do_not() -> None:
    graph = Graph("plain").add("a", Solver(model="m")).add("b", Solver(model="m")).add("pick", Verifier(method="last"))
    graph.connect("a", "b", when=Gate("confidence", below=0.5)).connect("a", "pick").connect("b", "pick")
    space = graph.space(Pool([ScriptedModel(lambda request: "", name="m")]))
    read = [(0.1, 0.9), (0.9, 0.1), (None,), ()]
    outcomes = [
        Outcome(f"t{n}", Status.OK, float(n), 10.0 * n, 0.0, gates=tuple(GateReading("a->b", v) for v in values))
        for n, values in enumerate(read)
    ]
    resolved = resolve(space, space.default())
    (gate,) = gate_openings(resolved, Measurement(space.default(), tuple(outcomes)))
    assert (gate.runs, gate.opened, gate.score_open, gate.cost_shut) == (3, 2, 1.5, 0.0)
    assert (gate.brought, gate.saved, gate.lost, gate.n) == (None, None, None, 0)
    assert gate_openings(resolved, Measurement(space.default(), tuple(outcomes[3:]))) == ()
