"""Boosted trees over questions and arms together, fitted by scikit-learn and predicted here."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np

from ....errors import ApportionError
from ...arrays import Floats, Ints
from ..features import Features
from ..fitted import Array, Fitted, Indexes, rounded
from .base import Examples, folds_of

__all__ = ["BoostingHead", "fit_boosting"]

_MOST_TREES = 200
_LEAVES = 8
_MOST_ROWS = 200_000
_BLOCK = 100_000
"""Rows times trees that are walked together."""


class BoostingHead(Fitted):
    """An arm's mean score, plus the sum of what each tree says of the question and the arm."""

    kind: Literal["boosting"] = "boosting"
    arm_means: Array
    """(arms,)."""
    arm_columns: Array
    """(arms, columns): what is known of an arm; it stands to the right of what is known of the question."""
    baseline: float
    columns: Indexes
    """(trees, nodes): the column that a node asks about."""
    thresholds: Array
    """(trees, nodes): up to this it goes left."""
    left: Indexes
    """(trees, nodes): the next node; a leaf leads to itself."""
    right: Indexes
    values: Array
    """(trees, nodes): what a leaf adds."""
    depth: int

    def fits(self, columns: int, arms: int) -> bool:
        """Whether it is for so many columns and arms."""
        nodes = (self.columns, self.thresholds, self.left, self.right, self.values)
        if self.columns.ndim != 2 or any(array.shape != self.columns.shape for array in nodes):
            return False
        if self.arm_means.shape != (arms,) or self.arm_columns.ndim != 2 or len(self.arm_columns) != arms:
            return False
        places = self.columns.shape[1]
        if not 0 <= self.depth <= places or (len(self.columns) and not places):
            return False
        known = columns + self.arm_columns.shape[1]
        return bool((self.columns < known).all() and (self.left < places).all() and (self.right < places).all())

    def predict(self, features: Features) -> Floats:
        """(questions, arms)."""
        matrix, arms = features.matrix, len(self.arm_means)
        rows = np.empty((len(matrix), arms, matrix.shape[1] + self.arm_columns.shape[1]))
        rows[:, :, : matrix.shape[1]] = matrix[:, None]
        rows[:, :, matrix.shape[1] :] = self.arm_columns
        raw = self.raw(rows.reshape(len(matrix) * arms, -1)).reshape(len(matrix), arms)
        return np.clip(self.arm_means + raw, 0.0, 1.0)

    def raw(self, rows: Floats) -> Floats:
        """(rows,): the baseline and all leaves that each row of columns falls into."""
        trees, nodes = self.columns.shape
        block = max(1, _BLOCK // max(1, trees))
        found = np.empty(len(rows))
        for begin in range(0, len(rows), block):
            part = rows[begin : begin + block]
            leaves = self.values.ravel()[self._leaves(part, np.arange(trees) * nodes)]
            # One tree after the other: sums in another order differ in the last digits.
            sums = np.cumsum(np.column_stack([np.full(len(part), self.baseline), leaves]), axis=1)
            found[begin : begin + block] = sums[:, -1]
        return found

    def _leaves(self, rows: Floats, roots: Ints) -> Ints:
        """(rows, trees): where each row ends in each tree; nodes are numbered through all trees."""
        columns, thresholds, children = self._numbered
        width = rows.shape[1]
        offsets, flat = (np.arange(len(rows)) * width)[:, None], rows.ravel()
        at = np.broadcast_to(roots, (len(rows), len(roots)))
        for _ in range(self.depth):
            goes_left = flat.take(columns.take(at) + offsets) <= thresholds.take(at)
            at = children.take(2 * at + goes_left)
        return at

    @cached_property
    def _numbered(self) -> tuple[Ints, Floats, Ints]:
        """The columns and thresholds of all nodes in one row, and the two nodes after each, the right one first."""
        trees, nodes = self.columns.shape
        roots = (np.arange(trees) * nodes)[:, None]
        children = np.stack([self.right + roots, self.left + roots], axis=2)
        return self.columns.ravel(), self.thresholds.ravel(), children.ravel()


def fit_boosting(examples: Examples, seed: int, like: BoostingHead | None = None) -> BoostingHead:
    """Fits histogram gradient boosting (Ke et al. 2017) to how far scores lie from the mean of their arm.

    Args:
        examples: what to learn from. Of more than 200,000 pairs of question and arm so many are used, whole questions
            drawn at random.
        seed: of what is drawn.
        like: whose number of trees to take; without it, a quarter of the questions is kept aside to choose it.

    Raises:
        ApportionError: the installed scikit-learn lays out its trees in a way that cannot be read.
    """
    count, arms = examples.scores.shape
    if count * arms > _MOST_ROWS:
        drawn = np.random.default_rng([seed, count]).choice(count, max(2, _MOST_ROWS // arms), replace=False)
        examples = examples.take(np.sort(drawn))
    arm_means = rounded(examples.scores.mean(axis=0))
    arm_columns = rounded(_arm_columns(examples))
    rows, targets = _rows(examples, arm_columns), (examples.scores - arm_means).ravel()
    trees = len(like.columns) if like else _chosen(rows, targets, examples, seed)
    model = _boosted(rows, targets, arms, trees, seed)
    head = BoostingHead(arm_means=arm_means, arm_columns=arm_columns, **_trees(model))
    if not np.allclose(head.raw(rows[:1000]), model.predict(rows[:1000]), rtol=0, atol=1e-9):
        raise ApportionError(f"the trees of {_installed()} cannot be read; choose head 'logistic' or 'clusters'")
    return head


def _boosted(rows: Floats, targets: Floats, arms: int, trees: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=trees,
        max_leaf_nodes=_LEAVES,
        min_samples_leaf=max(20, len(rows) // arms // 20),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    ).fit(rows, targets)


def _chosen(rows: Floats, targets: Floats, examples: Examples, seed: int) -> int:
    """How many trees foretell best, on questions that the trees have not seen."""
    arms = len(examples.arms)
    aside = np.repeat(folds_of(len(examples), 4, seed, examples.clusters) == 0, arms)
    model = _boosted(rows[~aside], targets[~aside], arms, _MOST_TREES, seed)
    errors = [((foretold - targets[aside]) ** 2).mean() for foretold in model.staged_predict(rows[aside])]
    return int(np.argmin(errors)) + 1


def _rows(examples: Examples, arm_columns: Floats) -> Floats:
    """(questions x arms, columns): question by question, all arms of each."""
    count, arms = examples.scores.shape
    return np.hstack([np.repeat(examples.features.matrix, arms, axis=0), np.tile(arm_columns, (count, 1))])


def _arm_columns(examples: Examples) -> Floats:
    """(arms, columns): mean score and cost, which models it calls, and which arm it is."""
    models = sorted({model for arm in examples.arms for _, model in arm.models})
    costs = examples.costs.mean(axis=0)
    known = [examples.scores.mean(axis=0), np.log(np.maximum(costs, 1e-12))]
    known += [np.array([model in dict(arm.models).values() for arm in examples.arms], float) for model in models]
    return np.hstack([np.column_stack(known), np.eye(len(examples.arms))])


def _trees(model: Any) -> dict[str, Any]:
    """The nodes of all trees, padded to one number of nodes."""
    try:
        trees = [stage[0].nodes for stage in model._predictors]
        most = max(len(tree) for tree in trees)
        here = np.arange(most)
        fields: dict[str, Any] = {"baseline": float(np.ravel(model._baseline_prediction)[0])}
        for name, source, kind in (
            ("columns", "feature_idx", np.intp),
            ("thresholds", "num_threshold", np.float64),
            ("left", "left", np.intp),
            ("right", "right", np.intp),
            ("values", "value", np.float64),
        ):
            padded = np.zeros((len(trees), most), kind)
            for number, tree in enumerate(trees):
                leaf = tree["is_leaf"].astype(bool)
                padded[number, : len(tree)] = tree[source]
                if name in ("left", "right"):
                    padded[number, : len(tree)] = np.where(leaf, here[: len(tree)], tree[source])
                elif name != "values":
                    padded[number, : len(tree)] = np.where(leaf, 0, tree[source])
            fields[name] = padded
        fields["depth"] = int(max(tree["depth"].max() for tree in trees))
    except (AttributeError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ApportionError(
            f"the trees of {_installed()} cannot be read ({error}); choose head 'logistic' or 'clusters'"
        ) from error
    return fields


def _installed() -> str:
    import sklearn

    return f"scikit-learn {sklearn.__version__}"
