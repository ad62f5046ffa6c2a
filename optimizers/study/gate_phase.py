"""The part of a study in which the gates of the chosen plan are held against their twins."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import SpendExhausted
from ...graphs.gate import GATE
from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.resolved import resolve
from ..analysis.gate_openings import GateReport, TwinRuns, gate_openings
from ..analysis.gate_twins import GateTwins, twins_of
from ..search.base import Proposal
from ..search.measurement import Measurement
from .cost_forecast import CostForecast
from .spec import StudySpec
from .trials import TrialEvaluator

__all__ = ["gates_of"]

_TASKS = 200
"""On how many tasks twins run at most."""
_FEWEST = 24
_SAFE_SHARE = 0.7
"""The part of the room that is planned with: bounds are reserved, and tasks differ."""
_ALWAYS = "the plan has it always open"
_NO_KNOB = "its threshold is no choice, so no plan has it always open"
_TOLD = "its signal has no threshold, so no plan has it always open"
_NO_SHUT = "no plan leaves out what it leads to, and that alone; mark the edge optional"
_NO_ROOM = "a fifth of the spend is not enough to run its twins"


async def gates_of(
    spec: StudySpec, chosen: Measurement, evaluator: TrialEvaluator, forecast: CostForecast, room: float
) -> tuple[GateReport, ...]:
    """How often the gates of the chosen plan opened on validation, and what each brought, saved and lost there.

    The twins of each gate run on the same questions of validation with the same draws, so that what they ask like the
    chosen plan comes from the cache, and only the rest is paid. What other phases have measured is not run again.

    Args:
        spec: of the study.
        chosen: the plan, on validation.
        evaluator: of the study; what it pays for validation is what twins may pay.
        forecast: of what plans pay.
        room: what twins may pay.
    """
    resolved = resolve(spec.space, chosen.plan)
    alone = {gate.edge: gate for gate in gate_openings(resolved, chosen)}
    twins = {edge: twins_of(spec.space, chosen.plan, edge) for edge in alone}
    missing = await _run(chosen, alone, twins, evaluator, forecast, room)
    known = evaluator.measured("validation")
    ran = {edge: (_known(known, each.open), _known(known, each.shut)) for edge, each in twins.items()}
    untold = {edge: _untold(spec, chosen.plan, edge, each, ran[edge], missing) for edge, each in twins.items()}
    return gate_openings(resolved, chosen, ran, untold, seed=spec.seed)


def _known(measured: Mapping[str, Measurement], plan: Plan | None) -> Measurement | None:
    return None if plan is None else measured.get(plan.hash)


async def _run(
    chosen: Measurement,
    gates: Mapping[str, GateReport],
    twins: Mapping[str, GateTwins],
    evaluator: TrialEvaluator,
    forecast: CostForecast,
    room: float,
) -> str:
    """Measures the twins on as many tasks as can be paid for; returns why not, where it did not."""
    tasks = min(len(chosen.outcomes), _TASKS)
    known = evaluator.measured("validation")
    opened = {edge: each.open for edge, each in twins.items() if each.open is not None and each.open.hash not in known}
    shut = [each.shut for each in twins.values() if each.shut is not None and each.shut.hash not in known]
    each = sum(_behind(gates[edge], chosen, plan, forecast) for edge, plan in opened.items())
    each += sum(_forecast_more(chosen, plan, forecast) for plan in shut)
    count = min(tasks, int(_SAFE_SHARE * room / each)) if each > 0 else tasks
    if count < min(tasks, _FEWEST):
        return _NO_ROOM
    proposals = [Proposal(plan, count) for plan in dict.fromkeys([*opened.values(), *shut])]
    if not proposals:
        return ""
    try:
        await evaluator.measure(proposals, "validation")
    except SpendExhausted:
        return _NO_ROOM
    return ""


def _behind(gate: GateReport, chosen: Measurement, opened: Plan, forecast: CostForecast) -> float:
    """What the always open twin of a gate pays a question: what runs behind it, where it was shut."""
    if gate.cost_shut is None:
        return 0.0
    if gate.cost_open is None:
        return _forecast_more(chosen, opened, forecast)
    return (1 - gate.opened / gate.runs) * max(0.0, gate.cost_open - gate.cost_shut)


def _forecast_more(chosen: Measurement, twin: Plan, forecast: CostForecast) -> float:
    """What a twin pays a question beyond the chosen plan: the forecast, at the scale of what that plan cost."""
    own, guessed = Proposal(chosen.plan, 1), forecast.charged(chosen.plan)
    more = forecast.paid([own, Proposal(twin, 1)]) - forecast.paid([own])
    return more * chosen.cost / guessed if guessed else 0.0


def _untold(spec: StudySpec, plan: Plan, edge: str, twins: GateTwins, ran: TwinRuns, missing: str) -> str:
    """Why something is not told of a gate's twins."""
    opened, shut = ran
    reasons = []
    if opened is None:
        reasons.append(missing if twins.open is not None else _never_open(spec, plan, edge))
    if shut is None:
        reasons.append(missing if twins.shut is not None else _NO_SHUT)
    return "; ".join(dict.fromkeys(reasons))


def _never_open(spec: StudySpec, plan: Plan, edge: str) -> str:
    """Why no plan is the always open twin of a gate."""
    gate = next(each.gate for each in spec.graph.blueprint.edges if each.name == edge)
    if gate is None or not gate.thresholds:
        return _TOLD
    return _ALWAYS if plan.values.get(str(KnobName(edge, GATE)), 0) is None else _NO_KNOB
