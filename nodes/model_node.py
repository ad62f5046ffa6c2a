"""What nodes that call a model have in common: in whose words they ask, and how hard the model is to think."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from ..errors import GraphError
from ..records.prompt import Prompt
from .base import Node
from .knob import ADDED, Choice, Knob

__all__ = ["OF_CALLS", "ModelNode"]

OF_CALLS = frozenset({"model", "prompt", "max_output_tokens", "temperature"})
"""The knobs that make no difference where a node makes no call."""


class ModelNode(Node):
    """A node that asks a model."""

    prompt: Annotated[Knob[Prompt | None], ADDED] = None
    """The user's own words in place of the package's; `choose(...)` of several is a knob like any other. A template
    must hold `{format}`, unless the node's `output` says how its reply is read."""

    def prompts(self) -> tuple[Prompt, ...]:
        """See `Node.prompts`."""
        values = self.prompt.values if isinstance(self.prompt, Choice) else (self.prompt,)
        return tuple(prompt for prompt in values if isinstance(prompt, Prompt))

    def reads_a_form(self) -> bool:
        """Whether its replies can be read only where the prompt says how to write them."""
        return True

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
