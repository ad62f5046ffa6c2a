"""A gate: a condition on an edge, read while a run goes on from the message that would pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Any

from ..errors import GraphError, UnknownName
from ..nodes.knob import MOST_TIMES, Choice, options
from ..nodes.votes import normal_form
from ..records.message import Message

__all__ = ["GATE", "SIGNALS", "Gate", "GateReading", "PinnedGate", "gate_from_json"]

GATE = "when"
"""The setting of an edge that holds the threshold of its gate."""


def _confidence(message: Message) -> float:
    return _known(message.candidates[0].confidence) if message.candidates else -inf


def _least_logprob(message: Message) -> float:
    return _known(message.candidates[0].least_logprob) if message.candidates else -inf


def _rounds(message: Message) -> float:
    return _known(message.rounds)


def _agreement(message: Message) -> float:
    """The share of the most frequent answer among the first candidates of the nodes that made any."""
    first = {candidate.source: candidate for candidate in reversed(message.candidates) if candidate.answer.strip()}
    counts = Counter(normal_form(candidate.answer) for candidate in first.values())
    return max(counts.values(), default=0) / max(1, len(first))


def _known(value: Any) -> float:
    """A number as a node gives it; what a function of the user's gives may be none."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return value if number else -inf


_MEASURED: Mapping[str, Callable[[Message], float]] = MappingProxyType(
    {"confidence": _confidence, "least_logprob": _least_logprob, "agreement": _agreement, "rounds": _rounds}
)
_TOLD: Mapping[str, Callable[[Message], bool]] = MappingProxyType(
    {
        "abstained": lambda message: message.abstained,
        "rejected": lambda message: not message.accepted,
        "failed": lambda message: message.status.failed,
    }
)
LEFT_SHARE = "left_share"
_REACHES: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        "least_logprob": (-inf, 0.0, "at most 0, a natural logarithm"),
        "rounds": (0.0, MOST_TIMES, f"from 0 to {MOST_TIMES}"),
    }
)
"""What the threshold of a signal may be, where not from 0 to 1, and in words."""
SIGNALS = (*_MEASURED, LEFT_SHARE, *_TOLD)
"""Those that a gate may read. The last three are told, the others measured and compared with a threshold."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Opens an edge only where the message that would pass says so; where it is shut, nothing is paid behind it.

    `Gate("confidence", below=choose(0.5, 0.8))` lets a second model look where the first is unsure. The threshold is a
    knob; `None`, always open, is added to every choice. A node runs where one of its edges is open; an edge from a
    node that did not run is shut.

    Raises:
        UnknownName: there is no such signal.
        GraphError: a measured signal needs `below` or `above`, one that is told takes neither.
    """

    signal: str
    """- `confidence`: of the chosen answer, from 0 to 1: log-probabilities, a vote's share or a verifier's score.
    - `least_logprob`: of its least probable token, the natural logarithm.
    - `agreement`: the share of the most frequent answer among those of different nodes that came together.
    - `rounds`: how many queries a search made, or rounds of calls an agent, or how often the loop has run that the node
      is in; 1 for other nodes.
    - `left_share`: of the tokens that the run had at its start; 1 without a cap.
    - `abstained`: the model said that it does not know. `rejected`: a check did not accept. `failed`: no answer.

    What is not known (no log-probabilities, no vote) counts as unsure."""
    below: float | Choice[Any] | None = None
    """Open where the signal is below it."""
    above: float | Choice[Any] | None = None
    """Open where the signal is above it."""

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise UnknownName("signal of a gate", str(self.signal), SIGNALS)
        given = [name for name in ("below", "above") if getattr(self, name) is not None]
        if self.signal in _TOLD:
            if given:
                raise GraphError(f"Gate({self.signal!r}) takes no threshold; leave out {given[0]!r}")
            return
        if len(given) != 1:
            raise GraphError(f"Gate({self.signal!r}) needs one threshold: below=... or above=...")
        threshold = getattr(self, given[0])
        if isinstance(threshold, Choice):
            values = tuple(_number(self.signal, value) for value in threshold.values if value is not None)
            object.__setattr__(self, given[0], Choice((*values, None)))
        else:
            object.__setattr__(self, given[0], _number(self.signal, threshold))

    @property
    def thresholds(self) -> tuple[float | None, ...]:
        """The values of its knob; one value or none: there is nothing to choose."""
        given = self.below if self.above is None else self.above
        return () if given is None else options(given)

    def pinned(self, threshold: float | None) -> PinnedGate:
        """The gate at one of its thresholds."""
        return PinnedGate(self.signal, self.above is None, threshold)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, which `gate_from_json` reads."""
        sides = {name: getattr(self, name) for name in ("below", "above")}
        return {"signal": self.signal} | {
            name: {"choose": list(value.values)} if isinstance(value, Choice) else value
            for name, value in sides.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True)
class PinnedGate:
    """A gate under a plan."""

    signal: str
    below: bool
    """Whether it opens below its threshold; else above."""
    threshold: float | None
    """None: always open, unless the signal is told."""

    @property
    def reads_left(self) -> bool:
        """Whether it must be told what the run has left."""
        return self.signal == LEFT_SHARE

    @property
    def says(self) -> str:
        """When it opens, for people."""
        if self.signal in _TOLD:
            return "where told"
        return "always" if self.threshold is None else f"{'below' if self.below else 'above'} {self.threshold:g}"

    def read(self, message: Message, left_share: float) -> float | bool:
        """The signal's value.

        Args:
            message: what would pass.
            left_share: of what the run had at its start.
        """
        if self.signal in _TOLD:
            return _TOLD[self.signal](message)
        return left_share if self.reads_left else _MEASURED[self.signal](message)

    def opens(self, value: float | bool | None) -> bool:
        """Whether a value of the signal opens it; None: it is not known."""
        if isinstance(value, bool):
            return value
        value = -inf if value is None else value
        if self.threshold is None:
            return True
        return value < self.threshold if self.below else value > self.threshold


@dataclass(frozen=True, slots=True)
class GateReading:
    """What a gate read once in a run."""

    edge: str
    """As plans write it: `a->b`."""
    value: float | bool | None
    """Of its signal; None where it was not known, which counts as unsure."""


def gate_from_json(data: Any) -> Gate:
    """Reads what `Gate.to_json` wrote.

    Raises:
        GraphError, UnknownName: it is not that.
    """
    if not isinstance(data, Mapping) or not set(data) <= {"signal", "below", "above"} or "signal" not in data:
        raise GraphError(f"a gate must have 'signal' and may have 'below' or 'above', not {data!r}")
    sides = {name: _side(data[name]) for name in ("below", "above") if name in data}
    return Gate(data["signal"], **sides)


def _side(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) != {"choose"} or not isinstance(value["choose"], list) or not value["choose"]:
            raise GraphError(f"the threshold of a gate must be a number or {{'choose': [...]}}, not {value!r}")
        return Choice(tuple(value["choose"]))
    return value


def _number(signal: str, value: Any) -> float:
    low, high, reach = _REACHES.get(signal, (0.0, 1.0, "from 0 to 1"))
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not low <= value <= high or value == -inf:
        raise GraphError(f"the threshold of Gate({signal!r}) must be a number {reach}; not {str(value)[:40]}")
    return float(value)
