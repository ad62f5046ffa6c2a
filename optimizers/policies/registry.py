"""The policies by name. A new one is a file that implements `ArmPolicy` and `MakePolicy`, and a line here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from ...errors import UsageError
from ...imports import outside, reference_to
from ...registry import Registry
from ..concurrency import one_thread
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.table import Lesson
from .base import ArmPolicy, MakePolicy
from .rehearsal import Rehearsal, rehearse

__all__ = ["POLICIES", "fit_all", "policies_named", "policy_from_json", "policy_named", "policy_to_json"]


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
        "joint": "optimizers.policies.joint:Joint",
        "joint_safe": "optimizers.policies.joint_safe:JointSafe",
        "online": "optimizers.policies.online:Online",
        "quality_gap": "optimizers.policies.quality_gap:QualityGap",
        "factorisation": "optimizers.policies.factorisation:Factorisation",
        "clusters": "optimizers.policies.clusters:Clusters",
        "best_route": "optimizers.policies.best_route:BestRoute",
        "cascade": "optimizers.policies.cascade:Cascade",
        "difficulty_bins": "optimizers.policies.difficulty_bins:DifficultyBins",
        "marginal_gain": "optimizers.policies.marginal_gain:MarginalGain",
    },
)
"""The package's own and those that installed packages register; never changes."""

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
    name, home = content.get("policy"), content.get(_CLASS)
    if not isinstance(name, str):
        raise UsageError("a policy's JSON names the policy in its field 'policy', as to_json() writes it")
    table = POLICIES.adding((make.name, make) for make in policies)
    own = {field: value for field, value in content.items() if field != _CLASS}
    if name not in table and isinstance(home, str):
        return POLICIES.load(home, allow, name).from_json(own)
    return table.named(name).from_json(own)


def fit_all(chosen: Iterable[str | MakePolicy], lesson: Lesson) -> dict[str, ArmPolicy]:
    """Fits several policies to one lesson. Those that rest on the common predictor share one, fitted once.

    So do the members of `JointSafe` that were asked for before it.

    Raises:
        UnknownName: there is no such policy.
        UsageError: the tables lack what one of them needs; the message names the policy.
    """
    from .joint_safe import JointSafe

    shared: tuple[Predictor, Rehearsal] | None = None
    fitted: dict[str, ArmPolicy] = {}
    with one_thread():
        for name, make in policies_named(chosen).items():
            if not isinstance(make, _FromPredictor):
                fitted[name] = make.fit(lesson)
                continue
            if shared is None:
                predictor = fit_predictor(lesson)
                shared = predictor, rehearse(lesson, predictor)
            if name == JointSafe.name:
                fitted[name] = JointSafe.from_predictor(lesson, *shared, members=tuple(fitted.values()))
            else:
                fitted[name] = make.from_predictor(lesson, *shared)
    return fitted
