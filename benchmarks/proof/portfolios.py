"""The portfolio of each policy family: at most so many arms, chosen by one greedy from the same measurements.

A policy that may give a question any arm gets the arms that are worth most together. One that holds the setting, or the
models, fixed for all questions gets the settings, or the choices of models, that are worth most to such a policy. So
none is measured by arms that were picked for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.tables.portfolio import choose_portfolio, held_out, portfolio_prices
from apportion.optimizers.tables.table import Arm, Table

__all__ = ["Entry", "Kind", "portfolio_of", "shown", "with_whole_vectors"]

Kind = Literal["free", "static", "route", "allocate"]
"""free: any arm for any question; static: one arm for all; route: one setting for all; allocate: one choice of models
for all."""

Key = str | tuple[tuple[str, str], ...]
"""What the arms of a group have in common: a setting, or (node, model) for every node."""

_CELLS = ("scores", "costs", "confidences", "answers", "abstained")
"""What is known of every arm on every question."""
_SWEEPS = 3
"""How often each node's model is reconsidered while the others stay."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An arm of a portfolio."""

    arm: int
    """Its number in the table that the portfolio was chosen from."""
    shown: Arm
    """As the policy sees it."""


def portfolio_of(kind: Kind, table: Table, size: int) -> tuple[Entry, ...]:
    """Chooses the arms of a policy family.

    Args:
        kind: what the family holds fixed.
        table: every candidate on the fit part.
        size: the most arms; one that stands for two choices of models counts once.
    """
    prices = portfolio_prices(table)
    if kind == "static":
        return tuple(Entry(arm, table.arms[arm]) for arm in _thinned_frontier(table, size))
    if kind == "free":
        return tuple(Entry(int(arm), table.arms[arm]) for arm in choose_portfolio(table, size=size, prices=prices))
    worths = _Worths(table, *held_out(table), np.asarray(prices))
    groups = _settings(table) if kind == "route" else _vectors(table, worths)
    return _of_groups(worths, groups, size)


def shown(table: Table, entries: Sequence[Entry]) -> Table:
    """The table with a portfolio's arms, as its family sees them."""
    chosen = np.array([entry.arm for entry in entries], np.intp)
    # An arm may be shown twice, under two names.
    cells = {name: getattr(table, name) for name in _CELLS}
    picked: dict[str, Any] = {name: None if each is None else each[:, chosen] for name, each in cells.items()}
    return replace(table, arms=tuple(entry.shown for entry in entries), **picked)


def with_whole_vectors(entries: Sequence[Entry], nodes: Sequence[str]) -> tuple[Entry, ...]:
    """The entries with the model of an arm that has one model written to every node, active or not.

    So arms that ask the same model in different nodes count as the same choice of models.
    """
    return tuple(Entry(entry.arm, replace(entry.shown, models=_whole(entry.shown, nodes))) for entry in entries)


@dataclass(frozen=True, slots=True, eq=False)
class _Worths:
    """What sets of arms are worth, on scores and costs that other questions predict."""

    table: Table
    scores: Floats
    costs: Floats
    prices: Floats

    def of(self, arms: Ints) -> Floats:
        """(prices,): the mean over questions of the best score - price x cost."""
        return np.array(
            [(self.scores[:, arms] - price * self.costs[:, arms]).max(axis=1).mean() for price in self.prices]
        )

    def trimmed(self, arms: Ints, size: int) -> Ints:
        """The most useful of some arms."""
        found = choose_portfolio(
            self.table.with_arms(arms),
            size=size,
            prices=self.prices.tolist(),
            scores=self.scores[:, arms],
            costs=self.costs[:, arms],
        )
        return arms[found]


def _of_groups(worths: _Worths, groups: Mapping[Key, Ints], size: int) -> tuple[Entry, ...]:
    """Arms of the groups that are worth most to a policy which picks one group for each price."""
    # Half the room for a group, so that dear prices and cheap ones can have one each.
    trimmed = {key: worths.trimmed(arms, max(1, size // 2)) for key, arms in groups.items()}
    worth = {key: worths.of(arms) for key, arms in trimmed.items()}
    reached = worths.of(np.array([worths.table.mean_costs.mean(axis=0).argmin()]))
    entries: dict[str, Entry] = {}
    taken: set[int] = set()
    waiting = list(trimmed)
    while waiting:
        key = max(waiting, key=lambda one: float(np.maximum(worth[one] - reached, 0.0).sum()))
        waiting.remove(key)
        for arm in trimmed[key].tolist():
            if arm in taken or len(taken) < size:
                taken.add(arm)
                entry = _entry(worths.table.arms[arm], arm, key, entries)
                entries[entry.shown.name] = entry
        reached = np.maximum(reached, worth[key])
    return tuple(entries.values())


def _entry(arm: Arm, number: int, key: Key, entries: Mapping[str, Entry]) -> Entry:
    models = arm.models if isinstance(key, str) else key
    name, copy = arm.name, 1
    while name in entries:
        copy += 1
        name = f"{arm.name}/{copy}"
    return Entry(number, replace(arm, name=name, models=models))


def _settings(table: Table) -> dict[Key, Ints]:
    """The arms of each setting."""
    keys = [arm.setting for arm in table.arms]
    return {key: np.flatnonzero([key == other for other in keys]) for key in dict.fromkeys(keys)}


def _vectors(table: Table, worths: _Worths) -> dict[Key, Ints]:
    """Choices of a model for every node, with the arms that agree: one model everywhere, and the best at each price.

    The best is found node by node, from the best single model on, each time keeping what raises the worth.
    """
    nodes = sorted({node for arm in table.arms for node, _ in arm.models})
    models = sorted({model for arm in table.arms for _, model in arm.models})

    def agreeing(vector: Mapping[str, str]) -> Ints:
        return np.flatnonzero([all(vector[node] == model for node, model in arm.models) for arm in table.arms])

    found = [dict.fromkeys(nodes, model) for model in models]
    found = [vector for vector in found if len(agreeing(vector))]
    singles = [worths.of(agreeing(vector)) for vector in found]
    for price in range(len(worths.prices)):
        best = max(range(len(singles)), key=lambda number: float(singles[number][price]))
        vector, worth = found[best], float(singles[best][price])
        for node in nodes * _SWEEPS:
            for model in models:
                tried = {**vector, node: model}
                value = float(worths.of(agreeing(tried))[price])
                if value > worth + 1e-12:
                    vector, worth = tried, value
        found.append(vector)
    return {tuple(sorted(vector.items())): agreeing(vector) for vector in found}


def _thinned_frontier(table: Table, size: int) -> list[int]:
    """The arms that no other beats without costing more, cheapest first; of too many, those that gain most stay."""
    scores, costs = table.mean_scores.mean(axis=0), table.mean_costs.mean(axis=0)
    frontier: list[int] = []
    for arm in np.lexsort((-scores, costs)).tolist():
        if not frontier or scores[arm] > scores[frontier[-1]]:
            frontier.append(arm)
    while len(frontier) > size:
        steps = np.diff(scores[frontier])[:-1] if len(frontier) > 2 else np.diff(scores[frontier])
        del frontier[1 + int(np.argmin(steps))]
    return frontier


def _whole(arm: Arm, nodes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    models = {model for _, model in arm.models}
    return tuple((node, model) for node in sorted(nodes) for model in models) if len(models) == 1 else arm.models
