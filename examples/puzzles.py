"""Constraint puzzles in plain text: where no number of tokens helps, a symbolic solver does."""

from apportion import Cap, Graph, Pool, Solver, SymbolicSolver, Verifier, choose, generate, load_pocket_models, optimize

graph = Graph("puzzles")
graph.add("guess", Solver(style=choose("direct", "think"), samples=choose(1, 5), max_output_tokens=64))
graph.add("solver", SymbolicSolver(max_output_tokens=64, repair_rounds=choose(0, 1)))
graph.add("judge", Verifier(method="vote"))
graph.connect("guess", "judge", optional=True)
graph.connect("solver", "judge", optional=True)


def main() -> None:
    """Searches the plans and prints which edges were worth their tokens."""
    tasks = [task for size in (3, 4, 5) for task in generate("puzzles", 30, seed=5, difficulty=size)]
    report = optimize(graph, tasks, Pool(load_pocket_models()), cap=Cap(total=20_000), spend=60_000)
    for plan in report.frontier:
        edges = ", ".join(plan.plan["edges"]) or "none"
        print(f"{plan.validation.score:.2f} for {plan.validation.cost:6.1f} tokens a question, with {edges}")


if __name__ == "__main__":
    main()
