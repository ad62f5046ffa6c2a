"""The words that all rooms share: tasks, messages, statuses, usage, rows, and the protocols of those who keep them."""

from .message import CANDIDATES, Candidate, Forward, Message, MessageSize, Part
from .protocols import FactBook, LedgerBackend, Recorder, ReplyCache, Short, StudyStore
from .rows import (
    AccountRow,
    Balance,
    CallRow,
    FactKind,
    FactRow,
    Limit,
    Measure,
    PlanRow,
    Reservation,
    ReservationKind,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
    TrialRow,
    Unit,
)
from .status import Status
from .task import Task
from .text import clip, longest_bytes
from .usage import ZERO, Amount, Usage

__all__ = [
    "CANDIDATES",
    "ZERO",
    "AccountRow",
    "Amount",
    "Balance",
    "CallRow",
    "Candidate",
    "FactBook",
    "FactKind",
    "FactRow",
    "Forward",
    "LedgerBackend",
    "Limit",
    "Measure",
    "Message",
    "MessageSize",
    "Part",
    "PlanRow",
    "Recorder",
    "ReplyCache",
    "Reservation",
    "ReservationKind",
    "RunRow",
    "Settlement",
    "Short",
    "SpanRow",
    "Status",
    "StoredReply",
    "StudyRow",
    "StudyStore",
    "Task",
    "TaskRow",
    "TrialRow",
    "Unit",
    "Usage",
    "clip",
    "longest_bytes",
]
