"""How a call, a node or a run ended."""

from __future__ import annotations

from enum import Enum

__all__ = ["Status"]


class Status(Enum):
    """One enum for calls, spans and runs, so that a failure never looks like a wrong answer."""

    OK = "ok"
    """It did what was asked of it."""
    SKIPPED = "skipped"
    """It had nothing to do, or the plan had no allowance left for it."""
    STARVED = "starved"
    """The output cap was used up before there was an answer."""
    REFUSED = "refused"
    """The model declined, or the request could not be bounded and was not sent."""
    FILTERED = "filtered"
    """The provider's content filter cut the reply."""
    PARSE_ERROR = "parse_error"
    """There was text, but no answer could be read from it."""
    UNSAT = "unsat"
    """The symbolic solver proved that the constraints contradict each other."""
    UNKNOWN = "unknown"
    """The symbolic solver gave up within its limits."""
    TIMEOUT = "timeout"
    """No answer in time; what it cost is not known."""
    PROVIDER_ERROR = "provider_error"
    """The endpoint failed, or answered outside its own protocol."""
    TOOL_ERROR = "tool_error"
    """A function of the user's own failed, or returned what cannot be an answer."""
    OVERSIZE = "oversize"
    """A message is larger than the edge or the setting that should carry it; nothing is cut."""
    CANCELLED = "cancelled"
    """The caller stopped it."""
    BUDGET = "budget"
    """A reservation did not fit under a cap."""

    @property
    def failed(self) -> bool:
        """Whether there is no answer to grade."""
        return self is not Status.OK
