"""What every metric must keep to, as a class of tests to inherit from.

Example:
    ```python
    class TestRhyme(MetricConformance):
        def metric(self):
            return rhyme

        def examples(self):
            return [(Task(question="A word that rhymes with cat?", gold="hat"), "bat", "dog")]
    ```
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..records.task import Task
from ..tasks.metrics import Metric, resolve_metric

__all__ = ["HOSTILE", "MetricConformance"]

HOSTILE = (
    "",
    " \n\t",
    "\x00",
    "=" * 1000,
    "a=1" * 500,
    "(" * 5000,
    "1" * 5000,
    "9" * 400 + "%",
    "-",
    "1e9999",
    "nan inf -inf",
    "1/0",
    "½ ٣ 𝟛",
    "\u202eanswer",
    "{0.__class__} %s ${HOME} `id`",
    "<script>alert(1)</script>",
    "__import__('os').system('true')",
)
"""Answers that a model may give and that no metric may stumble over."""


class MetricConformance:
    """Tests for one metric. Say which `metric` and give `examples`; pytest collects the subclass."""

    def metric(self) -> Callable[[Task, str], float] | str:
        """The metric: a function, a name, or `module:function`."""
        raise NotImplementedError

    def examples(self) -> Sequence[tuple[Task, str, str]]:
        """Tasks, each with an answer that is right and one that is worse."""
        raise NotImplementedError

    def test_a_right_answer_scores_one(self) -> None:
        """And the scale ends there."""
        for task, right, _ in self.examples():
            reached = self._metric()(task, right)
            assert reached == 1.0, f"{right!r} scores {reached} on {task.question!r}"

    def test_a_worse_answer_scores_less(self) -> None:
        """Otherwise nothing can be optimized with it."""
        for task, right, worse in self.examples():
            assert self._metric()(task, worse) < self._metric()(task, right), f"{worse!r} on {task.question!r}"

    def test_any_text_scores_between_zero_and_one(self) -> None:
        """A failure to read an answer is a score of 0, never an exception."""
        for task, _, _ in self.examples():
            for text in HOSTILE:
                reached = self._metric()(task, text)
                assert isinstance(reached, float), f"{text!r} scores {reached!r}"
                assert 0 <= reached <= 1, f"{text!r} scores {reached!r}"

    def test_no_answer_scores_zero(self) -> None:
        """A run without an answer must never look better than one with."""
        for task, _, _ in self.examples():
            assert self._metric()(task, "") == 0.0

    def test_the_score_depends_on_the_arguments_alone(self) -> None:
        """The same question gives the same score, whatever was scored in between, and the task stays as it is."""
        before = [(task.task_id, self._metric()(task, worse)) for task, _, worse in self.examples()]
        for task, right, _ in self.examples():
            self._metric()(task, right)
        assert [(task.task_id, self._metric()(task, worse)) for task, _, worse in self.examples()] == before

    def _metric(self) -> Metric:
        return resolve_metric(self.metric())
