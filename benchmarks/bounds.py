"""`python -m benchmarks bounds`: how far the bound of a run lies above what it uses, on four graphs.

Once with a model that writes as much as it may, once with the embedded models on questions of their own. The bound is
that of the whole run without the finishing allowance, which a run that is not cut short gives back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from apportion import Graph, Pool, Search, Solver, Task, Verifier, generate, load_pocket_models
from apportion.graphs.bounds import worst_case
from apportion.models.card import ModelCard
from apportion.models.request import Request
from apportion.testing.scripted import ScriptedModel

_CAP = 64


def voted(model: str) -> Graph:
    """A vote over one solver."""
    graph = Graph("vote").add("solve", Solver(model=model, samples=3, max_output_tokens=_CAP))
    return graph.add("vote", Verifier(method="vote")).connect("solve", "vote")


def searched(model: str, corpus: Path, chains: int = 1) -> Graph:
    """A search over two passages, and a reader of what it found."""
    settings = {"rounds": 2, "top_k": 2, "max_output_tokens": _CAP, "temperature": 0.7 if chains > 1 else 0.0}
    search = Search.model_validate({"model": model, "retriever": str(corpus), "samples": chains, **settings})
    graph = (
        Graph("search" if chains == 1 else f"search in {chains} chains")
        .add("search", search)
        .add("read", Solver(model=model, max_output_tokens=_CAP))
    )
    return graph.connect("search", "read")


def refined(model: str) -> Graph:
    """Four drafts, and one who reads them all."""
    graph = Graph("refine").add("refine", Solver(model=model, max_output_tokens=_CAP))
    for number in range(4):
        name = f"draft{number}"
        graph.add(name, Solver(model=model, style="draft", max_output_tokens=_CAP)).connect(name, "refine")
    return graph


def greedy(request: Request) -> str:
    """Writes as much as it may; asks for passages until it must answer."""
    asked = " ".join(message.content for message in request.messages).lower()
    begin = "Answer: " if "query" not in asked else "Query: "
    return (begin + f"{request.sample}" + "word " * request.max_output_tokens)[: request.max_output_tokens]


def main() -> None:
    """Prints bound over use."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "passages.txt"
        corpus.write_text("kemo works with rali.\n\nrali stays in room 4b\n")
        scripted = Pool(
            [ScriptedModel(greedy, card=ModelCard(name="scripted", tokenizer="bytes", exact_tokenizer=True))]
        )
        pocket = Pool(load_pocket_models())
        (sums,) = generate("chains", 1, seed=3, difficulty=3)
        (hops,) = generate("hops", 1, seed=3, difficulty=1)
        print(f"{'':24}{'at their caps':>28}{'embedded models':>28}")
        print(f"{'graph':24}{'bound':>10}{'use':>8}{'ratio':>10}{'bound':>10}{'use':>8}{'ratio':>10}")
        graphs: tuple[tuple[Callable[[str], Graph], Task], ...] = (
            (voted, sums),
            (lambda model: searched(model, corpus), hops),
            (lambda model: searched(model, corpus, 3), hops),
            (refined, sums),
        )
        for make, task in graphs:
            cells = [ratio(make("scripted"), task, scripted), ratio(make("pocket-800k"), task, pocket)]
            row = "".join(f"{bound:>10,}{use:>8,}{bound / use:>10.2f}" for bound, use in cells)
            print(f"{make('scripted').name:24}{row}")


def ratio(graph: Graph, task: Task, pool: Pool) -> tuple[int, int]:
    """(bound, use) in tokens."""
    plan = graph.space(pool).default()
    bound = worst_case(graph, plan, task, pool)
    return bound.total.tokens - bound.allowance.tokens, graph.run(task, plan, pool=pool).charged.tokens


if __name__ == "__main__":
    main()
