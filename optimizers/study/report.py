"""What a study found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from ...budgets.cap import Cap
from ..analysis.edge_ablation import EdgeReport
from ..analysis.gate_openings import GateReport
from ..analysis.headroom import Headroom
from ..analysis.iso_cost import IsoCostLevel
from ..analysis.judge_agreement import Agreement, GoldAgreement, Shift
from ..analysis.target_score import TargetReport
from ..analysis.vote_curves import VotePoint
from ..bootstrap import Interval
from ..finding import Finding
from ..prediction.confidence import ConfidenceReport
from ..serving.policy import DeployedPolicy
from ..tables.value import Shares
from .plan_report import PlanReport, PolicyScore, Score

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "ArmReport",
    "ByMoney",
    "FunctionReport",
    "JudgeReport",
    "LimitedBy",
    "NodeReport",
    "NodeUse",
    "PoliciesReport",
    "PolicyScore",
    "PolicyTest",
    "ReadingExample",
    "ReadingReport",
    "StudyReport",
    "UnreadPlan",
    "VotesReport",
]


class PolicyTest(Finding):
    """The chosen policy on the test part, served once as a batch under the hard cap."""

    score: Score
    """Where wrong answers cost something, `score` in it is the mean value, see `valued`."""
    static: str | None
    """The hash of the plan that it is compared with: the best on validation of those that fit the cap."""
    gain: Interval | None
    """Its score less that of the plan, both as batches under the same cap."""
    swapped: int
    """Tasks whose arm was changed before they began, because the one planned did not fit any more."""
    unspent: float | None = None
    """What was left of the batch's cap, in its unit; None where only each task is limited."""
    why_unspent: str = ""
    """Why it was not used up."""
    shares: Shares | None = None
    """What became of the tasks: right, wrong, abstained, unanswered; None in reports of older versions."""


class ArmReport(Finding):
    """An arm of the portfolio, and how often the chosen policy used it."""

    plan_hash: str
    plan: dict[str, Any]
    """The plan as JSON values."""
    questions: int
    """How many tasks of the part that is told of it answered."""


class LimitedBy(Finding):
    """Why a node did not get more, in shares of the tasks."""

    cap: float
    """The arm that was planned, which gave the node something else, did not fit into what was left."""
    price: float
    """Something else would have been better, but by less than its cost at the price that the cap sets."""
    capability: float
    """Nothing that the search kept would have been better at any price."""


class NodeUse(Finding):
    """What a node got, on all tasks or on those of a family. Shares are of these tasks."""

    family: str
    """Empty for all tasks."""
    tasks: int
    active: float
    models: dict[str, float]
    """By model; a node that makes no call has none."""
    knobs: dict[str, dict[str, float]]
    """By knob, by value as JSON; of the tasks where the node was active."""
    edges: dict[str, float]
    """By optional edge into the node: the share of tasks where it was on."""
    bound: LimitedBy


class NodeReport(Finding):
    """What a node got and why."""

    node: str
    kind: str
    everywhere: NodeUse
    families: tuple[NodeUse, ...]


class PoliciesReport(Finding):
    """How policies compare that choose among few arms for every task."""

    arms: tuple[ArmReport, ...]
    tabulated: dict[str, int]
    """How many tasks of fit and validation every arm was run on."""
    budget: float
    """Per task, in the unit of the cap."""
    scores: tuple[PolicyScore, ...]
    """On validation, from the simplest policy on."""
    chosen: str
    """The first policy, ours before others, within one standard error of the best on validation."""
    member: str
    """What the chosen policy is at this budget, where it is one of several; else its own name."""
    probe: str | None
    """What it looks at before it chooses, where that is worth its cost."""
    test: PolicyTest | None
    """None where the spend was used up."""
    nodes: tuple[NodeReport, ...]
    """What the chosen policy gave each node, on test where that was served, else on validation."""
    wrong_costs: float = 0.0
    """What a wrong answer costs, where a right one brings 1: scores of policies are values at that price."""
    confidences: tuple[ConfidenceReport, ...] = ()
    """How well the confidence of each arm tells right answers from wrong ones, on fit and validation; of arms whose
    answers show nothing, nothing."""


class VotesReport(Finding):
    """What every number of samples of a node and every stop rule would have done, from runs that were made."""

    node: str
    plan_hash: str
    """Whose runs were looked at."""
    model: str
    style: str
    """How far the node reasons: direct, draft, think, or what its kind calls it; empty where the kind does not say."""
    tasks: int
    """Of the fit part. The scores are those of the node's own answers."""
    points: tuple[VotePoint, ...]
    """Fixed numbers first, rising; then stop rules."""


class ReadingExample(Finding):
    """A reply that others came to the same as."""

    run_id: str
    text: str
    """How the reply begins, reasoning left out where there was more; empty where none came."""
    reason: str
    """What was amiss; empty where nothing was."""


class ReadingReport(Finding):
    """What came of the replies to a node's calls to a model, in the runs of the study's trials, cached ones included.

    A call that was tried again counts once.
    """

    node: str
    model: str
    style: str
    """How far the node reasons, as its kind calls it, and the effort that it asks for; empty where the kind does not
    say. "finish": the direct call that ends a run whose cap was reached."""
    replies: int
    """All of them; the sum of those that follow."""
    answered: int
    abstained: int = 0
    """The answer says that there is none, such as "I don't know"."""
    unread: int
    """There was text, but no answer could be read from it."""
    starved: int
    """The output cap was used up before there was an answer."""
    refused: int
    filtered: int
    oversize: int
    """Read, but too large for an edge that should carry the answer."""
    failed: int
    """No reply came: the endpoint failed, or was too slow."""
    output_tokens: int = 0
    """What they took together, hidden reasoning included, as the endpoint reported it."""
    reasoning_tokens: int = 0
    """The part of these that was hidden reasoning."""
    examples: dict[str, ReadingExample]
    """The first of each, by the names of the fields above; those that are 0 have none."""
    warning: str
    """Which plans and choices hung on unread replies; empty where fewer than a fifth were unread in every plan."""


class FunctionReport(Finding):
    """A node that calls no model and failed in runs of the chosen plan, on validation."""

    node: str
    executions: int
    failed: int
    """Of these: an exception (`tool_error`), not in time (`timeout`), or too large a result (`oversize`)."""
    statuses: dict[str, int]
    """How many of each."""
    reason: str
    """Of the newest."""
    run_id: str
    """Where it was."""


class JudgeReport(Finding):
    """What the judge of a study was paid, and how far its verdicts can be relied on."""

    model: str
    rubric: str
    """Its name, or how it begins."""
    scale: tuple[float, float]
    votes: int
    paid: float
    """A part of the report's `paid`, in the unit of the cap."""
    answers: int
    """Answers of the study's trials that it was asked of, those that equal others included."""
    unscored: int
    """Of these, the answers that it gave no verdict on. They count as 0 in every score."""
    replies: ReadingReport | None
    """What came of its replies in these trials; None where it was never asked."""
    itself: Agreement | None
    """With a second verdict on the same answers, from other draws; None where nothing was left to pay for that."""
    gold: GoldAgreement | None
    """With the metric of the gold answers; None where no answer of validation has one."""
    controls: tuple[Shift, ...]
    """How far its scores move with what should not matter: position, length."""
    notes: tuple[str, ...] = ()
    """What of this could not be told, and what to beware of."""

    @property
    def told(self) -> tuple[str, ...]:
        """What to beware of in the scores, in sentences."""
        missing = f"judge: no verdict on {self.unscored:,} of {self.answers:,} answers, which count as 0"
        return (*([missing] if self.unscored else []), *(f"judge: {note}" for note in self.notes))


class UnreadPlan(Finding):
    """A plan in which more than a fifth of the replies to a node's calls could not be read."""

    plan_hash: str
    node: str
    model: str
    style: str
    replies: int
    unread: int
    example: ReadingExample
    """The first of the unread."""


class ByMoney(Finding):
    """The plan that a choice by money would take, where that is another one."""

    plan_hash: str
    validation: Score
    affordable: bool
    """Whether it fits the cap too."""


class StudyReport(Finding):
    """What a study measured, found and paid."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    study_id: str
    graph_hash: str
    cap: Cap
    tasks: dict[str, int]
    """How many tasks each part has."""
    clusters: tuple[str, ...] = ()
    """Which tasks of one template could not be kept together in a part, and why; see `task_clusters`."""
    plans_in_space: int
    plans_measured: int
    runs: int
    """Task runs, read back ones included."""
    spend: float
    """What the study was allowed to pay, in the unit of the cap."""
    paid: float
    lost: float
    stopped_early: bool
    """True where the spend ran out before the search was over."""
    frontier: tuple[PlanReport, ...]
    """Plans that no other beats on validation without costing more, cheapest first; empty where the spend did not reach
    for validating one, see `notes`."""
    chosen: str | None
    """The hash of the affordable plan with the best score on validation; None where no plan is affordable."""
    test_reads: int
    """How often plans or policies were scored on the test part or on some tasks of it, over all starts of this study
    and of the others in its database."""
    location: str
    """Where the books are."""
    seconds: float
    policies: PoliciesReport | None = None
    """None where they were not asked for, or the spend did not reach for them; see `notes`."""
    edges: EdgeReport | None = None
    """None where the graph has no optional edges, or the spend did not reach for them; see `notes`."""
    iso_cost: tuple[IsoCostLevel, ...] = ()
    """Empty unless the plans differ both in search rounds and in reasoning depth."""
    gates: tuple[GateReport, ...] = ()
    """Of the chosen plan, over its runs on validation, and what each brought, saved and lost against its twins there;
    empty where it has none."""
    headroom: tuple[Headroom, ...] = ()
    """Of the chosen plan's nodes, the largest gain first; empty where no plan was chosen, see also `notes`."""
    votes: tuple[VotesReport, ...] = ()
    """Of every node that drew several samples of the whole question."""
    readings: tuple[ReadingReport, ...] = ()
    """By node, model and style: what came of the replies."""
    failed_functions: tuple[FunctionReport, ...] = ()
    """Of the chosen plan; what they should have said was missing in its score."""
    judge: JudgeReport | None = None
    """None where the metric is no judge."""
    unread_plans: tuple[UnreadPlan, ...] = ()
    """The plans that may be better than their scores say, the most unread first."""
    notes: tuple[str, ...] = ()
    """What was left out, and why; then the warnings of `readings`."""
    target: TargetReport | None = None
    """What reaching `target_score` costs; None where it was not asked for. Where it was reached, the policy was served
    on test, and is deployed, at the budget that was found and not at the cap."""
    by_money: ByMoney | None = None
    """The best plan on validation of those that cost no more dollars than the chosen one, of equal ones the cheapest;
    None where that is the chosen one, or the pool has no prices, or the cap is in dollars."""
    policy: DeployedPolicy | None = Field(default=None, exclude=True, repr=False)
    """The chosen policy, ready to use: `report.policy.save("policy.json")`. It is not part of the JSON.

    Where policies were left out or had nothing to choose, it gives every task the chosen plan; None where no plan is
    affordable either. Where the spend did not reach for comparing plans, it gives every task the likeliest one.
    """

    @property
    def best(self) -> PlanReport | None:
        """The chosen plan."""
        return next((p for p in self.frontier if p.plan_hash == self.chosen), None)

    def to_frame(self) -> DataFrame:
        """The plans of the frontier as a pandas DataFrame, one a row, cheapest first.

        Columns: `plan`, `chosen`, `fits`; the knobs by name, such as `solve.model`; `edges`, the optional ones that are
        on; of validation, per task, `score`, `low`, `high` (95 %), `answered`, `cost` (in the cap's unit), `tokens`,
        `usd`; and `test_score`, `test_low`, `test_high`, `test_cost`, missing where test was not served.

        Raises:
            UsageError: pandas is not installed.
        """
        from .report_frame import frame_of

        return frame_of(self.frontier, self.chosen)

    def __str__(self) -> str:
        """What `print` shows: the frontier, the policies and the notes."""
        from .report_text import text_of

        scores = () if self.policies is None else self.policies.scores
        return text_of(self._head, self.frontier, self.chosen, self._told, scores)

    def _repr_html_(self) -> str:
        """What a notebook shows: the frontier as a table, and what the gates of the chosen plan brought."""
        from .report_html import html_of

        scores = () if self.policies is None else self.policies.scores
        return html_of(self._head, self.frontier, self.chosen, self._told, gates=self.gates, policies=scores)

    @property
    def _head(self) -> str:
        unit = self.cap.unit
        return (
            f"{self.plans_measured} of {self.plans_in_space:,} plans measured, "
            f"{self.paid:,.6g} of {self.spend:,.6g} {unit} paid; costs are {unit} a task"
        )

    @property
    def _told(self) -> tuple[str, ...]:
        from .report_html import told_of_target

        return (*told_of_target(self.target), *(() if self.judge is None else self.judge.told), *self.notes)
