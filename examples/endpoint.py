"""One question to an OpenAI-compatible endpoint, under a cap: python examples/endpoint.py POOL.toml "question"."""

import sys

from apportion import Cap, Graph, Pool, Solver, Verifier, open_store

graph = Graph("endpoint")
graph.add("solve", Solver(style="think", samples=3, max_output_tokens=512))
graph.add("judge", Verifier(method="vote"))
graph.connect("solve", "judge")


def main(pool_file: str, question: str) -> None:
    """Asks three times and votes; every call is kept in endpoint.db."""
    pool = Pool.from_toml(pool_file)
    store = open_store("endpoint.db", durable=pool.costs_money)
    try:
        result = graph.run(question, pool=pool, cap=Cap(per_task=6_000), store=store)
    finally:
        store.close()
    print(result.answer or f"no answer: {result.status.value}: {result.reason}")
    print(f"{result.charged.tokens:,} tokens; apportion show {result.run_id[:8]} --db endpoint.db")
    if result.status.failed:
        sys.exit(5)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
