"""What nodes that call a model have in common: in whose words they ask, and how hard the model is to think."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from ..errors import GraphError, PlanError, UnknownName
from ..models.card import ModelCard
from ..models.effort import Effort
from ..records.prompt import Prompt
from .base import Node
from .depth import Depth
from .knob import ADDED, Choice, Knob, options
from .prompts import dialect_named

__all__ = ["OF_CALLS", "ModelNode"]

OF_CALLS = frozenset({"model", "prompt", "effort", "max_output_tokens", "temperature"})
"""The knobs that make no difference where a node makes no call."""


class ModelNode(Node):
    """A node that asks a model."""

    prompt: Annotated[Knob[Prompt | None], ADDED] = None
    """The user's own words in place of the package's; `choose(...)` of several is a knob like any other. A template
    must hold `{format}`, unless the node's `output` says how its reply is read."""

    effort: Annotated[Knob[Annotated[str, Field(min_length=1)] | None], ADDED] = None
    """How hard the model is asked to think, by a name that its card has among its efforts. None: what the model does by
    itself. To a model whose card has no efforts it means nothing."""

    @field_validator("prompt", mode="before")
    @classmethod
    def _prompt_is_no_bare_text(cls, given: Any) -> Any:
        for value in options(given):
            if isinstance(value, str):
                raise GraphError(
                    f"prompt of a {cls.kind} node must be a Prompt, not the text {value[:40]!r}; write "
                    'Prompt("...", name="careful")'
                )
        return given

    def prompts(self) -> tuple[Prompt, ...]:
        """See `Node.prompts`."""
        return tuple(prompt for prompt in options(self.prompt) if isinstance(prompt, Prompt))

    def reads_a_form(self) -> bool:
        """Whether its replies can be read only where the prompt says how to write them."""
        return True

    def demands(self) -> dict[str, Any]:
        """Of a pinned node, idle settings aside: the settings that not every model can take, by their names."""
        asked = {name: getattr(self, name) for name in {"prompt", "effort"} - self.idle_knobs()}
        return {name: value for name, value in asked.items() if value is not None}

    def usable_knobs(self, cards: Mapping[str, ModelCard]) -> dict[str, tuple[Any, ...]]:
        """See `Node.usable_knobs`; what none of its models can take of its `demands` is a mistake."""
        knobs = self.open_knobs(tuple(cards))
        if not self.demanding:
            return knobs

        def card(name: str) -> ModelCard:
            if name not in cards:
                raise UnknownName("model", name, cards)
            return cards[name]

        found = _Tried({name: [] for name in knobs})
        with_models = {name: knobs[name] for name in knobs if name in self._with_models}
        for rests in self._rests({name: values for name, values in knobs.items() if name not in with_models}):
            node = self.model_copy(update=rests[0])
            for values in product(*with_models.values()):
                chosen = dict(zip(with_models, values, strict=True))
                if found.add(node.model_copy(update=chosen), card):
                    found.use([chosen, *rests])
        for name, value in sorted(found.refused.keys() - found.taken, key=repr):
            raise GraphError(_no_use(name, value, found.refused[name, value], cards))
        return {name: tuple(value for value in values if value in found.used[name]) for name, values in knobs.items()}

    def _rests(self, knobs: Mapping[str, tuple[Any, ...]]) -> list[list[dict[str, Any]]]:
        """The settings of knobs that no model has a say in, those together that leave the same knobs idle."""
        asks = {name: value.values[0] for name in self._with_models if isinstance(value := getattr(self, name), Choice)}
        alike: dict[frozenset[str], list[dict[str, Any]]] = {}
        for values in product(*knobs.values()):
            rest = dict(zip(knobs, values, strict=True))
            idle = self.model_copy(update={**asks, **rest}).idle_knobs()
            alike.setdefault(idle & self._with_models, []).append(rest)
        return list(alike.values())

    @property
    def demanding(self) -> bool:
        """Whether some of its settings may demand what not every model can take."""
        return self.effort is not None or bool(self.prompts())

    @property
    def _with_models(self) -> frozenset[str]:
        """The knobs that are tried together with the models."""
        return self.model_knobs() | {"prompt", "effort"}

    def idle_with(self, card: Callable[[str], ModelCard]) -> frozenset[str]:
        """See `Node.idle_with`; an effort makes no difference to models that have none."""
        idle = self.idle_knobs()
        if any(card(name).effort_names for name in self.called()):
            return idle
        return idle | {"effort"}

    def fitted(self, card: Callable[[str], ModelCard]) -> Self:
        """See `Node.fitted`; a model must have the effort, unless it has none at all, and take words of the user's."""
        if self.effort is None and self.prompt is None:
            return self
        idle = self.idle_with(card)
        for known in map(card, self.called()):
            if "effort" not in idle and known.effort_names and self.effort not in (None, *known.effort_names):
                efforts = ", ".join(known.effort_names)
                raise PlanError(f"model {known.name!r} has no effort {self.effort!r}; it has {efforts}")
            if "prompt" not in idle and self.prompt is not None and not dialect_named(known.dialect).words:
                raise PlanError(
                    f"model {known.name!r} speaks the dialect {known.dialect!r}, which has no place for a prompt of "
                    "your own; leave `prompt` out, or choose a model whose dialect is 'chat'"
                )
        return self.model_copy(update={"effort": None}) if "effort" in idle else self

    def effort_on(self, card: ModelCard) -> Effort | None:
        """See `Node.effort_on`."""
        return card.effort(self.effort) if isinstance(self.effort, str) else None

    def depth_at(self, depth: Depth | None, card: Callable[[str], ModelCard]) -> Depth | None:
        """See `Node.depth_at`; the effort of its model is a depth of its own."""
        if depth is None or not isinstance(self.effort, str):
            return depth
        places = (card(name).effort_place(self.effort) for name in self.called())
        return depth.at(self.effort, max(places, default=0))

    def called(self) -> Iterator[str]:
        """The models of a pinned node at its settings, see `Node.idle_knobs`."""
        named = (getattr(self, name) for name in sorted(self.model_knobs() - self.idle_knobs()))
        return (name for name in named if isinstance(name, str))

    @model_validator(mode="after")
    def _prompts_can_be_used(self) -> Self:
        labels = [prompt.label for prompt in self.prompts()]
        for label in labels:
            if labels.count(label) > 1:
                raise GraphError(f"two prompts of a {self.kind} node are called {label!r}; give each a name of its own")
        for prompt in self.prompts() if self.reads_a_form() else ():
            if prompt.placeholders and "format" not in prompt.placeholders:
                raise GraphError(
                    f"prompt {prompt.label!r} of a {self.kind} node is a template without {{format}}, so the model is "
                    "not told how to reply; put {format} where the reply's form is to be said"
                )
        return self


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of a node's settings with the models that they name."""

    used: dict[str, list[Any]]
    """By open knob, the values in settings that can run."""
    taken: set[tuple[str, Any]] = field(default_factory=set)
    """The demands that some model takes."""
    refused: dict[tuple[str, Any], str] = field(default_factory=dict)
    """Those that some model does not take, and why."""

    def add(self, node: ModelNode, card: Callable[[str], ModelCard]) -> bool:
        """Tries a pinned node; returns whether its settings can go together."""
        wanted = set(node.demands().items())
        try:
            node.fitted(card)
        except PlanError as misfit:
            self.refused.update(dict.fromkeys(wanted, str(misfit)))
            return False
        idle = node.idle_with(card)
        self.taken.update((name, value) for name, value in wanted if name not in idle)
        for want in wanted - self.taken - self.refused.keys():
            self.refused[want] = f"model {' and '.join(map(repr, node.called()))} has no efforts"
        return True

    def use(self, settings: Iterable[Mapping[str, Any]]) -> None:
        """Notes the values of settings that can run."""
        for setting in settings:
            for name, value in setting.items():
                if value not in self.used[name]:
                    self.used[name].append(value)


def _no_use(knob: str, value: Any, reason: str, cards: Mapping[str, ModelCard]) -> str:
    """Why a value of a knob is a mistake."""
    known = {name for card in cards.values() for name in card.effort_names}
    if knob == "effort" and value not in known:
        unknown = UnknownName("effort", value, known)
        return f"{unknown}; no model of the pool has it. Name it in `efforts` or `reasoning_efforts` of a model's card"
    called = value.label if isinstance(value, Prompt) else value
    return f"no model that it may call can take {knob} {called!r:.60}: {reason}"
