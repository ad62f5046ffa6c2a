"""One model at three endpoints, of which one fails every request: no question is lost, and the cap holds.

The endpoints are stand-ins on this machine that count what they would bill. In pool.toml it is `base_urls = [...]`.
"""

import asyncio
from collections.abc import Iterator
from itertools import repeat

from apportion import Cap, Graph, OpenAIModel, Pool, Solver, Task
from apportion.budgets.books import MemoryStore
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.records import AccountRow
from apportion.testing.fault_server import Behaviour, FaultServer

graph = Graph("replicas").add("solve", Solver(style="direct", max_output_tokens=16))
FAILS: Iterator[Behaviour] = repeat(Behaviour.SERVER_ERROR)
QUESTIONS, CAP = 60, 20_000


async def main() -> None:
    """Asks sixty questions under one cap, and holds the books against what the endpoints would bill."""
    with FaultServer() as first, FaultServer(FAILS) as failing, FaultServer() as third:
        model = OpenAIModel(ModelCard(name="m", concurrency=4), [each.base_url for each in (first, failing, third)])
        limit = Cap(total=CAP).batch_limit(QUESTIONS, QUESTIONS)
        async with Runner(graph, Pool([model]), MemoryStore()) as runner:
            account = runner.open_account(AccountRow("batch", None, limit, "charged"))
            asked = (Task(question=f"Say {number}.") for number in range(QUESTIONS))
            plan = runner.space.default()
            results = await asyncio.gather(*(runner.run(task, plan, parent_account=account) for task in asked))
            balance = runner.ledger.balance(account)
        answered = sum(not result.status.failed for result in results)
        billed = sum(server.billed_tokens for server in (first, failing, third))
    booked = balance.charged.tokens + balance.lost.tokens
    print(f"{answered} of {QUESTIONS} answered; requests: {first.requests}, {failing.requests}, {third.requests}")
    print(f"billed {billed:,} <= charged + lost {booked:,} <= cap {CAP:,}: {billed <= booked <= CAP}")
    print(f"states: {', '.join(model.replicas.states)}")


if __name__ == "__main__":
    asyncio.run(main())
