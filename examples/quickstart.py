"""Ten lines: a graph of one node, a dev set, a cap. Runs offline on the embedded models."""

from apportion import Cap, Graph, Pool, Solver, choose, generate, load_pocket_models, optimize

graph = Graph("quickstart")
graph.add("solve", Solver(style=choose("direct", "draft", "think"), samples=choose(1, 3), max_output_tokens=64))
tasks = [task for steps in range(1, 6) for task in generate("chains", 20, seed=1, difficulty=steps)]
report = optimize(graph, tasks, Pool(load_pocket_models()), cap=Cap(total=5_000), spend=100_000)
for plan in report.frontier:
    print(f"{plan.validation.score:.2f} for {plan.validation.cost:5.1f} tokens a question: {plan.plan['values']}")
