"""Questions whose answers are spread over a folder of text: how many rounds of search, and how much reading?"""

from pathlib import Path
from tempfile import TemporaryDirectory

from apportion import Cap, Graph, Pool, Search, Solver, Task, Verifier, choose, generate, load_pocket_models, optimize
from apportion.tasks.families import corpus

SEED = 3


def write_library(folder: Path) -> None:
    """A small library: 40 files of passages about who is where."""
    passages = corpus("hops", SEED)
    for number in range(40):
        (folder / f"notes-{number:02}.txt").write_text("\n\n".join(passages[number::40]), encoding="utf-8")


def pipeline(folder: Path) -> Graph:
    """Search answers by itself where it can; a reader works from what it found; a vote decides."""
    graph = Graph("multi-hop")
    graph.add(
        "search", Search(retriever=str(folder), rounds=choose(1, 2, 4, 6), top_k=choose(2, 4), max_output_tokens=16)
    )
    graph.add("read", Solver(style=choose("direct", "think"), max_output_tokens=64))
    graph.add("judge", Verifier(method="vote"))
    graph.connect("search", "read", optional=True)
    graph.connect("search", "judge")
    graph.connect("read", "judge", optional=True)
    return graph


def questions(each: int) -> list[Task]:
    """Questions that take one to four passages; the question does not say how many."""
    return [task for hops in range(1, 5) for task in generate("hops", each, SEED, hops)]


def main() -> None:
    """Searches the plans and prints the frontier."""
    with TemporaryDirectory() as name:
        write_library(Path(name))
        pool = Pool(load_pocket_models())
        report = optimize(pipeline(Path(name)), questions(25), pool, cap=Cap(total=40_000), spend=100_000)
        for plan in report.frontier:
            rounds = plan.plan["values"]["search.rounds"]
            print(f"{plan.validation.score:.2f} for {plan.validation.cost:6.1f} tokens a question, rounds={rounds}")


if __name__ == "__main__":
    main()
