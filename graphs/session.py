"""One run: what its nodes are given, what they said, what it cost."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import ApportionError, BudgetBreach, CallFailed, CapReached, gravest
from ..models.metered import Meter
from ..models.request import Reply
from ..nodes.base import Inputs
from ..nodes.parts import part_bytes
from ..records.message import Forward, Message
from ..records.protocols import Recorder
from ..records.rows import SpanRow, Unit
from ..records.status import Status
from ..records.task import Task
from ..records.text import single_spaced
from ..records.usage import NO_USAGE, ZERO, Amount, Usage
from .banner import Banner, tells
from .channels import Channels
from .context import NodeContext, Services, drawn
from .failures import failure_of
from .finishing import Allowance, best_so_far, direct_answer
from .gate import GateReading
from .gating import Gating, Readings
from .parts import answered
from .resolved import ResolvedPlan, Step
from .state import channel

if TYPE_CHECKING:
    from .result import Result

__all__ = ["FINISH", "RunSession"]

FINISH = "finish"
"""The kind of the span in which the finishing allowance is used."""
_OF_REPLIES = frozenset({Status.PARSE_ERROR, Status.STARVED, Status.REFUSED, Status.FILTERED})
"""What a node says of the reply that it had, where it fails with that."""


class RunSession:
    """A run in progress; the `context` of its LangGraph run.

    `step` never raises but for cancellation: an exception becomes a message with a status, and what must end the run
    waits in `problem` until the graph has ended. After a cap is reached, only the final node still runs.

    Args:
        run_id: a new id.
        account_id: the account of the run.
        task: what is asked.
        resolved: the plan over its graph.
        services: what all runs share.
        recorder: where spans go.
        channels: what edges carry.
        seed: of the run; see `Runner.run`.
        output_cap: see `Runner.run`.
    """

    def __init__(
        self,
        run_id: str,
        account_id: str,
        task: Task,
        resolved: ResolvedPlan,
        services: Services,
        recorder: Recorder,
        channels: Channels,
        seed: int = 0,
        output_cap: int | None = None,
    ) -> None:
        self.run_id = run_id
        self.account_id = account_id
        self.task = task
        self.resolved = resolved
        self.services = services
        self.seed = seed
        self.output_cap = output_cap
        self.charged: Amount = ZERO
        self.lost: Amount = ZERO
        self.usage: Usage = NO_USAGE
        self.problem: ApportionError | None = None
        """A breach or a programming error: the run ends, and this is raised."""
        self.short_account = ""
        """The account whose cap was reached first, or an empty string."""
        self.result: Result | None = None
        """What came of the run, once it has ended."""
        self.final_node = resolved.active.blueprint.final
        self._recorder = recorder
        self._channels = channels
        self._said: dict[str, Message] = {}
        self._answers: dict[str, Message] = {}
        """By node: what it last said of the whole question without failing; a failed round does not undo one before."""
        self._round: dict[str, int] = {}
        self._path: dict[str, float] = {}
        self._meters: dict[str, Meter] = {}
        """By node: of its last execution."""
        self._banner: Banner | None = None
        self._gating = Gating()

    @property
    def capped(self) -> bool:
        """Whether a reservation did not fit."""
        return bool(self.short_account)

    @property
    def gates(self) -> tuple[GateReading, ...]:
        """What its gates have read so far."""
        return self._gating.all_read

    @property
    def latency(self) -> float:
        """Seconds along the critical path to the final node."""
        return self._path.get(self.final_node, 0.0)

    def begins_with(self, limits: Mapping[Unit, int]) -> None:
        """Says what the run has at its start, for prompts and gates; nobody says so without a cap."""
        if tells(self.resolved.steps):
            self._banner = Banner(self.resolved.active, limits)

    def short(self, reached: CapReached) -> None:
        """See `RunServices.short`."""
        self.short_account = self.short_account or reached.account

    def read_as(self, meter: Meter, reply: Reply, status: Status, reason: str) -> None:
        """See `RunServices.read_as`."""
        row = meter.read_as(reply, status, reason)
        if row is not None:
            self._recorder.record(row)

    async def step(self, node: str, state: Mapping[str, Any]) -> Message:
        """See `state.Session.step`."""
        step = self.resolved.steps[node]
        if self.problem is not None:
            return Message(status=Status.SKIPPED, reason="the run has ended")
        if step.kind.on_demand:
            return Message()
        round_ = self._round_of(step)
        gates = self._gating.read(step, state, self._banner, round_)
        passing = self._gating.passing(step, gates)
        messages = {s: self._carried(s, node, state, policy) for s, policy in step.sources if s in passing}
        base = max((self._path.get(source, 0.0) for source, _ in step.sources), default=0.0)
        if not self._gating.runs(step, passing):
            return self._shut(step, round_, gates, base)
        inputs = Inputs(
            self.task,
            self.task.question,
            messages,
            round_,
            self._feedback(step, state),
            None if self._banner is None else self._banner.before(node, round_),
            None if step.loop is None else self.resolved.rounds[step.loop.loop.name].high - 1 - round_,
        )
        if step.split is not None:
            message, base = await self._parts(step, inputs, base, gates)
        else:
            if step.begins_round and inputs.round and step.loop is not None:
                base = max(base, self._path[step.loop.loop.check])
            message, seconds = await self._execute(step, inputs, gates)
            if step.loop is not None and not step.kind.repeats(step.node):
                message = replace(message, rounds=round_ + 1)
            base += seconds
        self._path[node] = base
        self._said[node] = message
        if step.split is None and not message.status.failed:
            self._answers[node] = message
        return message

    async def execute(self, node: str, asked: Any, number: int) -> Message:
        """See `Context.execute`."""
        if self.problem is not None:
            return Message(status=Status.SKIPPED, reason="the run has ended")
        inputs = Inputs(self.task, self.task.question, {}, number, asked=asked)
        return (await self._execute(self.resolved.steps[node], inputs, {}))[0]

    def goes_on(self, loop: str, message: Message) -> bool:
        """See `state.Session.goes_on`: leaves when accepted, once there were the fewest rounds."""
        rounds = self.resolved.rounds[loop]
        done = self._round.get(loop, 0) + 1
        if self.capped or self.problem is not None or done >= rounds.high:
            return False
        if message.accepted and done >= rounds.low:
            return False
        self._round[loop] = done
        return True

    def ended(self) -> tuple[Message, str]:
        """The outcome and the stop reason of a run that `problem` ended."""
        if isinstance(self.problem, BudgetBreach):
            return Message(status=Status.PROVIDER_ERROR, reason=str(self.problem)), "breach"
        return Message(status=Status.UNKNOWN, reason=str(self.problem)), "error"

    async def finish(self, allowance: Allowance | None) -> Message:
        """The run's answer once the graph has ended: where a cap was reached, at no cost or by the allowance."""
        message = self._said.get(self.final_node)
        if message is not None and not (self.capped and message.status.failed):
            return message
        best = best_so_far(self._answers.values())
        if best is not None:
            return best
        if not self.capped:
            return Message(status=Status.SKIPPED, reason="the graph was not run to its end")
        if allowance is None:
            reason = message.reason if message is not None else f"account {self.short_account!r} has no room left"
            return Message(status=Status.BUDGET, reason=reason)
        return await self._direct(allowance)

    async def _direct(self, allowance: Allowance) -> Message:
        """The direct call that was held for at the start, in a span of its own."""
        card = self.services.pool.card(allowance.request.model)
        request = drawn(allowance.request, card, self.seed, FINISH)
        meter = Meter(self.account_id, self.run_id, uuid4().hex)
        started, clock = time.time(), time.perf_counter()
        dialect = self.services.dialect(card.dialect)
        message = Message(status=Status.CANCELLED, reason="the run was cancelled")
        try:
            reply = await self.services.caller.call(request, meter, replaces=allowance.reservation_id)
            message = direct_answer(reply, dialect)
            if message.status is Status.PARSE_ERROR:
                self.read_as(meter, reply, message.status, message.reason)
        except CallFailed as failure:
            message = Message(status=failure.status, reason=failure.reason)
        except CapReached as reached:
            message = Message(status=Status.BUDGET, reason=str(reached))
        except BudgetBreach as breach:
            self.problem = breach
            message = Message(status=Status.PROVIDER_ERROR, reason=str(breach))
        finally:
            seconds = time.perf_counter() - clock
            self._path[self.final_node] = self.latency + seconds
            self._record(meter, self.final_node, FINISH, 0, "", started, seconds, message, "[]")
        return message

    def _round_of(self, step: Step) -> int:
        return 0 if step.loop is None else self._round.get(step.loop.loop.name, 0)

    def _shut(self, step: Step, round_: int, gates: Readings, base: float) -> Message:
        """Books a node that does not run."""
        message, now = self._gating.message(), time.time()
        self._path[step.name] = base
        self._said[step.name] = message
        meter = Meter(self.account_id, self.run_id, uuid4().hex)
        events = self._gating.events(step.name, round_, gates)
        self._record(meter, step.name, step.node.kind, round_, "", now, 0.0, message, events)
        return message

    def _feedback(self, step: Step, state: Mapping[str, Any]) -> Message | None:
        if not (step.begins_round or step.ends_round) or step.loop is None or not self._round_of(step):
            return None
        return self._carried(step.loop.loop.check, step.name, state, step.loop.forward)

    def _carried(self, source: str, target: str, state: Mapping[str, Any], policy: Forward) -> Message:
        return self._channels.carried(state[channel(source)], source, target, policy)

    async def _execute(self, step: Step, inputs: Inputs, gates: Readings, part: str = "") -> tuple[Message, float]:
        """Runs a node once, in a span; returns its message and the seconds it took."""
        meter = Meter(self.account_id, self.run_id, uuid4().hex)
        self._meters[step.name] = meter
        context = NodeContext(self, step.name, meter)
        self._gating.trace(step.name, inputs.round, gates, context.record)
        started, clock = time.time(), time.perf_counter()
        message = Message(status=Status.CANCELLED, reason="the run was cancelled")
        for source, brought in inputs.messages.items():
            if brought.status is Status.OVERSIZE:
                context.record("oversize", source=source, reason=brought.reason)
                self._too_large(source, brought.reason)
        try:
            if self.capped and step.name != self.final_node and not step.kind.on_demand:
                message = Message(status=Status.SKIPPED, reason="the cap was reached")
            else:
                message = await step.kind.run(step.node, inputs, context)
                if not isinstance(message, Message):
                    raise TypeError(f"it must return a Message, not {type(message).__name__}")
                self._last_read_as(meter, message)
        except Exception as problem:  # noqa: BLE001 - a raising branch would cancel its siblings in the graph
            message = self._failure(step, problem)
        finally:
            seconds = time.perf_counter() - clock
            self._record(
                meter, step.name, step.node.kind, inputs.round, part, started, seconds, message, context.events
            )
        return message, seconds

    def _last_read_as(self, meter: Meter, message: Message) -> None:
        """A node that fails for what it read says so of its last reply, whether it told the context or not."""
        if message.status in _OF_REPLIES and meter.booked:
            row, reply = meter.booked[-1]
            if reply is not None and row.outcome is Status.OK:
                reason = message.reason or f"no answer could be read from {single_spaced(reply.text)[:80]!r}"
                self.read_as(meter, reply, message.status, reason)

    def _too_large(self, source: str, reason: str) -> None:
        """What came in was too large for its edge: the replies that it was read from reached nobody."""
        for row, reply in list(self._meters[source].booked) if source in self._meters else ():
            if reply is not None and row.outcome is Status.OK:
                self.read_as(self._meters[source], reply, Status.OVERSIZE, reason)

    def _failure(self, step: Step, problem: Exception) -> Message:
        """What an exception in a node means for the run."""
        problem = gravest(problem)
        if isinstance(problem, CapReached):
            self.short(problem)
        message, ends = failure_of(problem, step.name, step.node.kind)
        self.problem = self.problem or ends
        return message

    async def _parts(self, step: Step, inputs: Inputs, base: float, gates: Readings) -> tuple[Message, float]:
        """Runs a node once per part; returns what the merger reads and the critical path to its end."""
        split = step.split or ""
        others = replace(inputs, messages={name: m for name, m in inputs.messages.items() if name != split})
        return await answered(
            inputs.messages.get(split, Message()),
            split,
            lambda question: self._execute(step, replace(others, question=question), gates, question),
            most=self.resolved.steps[split].most_parts,
            most_bytes=part_bytes(self.task.question),
            base=base,
        )

    def _record(
        self,
        meter: Meter,
        node: str,
        kind: str,
        round_: int,
        part: str,
        started: float,
        seconds: float,
        message: Message,
        events: str,
    ) -> None:
        self.charged += meter.charged
        self.lost += meter.lost
        self.usage += meter.usage
        if self._banner is not None:
            self._banner.note(node, round_, meter.charged + meter.lost)
        self._recorder.record(
            SpanRow(
                span_id=meter.span_id,
                run_id=meter.run_id,
                node=node,
                kind=kind,
                round=round_,
                part=part,
                started_at=started,
                ended_at=started + seconds,
                status=message.status,
                charged=meter.charged,
                lost=meter.lost,
                answer=message.answer,
                reason=message.reason,
                events=events,
                evidence=json.dumps(message.evidence, ensure_ascii=False) if message.evidence else "[]",
            )
        )
