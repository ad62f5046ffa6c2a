"""A calculator beside a solver: a function of one's own answers what it can for no tokens, and models do the rest."""

import re
from collections.abc import Mapping

from apportion import (
    Cap,
    Function,
    Graph,
    Pool,
    Solver,
    Status,
    Task,
    Verifier,
    choose,
    generate,
    load_pocket_models,
    optimize,
)
from apportion.records import Candidate, Message


def calculate(question: str, inputs: Mapping[str, Message], task: Task) -> Message:
    """Works a chain such as `10-24*15=` off from left to right, modulo 100; of other questions it says nothing."""
    if not re.fullmatch(r"\d+([-+*]\d+)*=", question):
        return Message(status=Status.SKIPPED, reason="this is no chain of numbers")
    value, *steps = re.findall(r"^\d+|[-+*]\d+", question)
    result = int(value)
    for step in steps:
        operand = int(step[1:])
        result = {"+": result + operand, "-": result - operand, "*": result * operand}[step[0]] % 100
    # Checked: in a vote it comes before what models say.
    return Message(answer=f"{result:02d}", candidates=(Candidate(f"{result:02d}", 1.0, checked=True),))


graph = Graph("calculator")
graph.add("solve", Solver(style=choose("direct", "think"), samples=choose(1, 3), max_output_tokens=64))
graph.add("calculate", Function(calculate, pure=True, timeout_seconds=1, result_bytes=16))
graph.add("judge", Verifier(method="vote"))
graph.connect("solve", "judge", optional=True)
graph.connect("calculate", "judge", optional=True)


def main() -> None:
    """Searches the plans of a graph for two families, one of which the calculator can do, and prints the frontier."""
    chains = [task for steps in (2, 4, 6) for task in generate("chains", 20, seed=1, difficulty=steps)]
    counts = [task for letters in (1, 2, 3) for task in generate("counting", 20, seed=1, difficulty=letters)]
    report = optimize(graph, chains + counts, Pool(load_pocket_models()), cap=Cap(total=20_000), spend=60_000)
    for plan in report.frontier:
        edges = ", ".join(plan.plan["edges"]) or "none"
        print(f"{plan.validation.score:.2f} for {plan.validation.cost:6.1f} tokens a question, with {edges}")


if __name__ == "__main__":
    main()
