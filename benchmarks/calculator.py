"""`python -m benchmarks calculator [--all]`: chains of arithmetic on the embedded models, alone and with a calculator.

The same model and the same questions: once step by step; once as an agent that has every step worked out by a tool; and
once by a vote of so many samples that it costs at least as much as the agent. Intervals are of the share of right
answers over questions, and of the paired difference of agent and one reply, bootstrapped. Nothing is trained, and the
questions are of the share that no training question shares.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np

from apportion import Agent, Graph, Pool, Solver, Task, generate, load_pocket_models
from apportion.nodes.base import Node
from apportion.optimizers.bootstrap import Interval, mean_interval

QUESTIONS, SEED = 100, 20
ROWS = (("pocket-30k", 4), ("pocket-100k", 4), ("pocket-100k-arithmetic", 8), ("pocket-800k", 8))
"""The models and steps that are asked for; with `--all` every model, and every number of `STEPS`."""
STEPS = (2, 4, 6, 8)
_SIGNS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}


def calculate(expression: str) -> int:
    """Works out a sum, a difference or a product of two integers."""
    sign = next(sign for sign in expression if sign in _SIGNS)
    left, _, right = expression.partition(sign)
    return _SIGNS[sign](int(left), int(right))


@dataclass(frozen=True, slots=True)
class Way:
    """How a model answered the questions of a row."""

    right: np.ndarray[tuple[int], np.dtype[np.float64]]
    """(questions,): 1 where the answer was right."""
    tokens: float
    """Mean of a question."""

    def __str__(self) -> str:
        return f"{_shown(mean_interval(self.right))} {self.tokens:4.0f}t"


@dataclass(frozen=True, slots=True)
class Row:
    """The three ways of one model at chains of one length."""

    alone: Way
    tool: Way
    vote: Way
    samples: int
    """That vote."""


def alone(samples: int = 1) -> Solver:
    """Without the tool."""
    return Solver(style="think", samples=samples, temperature=0.8 if samples > 1 else 0.0, max_output_tokens=96)


def with_tool(steps: int) -> Agent:
    """As many rounds as there are steps, and one for the answer."""
    return Agent(tools=(calculate,), rounds=steps + 1, temperature=0.0, max_output_tokens=96, result_bytes=512)


def answered(node: Node, tasks: list[Task], pool: Pool) -> Way:
    """What comes of a node."""
    graph = Graph("chain").add("solve", node)
    results = [graph.run(task, pool=pool) for task in tasks]
    right = [float(result.answer == task.gold) for result, task in zip(results, tasks, strict=True)]
    return Way(np.array(right), sum(result.charged.tokens for result in results) / len(results))


def compared(pool: Pool, steps: int, questions: int) -> Row:
    """One row, on chains of so many steps."""
    tasks = list(generate("chains", questions, seed=SEED, difficulty=steps))
    plain, tool = answered(alone(), tasks, pool), answered(with_tool(steps), tasks, pool)
    samples = max(2, math.ceil(tool.tokens / plain.tokens))
    return Row(plain, tool, answered(alone(samples), tasks, pool), samples)


def main() -> None:
    """Prints a row for each model and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every model, at chains of 2, 4, 6 and 8 steps")
    models = {model.card.name: model for model in load_pocket_models()}
    rows = [(name, steps) for name in models for steps in STEPS] if parser.parse_args().all else ROWS
    print(f"{QUESTIONS} chains a row; right with 95 % interval, tokens a question")
    for name, steps in rows:
        row = compared(Pool([models[name]]), steps, QUESTIONS)
        gain = mean_interval(row.tool.right - row.alone.right)
        print(
            f"{name:22s} {steps} steps  alone {row.alone}  with {row.tool}  gain {_shown(gain)}"
            f"  {row.samples} votes {row.vote}",
            flush=True,
        )


def _shown(found: Interval) -> str:
    return f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


if __name__ == "__main__":
    main()
