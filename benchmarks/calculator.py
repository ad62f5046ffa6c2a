"""`python -m benchmarks calculator`: chains of arithmetic on the embedded models, with a calculator and without.

The same model and the same questions, at temperature 0: once step by step, once as an agent that has every step worked
out by a tool. Intervals are of the share of right answers over questions, and of the paired difference, bootstrapped.
Nothing is trained, and the questions are of the share that no training question shares.
"""

from __future__ import annotations

import numpy as np

from apportion import Agent, Graph, Pool, Solver, Task, generate, load_pocket_models
from apportion.nodes.base import Node
from apportion.optimizers.bootstrap import Interval, mean_interval

QUESTIONS, SEED = 100, 20
STEPS = (2, 4, 6, 8)
_SIGNS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}


def calculate(expression: str) -> int:
    """Works out a sum, a difference or a product of two integers."""
    sign = next(sign for sign in expression if sign in _SIGNS)
    left, _, right = expression.partition(sign)
    return _SIGNS[sign](int(left), int(right))


def nodes(steps: int) -> tuple[Solver, Agent]:
    """Without the tool and with it; as many rounds as there are steps, and one for the answer."""
    plain = Solver(style="think", temperature=0.0, max_output_tokens=96)
    return plain, Agent(tools=(calculate,), rounds=steps + 1, temperature=0.0, max_output_tokens=96, result_bytes=512)


def scores(node: Node, tasks: list[Task], pool: Pool) -> tuple[list[float], float]:
    """Of each task, and the mean number of tokens."""
    graph = Graph("chain").add("solve", node)
    results = [graph.run(task, pool=pool) for task in tasks]
    right = [float(result.answer == task.gold) for result, task in zip(results, tasks, strict=True)]
    return right, sum(result.charged.tokens for result in results) / len(results)


def compared(pool: Pool, steps: int, questions: int) -> tuple[Interval, Interval, Interval, float, float]:
    """Right answers without, with, the paired gain, and the tokens of both."""
    tasks = list(generate("chains", questions, seed=SEED, difficulty=steps))
    (without, cheap), (with_tool, dear) = (scores(node, tasks, pool) for node in nodes(steps))
    before, after = np.array(without), np.array(with_tool)
    return mean_interval(before), mean_interval(after), mean_interval(after - before), cheap, dear


def main() -> None:
    """Prints a row for each model and number of steps."""
    print(f"{QUESTIONS} chains a row; right with 95 % interval, tokens a question")
    for model in load_pocket_models():
        for steps in STEPS:
            before, after, gain, cheap, dear = compared(Pool([model]), steps, QUESTIONS)
            print(
                f"{model.card.name:22s} {steps} steps  without {_shown(before)} {cheap:4.0f}t"
                f"  with {_shown(after)} {dear:4.0f}t  gain {_shown(gain)}"
            )


def _shown(found: Interval) -> str:
    return f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


if __name__ == "__main__":
    main()
