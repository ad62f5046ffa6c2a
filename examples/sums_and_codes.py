"""A LangGraph app as anybody has one: it knows OpenAI's client, and nothing of apportion.

It splits sums with brackets into parts, works them out and puts them together, and reads codes off a list. It asks for
three models by name: splitter, worker and reader. As a command it reads a question on its standard input and prints
the answer::

    echo "(47+83)-(12-05)=" | OPENAI_BASE_URL=... OPENAI_API_KEY=... python sums_and_codes.py
"""

from __future__ import annotations

import re
import sys
from typing import Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from openai import OpenAI


class State(TypedDict, total=False):
    """What the app keeps of one question."""

    question: str
    parts: list[str]
    combination: str
    answer: str


class App:
    """The nodes of the app.

    Args:
        client: that reaches the three models.
    """

    def __init__(self, client: OpenAI) -> None:
        self._client = client

    def split(self, state: State) -> State:
        """Asks for the parts, and how they make up the whole: `47+83|12-05|p1-p2`."""
        *parts, combination = self._ask("splitter", "Split it into parts.", state["question"]).split("|")
        return {"parts": parts, "combination": combination}

    def work(self, state: State) -> State:
        """Works out each part, then the whole."""
        combination = state.get("combination") or state["question"]
        for number, part in enumerate(state.get("parts", []), start=1):
            combination = combination.replace(f"p{number}", self._result(part))
        return {"answer": self._result(combination)}

    def read(self, state: State) -> State:
        """Finds the records in the question's own list, then what is asked of them: `lato 12k, kemo 47b|12k/47b`."""
        return {"answer": self._ask("reader", "Think step by step.", state["question"]).rpartition("|")[2]}

    def _result(self, expression: str) -> str:
        said = self._ask("worker", "Think step by step.", expression.removesuffix("=") + "=")
        numbers = re.findall(r"[0-9]+", said)
        return numbers[-1] if numbers else ""

    def _ask(self, model: str, how: str, question: str) -> str:
        completion = self._client.chat.completions.create(
            model=model,
            messages=[{"role": "system", "content": how}, {"role": "user", "content": f"Question: {question}"}],
            max_tokens=64,
            temperature=0,
        )
        return completion.choices[0].message.content or ""


def where_to(state: State) -> Literal["split", "work", "read"]:
    """Which node begins."""
    if "Codes" in state["question"]:
        return "read"
    return "split" if "(" in state["question"] else "work"


def build(client: OpenAI) -> StateGraph[State]:
    """The app as a graph of LangGraph."""
    app = App(client)
    graph = StateGraph(State)
    graph.add_node("split", app.split)
    graph.add_node("work", app.work)
    graph.add_node("read", app.read)
    graph.add_conditional_edges(START, where_to)
    graph.add_edge("split", "work")
    graph.add_edge("work", END)
    graph.add_edge("read", END)
    return graph


if __name__ == "__main__":
    print(build(OpenAI()).compile().invoke({"question": sys.stdin.read().strip()})["answer"])
