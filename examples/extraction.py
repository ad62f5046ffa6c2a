"""Facts of invoices as JSON: three prompts race, and replies that miss the schema may be sent back.

The embedded models follow no instructions, so recorded replies answer: python examples/extraction.py
To ask a model of your own, give it a pool file:                        python examples/extraction.py POOL.toml
"""

import sys
from pathlib import Path

from apportion import Cap, Graph, JsonOutput, Pool, Prompt, Solver, choose, load_tasks, optimize
from apportion.testing.recorded import RecordedEndpoint

DATA = Path(__file__).parent / "data"

invoice = JsonOutput(
    {
        "type": "object",
        "properties": {
            "seller": {"type": "string"},
            "total": {"type": "number"},
            "currency": {"enum": ["EUR", "GBP", "USD"]},
            "date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        },
        "required": ["seller", "total", "currency", "date"],
        "additionalProperties": False,
    }
)
plain = Prompt("The facts of the invoice.", name="plain")
rules = Prompt(
    "The facts of the invoice as a bookkeeper enters them: the seller's whole name, the total before deposits as a "
    "number with a decimal point, the date as YYYY-MM-DD.",
    name="rules",
)
shown = Prompt(
    "The facts of the invoice, as in the examples.",
    name="shown",
    examples=(
        (
            "Invoice no. 17 from Maison Blum, 4.11.2024: flowers, 1.250,00 €. A deposit of 250,00 € was paid before.",
            '{"seller": "Maison Blum", "total": 1250, "currency": "EUR", "date": "2024-11-04"}',
        ),
        (
            "Please pay £80.40 to Orrin & Daughters for a ladder; their invoice is no. 9 of March 2, 2024.",
            '{"seller": "Orrin & Daughters", "total": 80.4, "currency": "GBP", "date": "2024-03-02"}',
        ),
    ),
)
graph = Graph("extraction")
graph.add(
    "read",
    Solver(
        output=invoice,
        prompt=choose(plain, rules, shown),
        repairs=choose(0, 1),
        style="direct",
        temperature=0.0,
        max_output_tokens=128,
    ),
)


def main(pool: Pool) -> None:
    """Races the prompts on forty invoices; prints the frontier, and what the policy reads in one of them."""
    tasks = load_tasks(DATA / "invoices.jsonl")
    report = optimize(graph, tasks, pool, cap=Cap(total=40_000), spend=200_000, metric="json_fields")
    for plan in report.frontier:
        values = plan.plan["values"]
        setting = f"prompt {values['read.prompt']}, {values['read.repairs']} repairs"
        print(f"{plan.validation.score:.2f} for {plan.validation.cost:5.1f} tokens a question: {setting}")
    if report.policy is not None:
        print(report.policy.invoke(tasks[0]).data)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Pool.from_toml(sys.argv[1]))
    else:
        with RecordedEndpoint(DATA / "invoices.replies.jsonl") as endpoint:
            main(Pool([endpoint.model()]))
