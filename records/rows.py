"""The rows of the books: what is stored of accounts, reservations, calls, spans, runs and studies.

Plain frozen dataclasses, made often and read by machines. Times are seconds since the epoch; amounts are
`Amount`s; hashes are hexadecimal SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .status import Status
from .usage import ZERO, Amount, Usage

__all__ = [
    "SMALLEST_UNITS",
    "UNITS",
    "AccountRow",
    "Balance",
    "CallRow",
    "FactKind",
    "FactRow",
    "Limit",
    "Measure",
    "PartRow",
    "PlanRow",
    "ReplyCount",
    "Reservation",
    "ReservationKind",
    "RunRow",
    "Settlement",
    "SpanRow",
    "StoredReply",
    "StudyRow",
    "TaskRow",
    "TraceRow",
    "TrialRow",
    "Unit",
]

Unit = Literal["tokens", "weighted", "usd"]
UNITS: tuple[Unit, ...] = get_args(Unit)
SMALLEST_UNITS = ("tokens", "microweighted", "nanousd")
"""In the order of `UNITS`, what books count in: tokens, millionths of a weighted token, billionths of a dollar."""
Measure = Literal["charged", "paid"]
ReservationKind = Literal["call", "allowance"]
FactKind = Literal["breach", "probe"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A ceiling in the smallest unit: tokens, millionths of a weighted token, billionths of a dollar."""

    unit: Unit
    value: int


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A node of the tree that is charged."""

    account_id: str
    parent_id: str | None = None
    limit: Limit | None = None
    """None: the account only counts."""
    measure: Measure = "charged"
    """charged: cached replies count too (batch, task). paid: they do not (study)."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """Where an account stands."""

    charged: Amount = ZERO
    """Usage of attempts whose reply was used, cached or not."""
    lost: Amount = ZERO
    """Reservations of unknown outcome, and discarded attempts."""
    paid: Amount = ZERO
    """The uncached part of `charged`, plus `lost`."""
    reserved: Amount = ZERO
    """Calls in flight and allowances held."""
    in_flight: int = 0
    """How many reservations of kind "call" are open below this account."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """An upper bound taken from an account and all its ancestors before a call."""

    reservation_id: str
    account_id: str
    amount: Amount
    owner: str
    """The process that holds it; when it dies, a call that was sent is lost, and all else is given back."""
    kind: ReservationKind = "call"
    cached: bool = False
    """True for a reply from the cache: accounts that measure paid are not touched."""
    replaces: str | None = None
    """A held allowance that is given back in the same step, so that its room serves this reservation."""
    unsent: bool = False
    """True for a call that may have to wait once it is reserved, for a free slot say: it counts as sent from
    `LedgerBackend.mark_sent` on, and any other from the start."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of a reservation; the second settlement of one reservation changes nothing."""

    reservation_id: str
    charged: Amount = ZERO
    lost: Amount = ZERO


@dataclass(frozen=True, slots=True)
class CallRow:
    """One attempt at a model, named after OpenTelemetry's gen_ai attributes where there is one."""

    call_id: str
    run_id: str
    span_id: str
    reservation_id: str
    attempt: int
    """Counted from 1 within one logical call."""
    request_key: str
    """The content address of the request, see `StoredReply`."""
    operation_name: str
    """"chat" for models called by messages."""
    provider_name: str
    request_model: str
    request_max_tokens: int
    request_temperature: float
    request_seed: int | None
    sample_index: int
    request_messages: str
    """JSON; stored by content hash."""
    started_at: float
    ended_at: float
    outcome: Status
    """How the attempt ended; where a reply came that the node could not use, why not."""
    bound: Amount
    """The upper bound computed for the request; what was reserved."""
    charged: Amount = ZERO
    lost: Amount = ZERO
    cached: bool = False
    usage: Usage | None = None
    """As reported, or completed by bounds where it says that it is estimated; None where nothing credible was."""
    response_model: str = ""
    response_id: str = ""
    finish_reason: str = ""
    output_text: str = ""
    """The reply as it came, calls of tools below it."""
    error: str = ""
    """What went wrong, also in reading the reply, or what was odd about a reply that was used."""
    reasoning_text: str = ""
    """What the model thought, where its endpoint tells that apart from the reply; stored by content hash."""


@dataclass(frozen=True, slots=True)
class ReplyCount:
    """How many replies to calls of a node, under a plan, by a model, came to the same. It is counted, not stored."""

    plan_hash: str
    node: str
    kind: str
    model: str
    outcome: Status
    replies: int
    run_id: str
    """The run of the first of them."""
    call_id: str
    """The first of them."""
    output_tokens: int = 0
    """Of all of them, hidden reasoning included, as reported."""
    reasoning_tokens: int = 0
    """The part of these that was hidden reasoning."""
    abstained: bool = False
    """Whether their answers say that there is none."""


ABSTAINED = "abstained"
"""What begins the error of a call that came to an answer such as "I don't know"; its outcome is ok."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply in the cache.

    Its key is the hash of the canonical JSON of its request: model fingerprint, messages, decoding settings, output
    cap, sample index; never the number of samples.
    """

    request_key: str
    payload: str
    """JSON that the models room writes and reads."""
    charged: Amount
    """What it cost when it was made; each use is charged anew, by the usage and the card of its day."""


@dataclass(frozen=True, slots=True)
class FactRow:
    """What was found out about a model by calling it, and must outlive the process that found it.

    breach: its endpoint charged more than was reserved, so that no call may be sent to it. probe: what it can do.
    """

    subject: str
    """What it is true of: a hash of the model's card as far as it matters, so that a mended card is another subject."""
    kind: FactKind
    content: str
    """JSON; empty where it holds no longer."""
    found_at: float


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One execution of a node in a run."""

    span_id: str
    run_id: str
    node: str
    kind: str
    round: int
    """Of a loop, from 0."""
    part: str
    """The sub-question that it worked on, or an empty string."""
    started_at: float
    ended_at: float
    status: Status
    charged: Amount
    lost: Amount
    answer: str = ""
    reason: str = ""
    events: str = "[]"
    """JSON: what the node recorded of its own doing."""
    evidence: str = "[]"
    """JSON: the passages that its answer rests on."""


JUDGE_NODE = "(judge)"
"""In place of a node's name in spans of verdicts, which are no part of what a run was charged; no node is called so."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A task run under a plan."""

    run_id: str
    trial_id: str | None
    task_id: str
    plan_hash: str
    graph_hash: str
    account_id: str
    started_at: float
    ended_at: float
    status: Status
    stop_reason: str
    answer: str
    score: float | None
    """In [0, 1]; None where there is no gold answer. A failure scores 0."""
    charged: Amount
    lost: Amount
    latency: float
    """Seconds along the critical path over the spans."""
    reason: str = ""
    """Why there is no answer; empty where there is one, and in rows of older versions."""
    abstained: bool | None = None
    """Whether the answer says that there is none; None in rows of older versions."""
    parent_account_id: str = ""
    """The account above its own: of a study's phase, of a batch, of a question; empty in rows of older versions."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as it was when it ran."""

    task_id: str
    family: str
    content: str
    """JSON of the `Task`."""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan, with the picture of its graph so that a viewer needs no code."""

    plan_hash: str
    graph_hash: str
    content: str
    """JSON of the `Plan`."""
    drawing: str
    """Mermaid."""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A plan measured on some tasks."""

    trial_id: str
    study_id: str
    plan_hash: str
    part: str
    """fit, validation or test; headroom where a node was replaced by a perfect one, or its base line."""
    rung: int
    tasks: int
    score: float
    coverage: float
    """The share of tasks with an answer to grade."""
    charged: Amount
    """Total over the tasks."""
    lost: Amount
    state: str
    """running, complete, or stopped where the spend ran out."""


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A search as a whole. Its id is a hash of its arguments, so that starting it again resumes it."""

    study_id: str
    graph_hash: str
    account_id: str
    arguments: str
    """JSON."""
    created_at: float
    state: str
    """running, complete."""
    test_reads: int = 0
    """How often the test part was read."""


@dataclass(frozen=True, slots=True)
class PartRow:
    """To which part of the dev set a task belongs, for all studies of a seed; the first to say so is right."""

    seed: int
    task_id: str
    part: str
    """fit, validation or test."""


TraceRow = CallRow | SpanRow | RunRow | TaskRow | PlanRow | TrialRow | StudyRow | FactRow | PartRow
"""What is recorded of a study beside its ledger."""
