"""The policies by name. A new one is a file that implements `ArmPolicy` and `MakePolicy`, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

from ...errors import UsageError
from ...imports import outside, reference_to
from ...registry import Registry
from ..concurrency import one_thread
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.table import Lesson
from .base import ArmPolicy, MakePolicy
from .rehearsal import Rehearsal, rehearse
from .static import Static
from .stratified import STRATA, Part, Stratified

__all__ = [
    "FITTED_FOR",
    "POLICIES",
    "fit_all",
    "fit_each",
    "policies_named",
    "policy_from_json",
    "policy_named",
    "policy_to_json",
]


def _checked(name: str, policy: Any) -> MakePolicy:
    if not isinstance(getattr(policy, "name", None), str) or not callable(getattr(policy, "from_json", None)):
        raise UsageError(f"{policy!r} is no policy's class: it needs `name`, `fit` and `from_json`")
    if name not in ("", policy.name):
        raise UsageError(f"policy {name!r} calls itself {policy.name!r}; the two names must be one")
    made: MakePolicy = policy
    return made


POLICIES: Registry[MakePolicy] = Registry(
    "policy",
    "apportion.policies",
    _checked,
    {
        "static": "optimizers.policies.static:Static",
        "static_mix": "optimizers.policies.static:StaticMix",
        "route_only": "optimizers.policies.grouped:RouteOnly",
        "allocate_only": "optimizers.policies.grouped:AllocateOnly",
        "route_then_allocate": "optimizers.policies.route_then_allocate:RouteThenAllocate",
        "joint_up_front": "optimizers.policies.joint:JointUpFront",
        "joint": "optimizers.policies.joint:Joint",
        "sequential": "optimizers.policies.sequential:Sequential",
        "joint_safe": "optimizers.policies.joint_safe:JointSafe",
        "online": "optimizers.policies.online:Online",
        "quality_gap": "optimizers.policies.quality_gap:QualityGap",
        "factorisation": "optimizers.policies.factorisation:Factorisation",
        "clusters": "optimizers.policies.clusters:Clusters",
        "best_route": "optimizers.policies.best_route:BestRoute",
        "cascade": "optimizers.policies.cascade:Cascade",
        "cascade_by_family": "optimizers.policies.cascade_by_family:CascadeByFamily",
        "difficulty_bins": "optimizers.policies.difficulty_bins:DifficultyBins",
        "marginal_gain": "optimizers.policies.marginal_gain:MarginalGain",
    },
)
"""The package's own and those that installed packages register; never changes."""

_FEWEST = 2
"""Questions of each part of a lesson; the least that the predictor learns from."""
FITTED_FOR = "fitted_for"
"""The field beside a policy's JSON, in the file that `fit` writes, with the budget a question and its unit; a policy
itself serves any budget."""
_CLASS = "class"
"""The field of a policy's JSON that says where a policy comes from that is not in the table."""


@runtime_checkable
class _FromPredictor(Protocol):
    """A policy that rests on the common predictor."""

    def from_predictor(self, lesson: Lesson, predictor: Predictor, rehearsal: Rehearsal | None) -> ArmPolicy: ...


def policy_named(name: str) -> MakePolicy:
    """What makes the policy of that name, or the one that `module:Class` names.

    Raises:
        UnknownName: there is none; the message names the nearest.
        UsageError: it cannot be imported, or is no policy.
    """
    return POLICIES.resolve(name)


def policies_named(chosen: Iterable[str | MakePolicy]) -> Mapping[str, MakePolicy]:
    """Policies by their own names, in the order given: by name, by `module:Class`, or classes themselves.

    Raises:
        UnknownName, UsageError: as `policy_named`; or two have one name.
    """
    makers = [policy_named(each) if isinstance(each, str) else _checked("", each) for each in chosen]
    POLICIES.adding((make.name, make) for make in makers)
    return {make.name: make for make in makers}


def policy_to_json(policy: ArmPolicy) -> dict[str, Any]:
    """A policy's JSON, with the place where its class is found again where the table does not have it."""
    if isinstance(policy, Stratified):
        parts = [part.to_json() | {"policy": policy_to_json(part.policy)} for part in policy.parts]
        return {**policy.to_json(), STRATA: parts}
    content = dict(policy.to_json())
    made: object = type(policy)
    if POLICIES.get(policy.name) is not made:
        home = reference_to(made, (type(policy).__module__,))
        content |= {_CLASS: outside(home)} if home is not None else {}
    return content


def policy_from_json(
    content: Mapping[str, Any], *, policies: Iterable[MakePolicy] = (), allow: Collection[str] = ()
) -> ArmPolicy:
    """Reads what `policy_to_json` wrote, or a policy's own `to_json`.

    Args:
        content: JSON values.
        policies: classes beside those of the table.
        allow: modules that are admitted, where the policy is of neither; see `imported`.

    Raises:
        UsageError: it is not the JSON of a policy, or names a module that is not admitted; the message names the field.
        UnknownName: it is the JSON of a policy that is not in the table.
    """
    content = _renamed({field: value for field, value in content.items() if field != FITTED_FOR})
    name, home = content.get("policy"), content.get(_CLASS)
    if not isinstance(name, str):
        raise UsageError("a policy's JSON names the policy in its field 'policy', as to_json() writes it")
    if STRATA in content:
        return Stratified.from_json(content, partial(policy_from_json, policies=tuple(policies), allow=allow))
    table = POLICIES.adding((make.name, make) for make in policies)
    own = {field: value for field, value in content.items() if field != _CLASS}
    if name not in table and isinstance(home, str):
        return POLICIES.load(home, allow, name).from_json(own)
    return table.named(name).from_json(own)


def _renamed(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Before there were cascades, what is `joint_up_front` now was called `joint`."""
    if content.get("policy") != "joint":
        return content
    parts = content.get(STRATA)
    inner = [part.get("policy") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else [content]
    named = [each for each in inner if isinstance(each, dict) and each.get("policy") == "joint"]
    old = bool(named) and not any("version" in each for each in named)
    return {**content, "policy": "joint_up_front"} if old else content


def fit_each(
    chosen: Iterable[str | MakePolicy],
    lessons: Sequence[Lesson],
    *,
    left_out: Callable[[str, UsageError], None] | None = None,
) -> dict[str, ArmPolicy]:
    """Fits several policies to lessons that have different arms, as `lessons_from` makes them of a table with gaps.

    Each policy has a part for every lesson, see `Stratified`; a lesson with fewer than two questions to learn from or
    to compare on is too small for a choice by question, and has the best arm for all of them.

    Args:
        chosen: policies.
        lessons: one where all arms were run on all questions; then this is `fit_all`.
        left_out: see `fit_all`.

    Raises:
        UnknownName, UsageError: as `fit_all`.
    """
    makers = policies_named(chosen)
    if len(lessons) == 1:
        return fit_all(makers.values(), lessons[0], left_out=left_out)
    fitted: list[dict[str, ArmPolicy]] = []
    for lesson in lessons:
        plain = replace(lesson, fit=replace(lesson.fit, probes=()), validation=replace(lesson.validation, probes=()))
        if min(len(lesson.fit.questions), len(lesson.validation.questions)) < _FEWEST:
            fitted.append({name: Static.fit(plain) for name in makers})
        else:
            fitted.append(fit_all(makers.values(), plain, left_out=left_out))
    return {
        name: Stratified(name, tuple(Part.of(each[name], lesson) for each, lesson in zip(fitted, lessons, strict=True)))
        for name in makers
        if all(name in each for each in fitted)
    }


def fit_all(
    chosen: Iterable[str | MakePolicy],
    lesson: Lesson,
    *,
    left_out: Callable[[str, UsageError], None] | None = None,
) -> dict[str, ArmPolicy]:
    """Fits several policies to one lesson. Those that rest on the common predictor share one, fitted once.

    So do the members of `JointSafe` that were asked for before it.

    Args:
        chosen: policies.
        lesson: what they learn from.
        left_out: is told of a policy that cannot be fitted, with the reason, and the others are; where left out, that
            is an error.

    Raises:
        UnknownName: there is no such policy.
        UsageError: the tables lack what one of them needs; the message names the policy.
    """
    shared: list[tuple[Predictor, Rehearsal]] = []
    fitted: dict[str, ArmPolicy] = {}
    with one_thread():
        for name, make in policies_named(chosen).items():
            try:
                fitted[name] = _fitted(make, lesson, shared, tuple(fitted.values()))
            except UsageError as error:
                if left_out is None:
                    raise
                left_out(name, error)
    return fitted


def _fitted(
    make: MakePolicy, lesson: Lesson, shared: list[tuple[Predictor, Rehearsal]], before: tuple[ArmPolicy, ...]
) -> ArmPolicy:
    """A policy, with the predictor that others share; it is added to `shared` where it is the first that needs it."""
    from .joint_safe import JointSafe

    if not isinstance(make, _FromPredictor):
        return make.fit(lesson)
    if not shared:
        predictor = fit_predictor(lesson)
        shared.append((predictor, rehearse(lesson, predictor)))
    if make.name == JointSafe.name:
        return JointSafe.from_predictor(lesson, *shared[0], members=before)
    return make.from_predictor(lesson, *shared[0])
