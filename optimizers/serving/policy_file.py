"""The file of a deployed policy: everything but the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...errors import PoolError, UsageError
from ...models.card import ModelCard
from ...models.effort import Effort
from ...records.files import read_json
from ...records.rows import Unit
from ..tables.table import Arm, Batch, Question

__all__ = ["PolicyFile", "Reference", "SavedModel", "read_policy_file"]

_REFERENCES = 200
"""The most questions that a single one is decided beside."""


class SavedModel(BaseModel):
    """What a model was when the policy was fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    fingerprint: str
    weight: float
    input_usd_per_million: float
    output_usd_per_million: float
    efforts: dict[str, Effort] = Field(default_factory=dict)

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """What a model is now."""
        fields = {name: getattr(card, name) for name in cls.model_fields}
        return cls(**fields)

    def check(self, card: ModelCard, unit: Unit) -> None:
        """Makes sure that the model is still what it was, and still costs what it cost in the unit of the policy."""
        if card.fingerprint != self.fingerprint:
            raise PoolError(
                f"model {self.name!r} is not the one that this policy was fitted to: its fingerprint was "
                f"{self.fingerprint} and is {card.fingerprint} (provider, served name, revision or dialect changed). "
                "Put the former model back into the pool, or run optimize again with this one"
            )
        for name, effort in self.efforts.items():
            if card.efforts.get(name) != effort:
                raise PoolError(
                    f"model {self.name!r}: effort {name!r} is not what it was when this policy was fitted, so what it "
                    "knows of scores and costs is off. Restore it in the card, or run optimize again"
                )
        priced = {"tokens": (), "weighted": ("weight",), "usd": ("input_usd_per_million", "output_usd_per_million")}
        for name in priced[unit]:
            before, now = getattr(self, name), getattr(card, name)
            if before != now:
                raise PoolError(
                    f"model {self.name!r}: {name} was {before:g} when this policy was fitted and is {now:g}, so its "
                    f"forecasts in {unit} are off. Restore it in the card, or run optimize again"
                )


class Reference(BaseModel):
    """Questions like those that the policy was fitted to; a single question is decided as if it came among them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    questions: tuple[Question, ...] = Field(min_length=1, max_length=_REFERENCES)
    probes: dict[str, tuple[float, ...]]

    @model_validator(mode="after")
    def _of_all_questions(self) -> Self:
        if any(len(values) != len(self.questions) for values in self.probes.values()):
            raise ValueError("probes must have a number for every question")
        return self

    @classmethod
    def of(cls, batch: Batch, probe: str | None) -> Self:
        """The first questions of a batch, with one probe or none."""
        first = batch.take(np.arange(min(len(batch), _REFERENCES)))
        probes = {} if probe is None else {probe: tuple(map(float, first.probes[probe]))}
        return cls(questions=first.questions, probes=probes)

    @property
    def batch(self) -> Batch:
        """The questions as policies take them."""
        return Batch(self.questions, {name: np.array(values) for name, values in self.probes.items()})


class PolicyFile(BaseModel):
    """The content of a policy file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["apportion-policy"] = "apportion-policy"
    version: Literal[1] = 1
    unit: Unit
    budget: float = Field(gt=0, allow_inf_nan=False)
    """What a question may cost on average, in `unit`."""
    graph: dict[str, Any]
    arms: tuple[Arm, ...] = ()
    """Those that only the stages of cascades name; the policy has its own."""
    policy: dict[str, Any]
    models: tuple[SavedModel, ...] = Field(min_length=1)
    code: dict[str, str] = {}
    """What the code of the graph's own kinds and functions was, see `codes_of`."""
    reference: Reference


def read_policy_file(path: Path) -> PolicyFile:
    """Reads a policy file.

    Raises:
        UsageError: it cannot be read, or is no policy file; the message names the field.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != "apportion-policy":
        if isinstance(content, dict) and "policy" in content and "format" not in content:
            raise UsageError(
                f"{path}: this policy was learned from a log and has no graph to run; `apportion simulate` prices it, "
                "and `optimize --policy-out` or Policy.save writes one that runs"
            )
        raise UsageError(f"{path}: no policy file, as `optimize --policy-out` or Policy.save writes it")
    try:
        return PolicyFile.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(f"field {'.'.join(map(str, e['loc']))!r}: {e['msg']}" for e in error.errors()[:3])
        raise UsageError(f"{path}: {wrong}") from None
