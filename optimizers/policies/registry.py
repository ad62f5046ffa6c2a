"""The policies by name. A new one is a file that implements `ArmPolicy` and `MakePolicy`, and a line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from ...errors import UnknownName, UsageError
from ..concurrency import one_thread
from ..prediction.predictor import Predictor, fit_predictor
from ..tables.table import Lesson
from .base import ArmPolicy, MakePolicy
from .best_route import BestRoute
from .cascade import Cascade
from .clusters import Clusters
from .difficulty_bins import DifficultyBins
from .factorisation import Factorisation
from .grouped import AllocateOnly, RouteOnly
from .joint import Joint
from .joint_safe import JointSafe
from .marginal_gain import MarginalGain
from .online import Online
from .quality_gap import QualityGap
from .rehearsal import Rehearsal, rehearse
from .route_then_allocate import RouteThenAllocate
from .static import Static, StaticMix

__all__ = ["POLICIES", "fit_all", "policy_from_json", "policy_named"]

POLICIES: Mapping[str, MakePolicy] = {
    "static": Static,
    "static_mix": StaticMix,
    "route_only": RouteOnly,
    "allocate_only": AllocateOnly,
    "route_then_allocate": RouteThenAllocate,
    "joint": Joint,
    "joint_safe": JointSafe,
    "online": Online,
    "quality_gap": QualityGap,
    "factorisation": Factorisation,
    "clusters": Clusters,
    "best_route": BestRoute,
    "cascade": Cascade,
    "difficulty_bins": DifficultyBins,
    "marginal_gain": MarginalGain,
}


@runtime_checkable
class _FromPredictor(Protocol):
    """A policy that rests on the common predictor."""

    def from_predictor(self, lesson: Lesson, predictor: Predictor, rehearsal: Rehearsal | None) -> ArmPolicy: ...


def policy_named(name: str) -> MakePolicy:
    """What makes the policy of that name.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    if name not in POLICIES:
        raise UnknownName("policy", name, POLICIES)
    return POLICIES[name]


def policy_from_json(content: Mapping[str, Any]) -> ArmPolicy:
    """Reads any policy of the registry.

    Raises:
        UsageError: it is not the JSON of a policy; the message names the field.
        UnknownName: it is the JSON of a policy that is not in the registry.
    """
    name = content.get("policy")
    if not isinstance(name, str):
        raise UsageError("a policy's JSON names the policy in its field 'policy', as to_json() writes it")
    return policy_named(name).from_json(content)


def fit_all(names: Iterable[str], lesson: Lesson) -> dict[str, ArmPolicy]:
    """Fits several policies to one lesson. Those that rest on the common predictor share one, fitted once.

    So do the members of `JointSafe` that were asked for before it.

    Raises:
        UnknownName: there is no such policy.
        UsageError: the tables lack what one of them needs; the message names the policy.
    """
    makers = {name: policy_named(name) for name in names}
    shared: tuple[Predictor, Rehearsal] | None = None
    fitted: dict[str, ArmPolicy] = {}
    with one_thread():
        for name, make in makers.items():
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
