"""Endpoints that serve one model: which of them answers a call, and which is left out for a while."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import CallFailed, OtherModel
from ..records.status import Status
from .card import ModelCard
from .endpoint import Endpoint
from .model_names import is_named, plain_name
from .pace import Pace
from .replies.failures import one_line
from .request import Reply

__all__ = ["Replica", "Replicas", "another_model", "most_named"]

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
"""Seconds that a replica is left out after a failure: doubled with each that follows."""

_State = Literal["admitted", "ejected", "trial", "other"]


def another_model(base_url: str, said: str, expected: str) -> str:
    """What is wrong with an endpoint that answers as another model, and how to mend it."""
    return (
        f"{base_url} answers as {one_line(said)!r}, the others as {one_line(expected)!r}; take it out, or serve the "
        "same model there"
    )


@dataclass(slots=True, eq=False)
class Replica:
    """One endpoint of a model, and how it has done; its `Replicas` alone change it."""

    place: int
    endpoint: Endpoint
    pace: Pace
    state: _State = "admitted"
    """ejected: it failed, and waits for a probe. trial: the probe was answered, and one call at a time may try it.
    other: another model answers there; it is left out for good."""
    failures: int = 0
    """In a row."""
    ejections: int = 0
    """In all; what calls from before an ejection say of it came too late."""
    back_at: float = 0.0
    """When an ejected one is probed."""
    probing: bool = False
    answers_as: str = ""
    """The last name that it gave for its model."""
    last_turn: int = 0


class Replicas:
    """The endpoints of one model, from any thread: the least busy first, without those that failed.

    One that fails is ejected for a second, then twice as long with each failure in a row, a minute at most. After
    that it is probed, which costs no tokens, and then one call tries it. Where all are ejected, the one with the fewest
    failures in a row is asked all the same. A single endpoint is never ejected.

    Args:
        card: what is known of the model.
        endpoints: where it is served; at least one.
    """

    def __init__(self, card: ModelCard, endpoints: Sequence[Endpoint]) -> None:
        self._served_as = card.served_as or card.name
        self._all = tuple(
            Replica(place, endpoint, Pace(card.requests_per_minute, card.tokens_per_minute))
            for place, endpoint in enumerate(endpoints)
        )
        self._turns = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where they are."""
        return tuple(replica.endpoint for replica in self._all)

    @property
    def states(self) -> tuple[_State, ...]:
        """How they stand, in their order."""
        return tuple(replica.state for replica in self._all)

    def admits(self, tokens: int) -> bool:
        """Whether a call of so many tokens can ever have a turn."""
        return self._all[0].pace.admits(tokens)

    def choose(self, now: float, tokens: int, busy: Sequence[int], most: int) -> Replica | None:
        """The replica for a call; None where all that may be asked are busy.

        Args:
            now: seconds.
            tokens: the most that the call takes.
            busy: how many calls each has in progress.
            most: how many each may have.
        """
        with self._lock:
            free = [each for each in self._standing(busy) if busy[each.place] < most]
            if not free:
                return None
            chosen = min(free, key=lambda each: (each.pace.start(now, tokens), busy[each.place], each.last_turn))
            self._turns += 1
            chosen.last_turn = self._turns
            return chosen

    def due(self, now: float) -> Replica | None:
        """An ejected replica that is to be probed now, by the caller, who tells `probed`."""
        with self._lock:
            for replica in self._all:
                if replica.state == "ejected" and not replica.probing and replica.back_at <= now:
                    replica.probing = True
                    return replica
        return None

    def probed(self, replica: Replica, alive: bool | None, now: float) -> None:
        """What came of a probe; None where it did not end."""
        with self._lock:
            replica.probing = False
            if replica.state == "ejected" and alive is not None:
                if alive:
                    replica.state = "trial"
                else:
                    self._eject(replica, now, 0.0)

    def answered(self, replica: Replica, ejections: int, reply: Reply) -> None:
        """A call was answered.

        Args:
            replica: by whom.
            ejections: how many it had when the call began.
            reply: what it said.

        Raises:
            OtherModel: another model answers there than at the other replicas; the reply is no good.
        """
        if len(self._all) == 1:
            return
        with self._lock:
            if replica.ejections == ejections and replica.state != "other":
                replica.state, replica.failures = "admitted", 0
            name = plain_name(reply.response_model)
            if not name:
                return
            replica.answers_as = name
            expected = self._sort_out()
            if replica.state != "other":
                return
            ready = self._ready_beside(replica)
        fault = OtherModel(
            Status.PROVIDER_ERROR,
            f"field 'base_urls': {another_model(replica.endpoint.base_url, reply.response_model, expected)}",
            usage=reply.usage,
            retryable=ready,
        )
        fault.at_once = ready
        raise fault

    def failed(self, replica: Replica, ejections: int, failure: CallFailed, now: float) -> None:
        """A call failed; where another replica stands ready, the failure says that it is to be asked at once.

        Args:
            replica: where.
            ejections: how many it had when the call began.
            failure: how; its `elsewhere` says whether the replica is to blame.
            now: seconds.
        """
        if len(self._all) == 1 or not failure.elsewhere:
            return
        with self._lock:
            if replica.ejections == ejections and replica.state != "other":
                self._eject(replica, now, failure.retry_after or 0.0)
            if self._ready_beside(replica):
                failure.retryable = failure.at_once = True

    def _standing(self, busy: Sequence[int]) -> list[Replica]:
        """Those that may be asked now; where none is admitted or on trial, the ejected one that failed least."""
        admitted = [each for each in self._all if each.state == "admitted"]
        on_trial = [each for each in self._all if each.state == "trial" and not busy[each.place]]
        ejected = (each for each in self._all if each.state == "ejected")
        return admitted + on_trial or sorted(ejected, key=lambda each: (each.failures, each.back_at))[:1]

    def _ready_beside(self, replica: Replica) -> bool:
        return any(each.state == "admitted" for each in self._all if each is not replica)

    def _eject(self, replica: Replica, now: float, asked: float) -> None:
        replica.state = "ejected"
        replica.ejections += 1
        wait = _FIRST_WAIT * 2.0 ** min(replica.failures, 30)
        replica.back_at = now + min(max(wait, asked), _LONGEST_WAIT)
        replica.failures += 1

    def _sort_out(self) -> str:
        """Leaves out those that answer as another model, and returns the name that counts."""
        expected = most_named([each.answers_as for each in self._all if each.answers_as], self._served_as)
        for each in self._all:
            if each.answers_as and each.answers_as != expected:
                each.state = "other"
            elif each.state == "other":
                each.state = "admitted"
        return expected


def most_named(said: Sequence[str], served_as: str) -> str:
    """Which of the names that replicas answer as counts: that of most, then the one of the card, then the first.

    Args:
        said: a name of each replica, as `plain_name` has it; at least one.
        served_as: the name in the card.
    """
    votes = Counter(said)
    return max(votes, key=lambda name: (votes[name], is_named(served_as, name)))
