"""What came of the replies to a study's calls, and which choices hung on replies that nobody could read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from ...graphs.judging import CONTROL, JUDGE
from ...graphs.plan import Plan
from ...graphs.resolved import Step, resolve
from ...graphs.space import Space
from ...models.reasoning import split_reasoning
from ...records.protocols import StudyStore
from ...records.rows import JUDGE_NODE, ReplyCount
from ...records.status import Status
from ...records.text import single_spaced
from .policy_selection import Comparison
from .report import ReadingExample, ReadingReport, UnreadPlan

__all__ = ["Choice", "choices_of", "judge_readings", "readings_of"]

_TOO_MANY = 0.2
"""The share of unread replies of a node from which on its plan is named: its score tells little of the model."""
_BEGINNING = 80
"""Of a reply, in characters."""
_NAMED = 3
"""Plans that a sentence names."""
_FIELDS: Mapping[Status, str] = {Status.OK: "answered", Status.PARSE_ERROR: "unread"} | {
    status: status.value for status in (Status.STARVED, Status.REFUSED, Status.FILTERED, Status.OVERSIZE)
}

_Group = tuple[str, str, str]
"""Node, model, style."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a study chose."""

    what: str
    """For people."""
    plans: Set[str]
    """The hashes of the plans that it uses."""


def choices_of(plan: Plan | None, comparison: Comparison | None) -> list[Choice]:
    """The plan and the policy that a study chose, as far as it chose any."""
    choices = [] if plan is None else [Choice(f"the chosen plan {plan.hash[:8]}", {plan.hash})]
    if comparison is not None:
        arms = comparison.policy.arms
        stages = {stage.arm for arm in arms for stage in arm.stages}
        choices.append(Choice(f"the chosen policy {comparison.chosen}", stages.union(arm.name for arm in arms)))
    return choices


def readings_of(
    store: StudyStore, study_id: str, space: Space, choices: Sequence[Choice]
) -> tuple[tuple[ReadingReport, ...], tuple[UnreadPlan, ...]]:
    """Counts by node, model and style what came of replies, and names the plans that went unread.

    Args:
        store: has the books of the study.
        study_id: of the study; the runs of its trials are counted, those read back included.
        space: of its graph.
        choices: what was chosen, to be questioned where it hung on unread replies.
    """
    styles = _Styles(store, space)
    counts: dict[_Group, list[ReplyCount]] = {}
    for count in store.reply_counts(study_id):
        if count.kind in (JUDGE, CONTROL):
            continue
        counts.setdefault((count.node, count.model, styles.of(count)), []).append(count)
    reports, plans = [], []
    for group, found in sorted(counts.items()):
        unread = _unread_plans(store, group, found)
        reports.append(_report(store, group, found, unread, choices))
        plans += unread
    return tuple(reports), tuple(sorted(plans, key=lambda plan: (-plan.unread / plan.replies, plan.plan_hash)))


def judge_readings(store: StudyStore, study_id: str, choices: Sequence[Choice]) -> ReadingReport | None:
    """What came of the replies of a study's judge; None where there were none. Arguments are those of `readings_of`.

    No example is of a question of the test part, whose gold may be in it.
    """
    found = [count for count in store.reply_counts(study_id) if count.kind == JUDGE]
    if not found:
        return None
    tested = {trial.trial_id for trial in store.trials(study_id) if trial.part == "test"}
    runs = {count.run_id: store.run(count.run_id) for count in found}
    shown = {run_id for run_id, run in runs.items() if run is not None and run.trial_id not in tested}
    group = JUDGE_NODE, found[0].model, ""
    unread = _unread_plans(store, group, [count for count in found if count.run_id in shown])
    report = _report(store, group, found, unread, choices)
    examples = {field: each for field, each in report.examples.items() if each.run_id in shown}
    return report.model_copy(update={"examples": examples})


class _Styles:
    """How far nodes reason, by plan, as their kinds say, and with what prompt of the user's own."""

    def __init__(self, store: StudyStore, space: Space) -> None:
        self._store = store
        self._space = space
        self._steps: dict[str, Mapping[str, Step]] = {}

    def of(self, count: ReplyCount) -> str:
        """Empty where the kind does not say; where a run ended by its finishing allowance, the kind of that span."""
        step = self._plan(count.plan_hash).get(count.node)
        if step is None or step.node.kind != count.kind:
            return count.kind
        depth = step.node.depth_at(step.kind.depth(step.node), self._space.pool.card)
        said = ["" if depth is None else depth.label, *(f"prompt {prompt.label}" for prompt in step.node.prompts())]
        return ", ".join(filter(None, said))

    def _plan(self, plan_hash: str) -> Mapping[str, Step]:
        if plan_hash not in self._steps:
            row = self._store.plan(plan_hash)
            self._steps[plan_hash] = {} if row is None else resolve(self._space, Plan.from_json(row.content)).steps
        return self._steps[plan_hash]


def _unread_plans(store: StudyStore, group: _Group, counts: Sequence[ReplyCount]) -> list[UnreadPlan]:
    by_plan: dict[str, list[ReplyCount]] = {}
    for count in counts:
        by_plan.setdefault(count.plan_hash, []).append(count)
    node, model, style = group
    named = []
    for plan_hash, found in by_plan.items():
        replies, unread = _total(found), [count for count in found if count.outcome is Status.PARSE_ERROR]
        if unread and _total(unread) > _TOO_MANY * replies:
            named.append(
                UnreadPlan(
                    plan_hash=plan_hash,
                    node=node,
                    model=model,
                    style=style,
                    replies=replies,
                    unread=_total(unread),
                    example=_example(store, unread[0]),
                )
            )
    return named


def _report(
    store: StudyStore,
    group: _Group,
    counts: Sequence[ReplyCount],
    unread: Sequence[UnreadPlan],
    choices: Sequence[Choice],
) -> ReadingReport:
    node, model, style = group
    totals = dict.fromkeys((*_FIELDS.values(), "abstained", "failed"), 0)
    first: dict[str, ReplyCount] = {}
    for count in counts:
        field = "abstained" if count.abstained else _FIELDS.get(count.outcome, "failed")
        totals[field] += count.replies
        first.setdefault(field, count)
    return ReadingReport(
        node=node,
        model=model,
        style=style,
        replies=_total(counts),
        **totals,
        output_tokens=sum(count.output_tokens for count in counts),
        reasoning_tokens=sum(count.reasoning_tokens for count in counts),
        examples={field: _example(store, first[field]) for field in totals if field in first},
        warning=_warning(unread, choices),
    )


def _warning(unread: Sequence[UnreadPlan], choices: Sequence[Choice]) -> str:
    if not unread:
        return ""
    one, several = unread[0], len(unread) > 1
    share = sum(plan.unread for plan in unread) / sum(plan.replies for plan in unread)
    plans = ", ".join(plan.plan_hash[:8] for plan in unread[:_NAMED])
    more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
    style = f", style {one.style}" if one.style else ""
    where = f"node {one.node}, model {one.model}{style}"
    said = [
        f"{'plans' if several else 'plan'} {plans}{more} ({where}): {100 * share:.0f} % of the replies could not be "
        f"read, for example {one.example.text!r} in run {one.example.run_id[:8]}"
    ]
    named, them = {plan.plan_hash for plan in unread}, "them" if several else "it"
    for choice in choices:
        if choice.plans & named:
            said.append(f"{choice.what} uses {them}, so it may be better than its score")
        else:
            said.append(f"{choice.what} was chosen over {them}, and might not be if these replies were read")
    return "; ".join(said)


def _total(counts: Iterable[ReplyCount]) -> int:
    return sum(count.replies for count in counts)


def _example(store: StudyStore, count: ReplyCount) -> ReadingExample:
    call = next(call for call in store.calls(count.run_id) if call.call_id == count.call_id)
    said = split_reasoning(call.output_text).answer
    return ReadingExample(
        run_id=count.run_id,
        text=single_spaced(said if said.strip() else call.output_text)[:_BEGINNING],
        reason=call.error,
    )
