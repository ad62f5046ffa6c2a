"""Everything that apportion raises, as one tree.

ApportionError
  UsageError              the caller can mend it; the command line exits with 2
    FileError             a file of the user's cannot be read; the place in it is named
      DevSetError         so of a dev set
    GraphError            a graph is not valid
    PlanError             a plan does not belong to its graph, or a value is not admitted
    UnknownName           a model, knob, edge, metric or node kind that does not exist
    PoolError             a pool file or a model card is not valid, or a key is missing
    StoreError            a database cannot be opened or written
    ToolServerError       an MCP server cannot be started, or lists tools that cannot be offered
    UnsupportedSchema     a JSON schema that an embedded model cannot be held to
  Infeasible              no plan fits under the cap; exit 3
  BudgetBreach            a model charged more than its reservation; exit 4
    ToolBreach            a tool cost more than was stated
  CapReached              a reservation did not fit and nothing could be released
  SpendExhausted          a study has paid all that it may spend
  CallFailed              one attempt at a model failed, with a typed status
    OtherModel            one of several endpoints of a model answers as another model
  NodeFailed              the code of a node raised something else: a programming error
  ProblemError            a constraint problem, usually written by a model, is not valid
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records.status import Status
    from .records.usage import Usage

__all__ = [
    "ApportionError",
    "BudgetBreach",
    "CallFailed",
    "CapReached",
    "DevSetError",
    "FileError",
    "GraphError",
    "Infeasible",
    "NodeFailed",
    "OtherModel",
    "PlanError",
    "PoolError",
    "ProblemError",
    "SpendExhausted",
    "StoreError",
    "ToolBreach",
    "ToolServerError",
    "UnknownName",
    "UnsupportedSchema",
    "UsageError",
    "gravest",
]


class ApportionError(Exception):
    """The root of all errors of this package."""


class UsageError(ApportionError):
    """Bad input: the message names the place and the remedy."""


class FileError(UsageError):
    """A file cannot be read.

    Args:
        path: the file.
        line: the line, counted from 1; 0 where the fault is not in one line.
        field: the field at fault, or an empty string where it is not one field.
        reason: what is wrong and how to mend it.
    """

    def __init__(self, path: str, line: int, field: str, reason: str) -> None:
        self.path = path
        self.line = line
        self.field = field
        self.reason = reason
        where = (f"{path}:{line}" if line else path) + (f", field {field!r}" if field else "")
        super().__init__(f"{where}: {reason}")


class DevSetError(FileError):
    """A line of a dev set cannot be read."""


class GraphError(UsageError):
    """A graph is not valid; the message names the node or the edge."""


class PlanError(UsageError):
    """A plan does not belong to its graph, or a value in it is not admitted."""


class UnknownName(UsageError):
    """A name that does not exist, with the nearest that does.

    Args:
        what: the kind of thing, for example "model".
        name: what was asked for.
        known: the names that exist.
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what = what
        self.name = name
        self.known = tuple(sorted(known))
        near = get_close_matches(name, self.known, n=1, cutoff=0.5)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"known: {', '.join(self.known)}"
            if self.known
            else "there are none"
        )
        super().__init__(f"unknown {what} {name!r}; {hint}")


class PoolError(UsageError):
    """A pool file or a model card is not valid, or an API key is missing."""


class StoreError(UsageError):
    """A database cannot be opened or written."""


class ToolServerError(UsageError):
    """An MCP server cannot be started, or what it lists cannot be offered to a model; the message names its command."""


class UnsupportedSchema(UsageError):
    """A JSON schema that an embedded model cannot be held to.

    Args:
        part: where in the schema, such as ".properties.when"; empty for all of it.
        reason: what cannot be held to there, and how to mend it.
    """

    def __init__(self, part: str, reason: str) -> None:
        self.part = part
        self.reason = reason
        super().__init__(f"${part} of the schema: {reason}")


class Infeasible(ApportionError):
    """No plan fits under the cap; nothing was called.

    Args:
        cap: the cap that was given, in `unit`.
        min_cap: the smallest cap that the cheapest plan needs, in `unit`.
        unit: tokens, weighted or usd.
        largest_term: what takes most of `min_cap`, for example "output cap of node 'solve'".
        remedy: the setting that lowers `min_cap` most, and what it gives; empty where none does.
    """

    def __init__(self, cap: float, min_cap: float, unit: str, largest_term: str, remedy: str = "") -> None:
        self.cap = cap
        self.min_cap = min_cap
        self.unit = unit
        self.largest_term = largest_term
        self.remedy = remedy
        lowered = f"; what lowers it most, {remedy}" if remedy else ""
        super().__init__(
            f"no plan fits: the cap is {cap:,g} {unit}, the cheapest plan needs {min_cap:,g} in the worst case; "
            f"the largest term is {largest_term}{lowered}. Raise the cap to at least {min_cap:,g}, or lower that term."
        )


class BudgetBreach(ApportionError):
    """A model charged more than was reserved for the call, so its cap cannot be relied on.

    Args:
        model: the model's name in the pool.
        reserved: tokens reserved for the call.
        reported: tokens that the endpoint reported.
    """

    def __init__(self, model: str, reserved: int, reported: int) -> None:
        self.model = model
        self.reserved = reserved
        self.reported = reported
        super().__init__(
            f"model {model!r} reported {reported:,} tokens for a call that reserved {reserved:,}: "
            "its endpoint ignores the output cap or its card bounds the prompt too low. No further call is sent to it, "
            "nor by later processes on the same database. Mend output_cap, template_tokens or exact_tokenizer in its "
            "card; where the endpoint was mended instead, `apportion models --check --db FILE` tries it and lifts this."
        )


class ToolBreach(BudgetBreach):
    """A tool said that a call cost more than was stated of it before, so no cap in dollars can rely on that.

    What it cost is on the books. The tool is not called again by the node that found out.

    Args:
        tool: its name.
        reserved: what was reserved for the call, in billionths of a dollar.
        reported: what the tool said that it cost, in the same.
    """

    def __init__(self, tool: str, reserved: int, reported: int) -> None:
        self.model = tool
        self.reserved = reserved
        self.reported = reported
        ApportionError.__init__(
            self,
            f"tool {tool!r} said that a call cost {reported / 1e9:,g} USD, and {reserved / 1e9:,g} was reserved; "
            "it is on the books, and the tool is not called again. State the most that a call may cost, with "
            "@priced(usd=...) on the function",
        )


class CapReached(ApportionError):
    """A reservation did not fit, and no reservation in flight could be released.

    Args:
        account: the account whose cap is in the way.
        needed: what the reservation asked for, in the account's smallest unit.
        free: what was left.
    """

    def __init__(self, account: str, needed: int, free: int) -> None:
        self.account = account
        self.needed = needed
        self.free = free
        super().__init__(f"account {account!r} has {free:,} left, the call needs {needed:,}")


class SpendExhausted(ApportionError):
    """A study has paid all that it may spend; what it has measured stays measured.

    Args:
        account: the study's account.
        paid: what it has paid, for people.
        lost: how much of that went to calls without a usable reply, for people, with the unit.
    """

    def __init__(self, account: str, paid: str = "", lost: str = "") -> None:
        self.account = account
        spent = f" ({paid} paid, of which {lost} were lost on calls without a usable reply)" if paid else ""
        super().__init__(
            f"the spend cannot pay for another call{spent}, and no plan has got through validation; raise spend to go "
            "on, or, where most was lost, mend the endpoint first"
        )


class CallFailed(ApportionError):
    """One attempt at a model failed.

    Args:
        status: what kind of failure it was.
        reason: one line for people.
        usage: what the provider reported, where it did.
        billed: False only where it is certain that nothing was billed (refused before work began).
        retryable: whether a new attempt may succeed.
        retry_after: seconds that the provider asked to wait, where it did.
        elsewhere: whether the fault is of the endpoint that was asked, so that another one of the same model may
            answer; as `retryable` where it is not given.
    """

    at_once = False
    """Whether another endpoint of the model stands ready, so that a new attempt need not wait."""

    def __init__(
        self,
        status: Status,
        reason: str,
        *,
        usage: Usage | None = None,
        billed: bool = True,
        retryable: bool = False,
        retry_after: float | None = None,
        elsewhere: bool | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.usage = usage
        self.billed = billed
        self.retryable = retryable
        self.retry_after = retry_after
        self.elsewhere = retryable if elsewhere is None else elsewhere
        super().__init__(f"{status.value}: {reason}")


class OtherModel(CallFailed):
    """One of several endpoints of a model answers as another model, so its reply is no good; the reason names both."""


class NodeFailed(ApportionError):
    """The code of a node raised what nodes must not raise; the cause is attached. The run is on the books.

    Args:
        node: the node's name in its graph.
        kind: its kind.
        reason: what happened, one line.
    """

    def __init__(self, node: str, kind: str, reason: str) -> None:
        self.node = node
        self.kind = kind
        self.reason = reason
        super().__init__(f"the code of node {node!r} (kind {kind!r}) failed: {reason}")


class ProblemError(ApportionError):
    """A constraint problem is not valid; one line that names the constraint and the field, for its writer to mend."""


def gravest(problem: Exception) -> Exception:
    """Of a group, as tasks raise it, the one that callers are told of.

    A breach, then what no call and no cap explains, then a failed call; of equals the first.
    """
    if not isinstance(problem, ExceptionGroup):
        return problem
    inner = [gravest(each) for each in problem.exceptions]
    return min(inner, key=lambda each: (not isinstance(each, BudgetBreach), isinstance(each, (CallFailed, CapReached))))
