"""Models from cheap to dear, each asked only where the one before was unsure."""

from __future__ import annotations

from typing import Any

from ..errors import GraphError
from ..graphs.gate import Gate
from ..graphs.graph import Graph
from ..nodes.knob import choose
from ..nodes.solver import Solver
from .early_exit import early_exit

__all__ = ["ladder"]

_THRESHOLDS = (0.8, 0.5, 0.95)


def ladder(*models: str, when: Gate | None = None, name: str = "ladder", **settings: Any) -> Graph:
    """A cascade inside one run (FrugalGPT, Chen, Zaharia and Zou 2023): the first model that is sure enough answers.

    Args:
        models: from the one that is asked first to the one that is asked last, two at least.
        when: the way up; where left out, a confidence below a threshold that is a knob. A confidence comes from
            log-probabilities or from several samples, so give `samples=3` where models give no log-probabilities.
        name: of the graph.
        settings: of every rung, such as `style`, `samples`, `prompt` or `effort`; see `Solver`.

    Raises:
        GraphError: fewer than two models, or one twice.
    """
    if len(models) < 2 or len(set(models)) < len(models):
        raise GraphError(f"a ladder needs two models at least, each once; got {', '.join(models) or 'none'}")
    gate = Gate("confidence", below=choose(*_THRESHOLDS)) if when is None else when
    rungs = {f"rung{number}": Solver(model=model, **settings) for number, model in enumerate(models, start=1)}
    return early_exit(rungs, when=gate, name=name)
