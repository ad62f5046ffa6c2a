"""Plain-English prompts for chat models, and readers that cope with how chat models write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from ...models.reasoning import split_reasoning
from ...models.request import ChatMessage
from ...records.message import Part
from ...records.text import single_spaced
from .acting import acting
from .answers import answer_in
from .base import Ask, Decomposition, Messages, ReasoningStep, SearchRound, SearchStep, Style, ToolRound
from .chat_readers import decomposition_in, search_step_in, steps_in
from .composed import composed
from .json_text import object_in
from .problem_schema import PROBLEM_SCHEMA, closed
from .replies import how_to_reply, schema_of
from .verdicts import verdict_in
from .written import finished

__all__ = ["ChatDialect"]

_WORDS = {
    Style.DIRECT: "",
    Style.DRAFT: "Think step by step, but write only a short draft of each step, five words at most. ",
    Style.THINK: "Think step by step, one step a line. ",
}
_CUT_OFF = "Your reasoning so far; there is no room for more of it, so give the answer that it leads to:"

_DECOMPOSE = """\
Split the question into at most {most} smaller questions that are easier to answer one by one. Each must be \
understood without the others; where it needs the answer of an earlier one, write {{p1}}, {{p2}} and so on in its \
place. Use as few as you can; a question that cannot be split is one part. Then write how the answers combine, as a \
question with {{p1}}, {{p2}} in it.
"""
_DECOMPOSED = """\
Reply with JSON only:
{"parts": ["first question", "second question about {p1}"], "combine": "question with {p1} and {p2}"}"""

_SEARCH = "You answer the question from passages that you search for by keywords. "
_SEARCHED = """\
Reply with one line and nothing else: either
Query: <a few keywords for the next fact that is missing>
or, as soon as the passages suffice,
Answer: <answer only>"""

_SEARCHED_TO = """\
Reply with one line and nothing else:
Query: <a few keywords for the next fact that is missing>
or, as soon as the passages suffice, with the answer in place of a query. Of the answer:
{}"""

_SEARCH_LAST = "No more searching. Reply with one line: Answer: <your best answer only>"
_SEARCH_LAST_TO = "No more searching. {}"

_FORMALISE = "Write the problem as JSON for a constraint solver; do not solve it. "
_FORMALISED = """\
Fields:
"variables", a list of:
{"type": "int", "name": "x", "low": 1, "high": 9}
{"type": "bool", "name": "b"}
{"type": "enum", "name": "c", "values": ["red", "green"]}
"constraints", a list of:
{"kind": "linear", "terms": [{"variable": "x", "coefficient": 2}, {"variable": "y", "coefficient": -1}], \
"relation": "<=", "constant": 7} (meaning 2x - y <= 7)
{"kind": "compare", "variable": "x", "relation": "!=", "other": "y"}, or "value": 3 in place of "other"
{"kind": "all_different", "variables": ["x", "y"]}
{"kind": "implication", "when": [...], "then": [...]} and {"kind": "any_of", "conditions": [...]}, both of linear and \
compare
{"kind": "count", "variables": ["x", "y"], "value": 3, "relation": "==", "constant": 1}
{"kind": "abs", "target": "d", "terms": [...]} (d is the absolute value of the sum)
{"kind": "min", "target": "m", "variables": [...]}, likewise "max"
Relations: == != < <= > >=
"objective": {"sense": "minimize" or "maximize", "terms": [...]}, or null
"answer": {"variables": ["x", "y"], "form": "pairs"}; "pairs" prints x=1 y=2, "values" prints 1 2, "objective" prints \
the objective's value alone.
Reply with the JSON object only."""

_VERIFY = "Judge whether the proposed answer is right. Check it step by step in a few words. "
_VERIFIED = """\
End with one line:
Probability: <0 to 100 that the answer is right>"""

_MERGE = "Answer the question from the answers of its parts. Work in short steps. "


class ChatDialect:
    """The dialect of models that follow plain English instructions."""

    words = True

    def conversation(self, messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        """See `Dialect.conversation`; as they are."""
        return tuple(messages)

    def solve(self, ask: Ask, style: Style) -> Messages:
        """Instructions by style, then the question with its passages and notes."""
        direct = style is Style.DIRECT
        reply = how_to_reply(ask.output, direct=direct)
        return composed(ask, _WORDS[style], reply, schema=schema_of(ask.output, direct=direct))

    def read_answer(self, text: str, style: Style, *, cut: bool = False) -> str | None:
        """What the reply marks as its answer or concludes; the whole reply where only an answer was asked."""
        return answer_in(text, whole=style is Style.DIRECT, cut=cut)

    def conclude(self, ask: Ask, style: Style, trace: str, *, continues: bool) -> Messages:
        """Begins the line with the answer behind the reasoning, or shows the reasoning and asks for the answer only."""
        if continues:
            return replace(self.solve(ask, style), prefix=f"{trace.rstrip()}\nAnswer:", response_schema="")
        reply, schema = how_to_reply(ask.output, direct=True), schema_of(ask.output, direct=True)
        return composed(ask, "", reply, f"\n\n{_CUT_OFF}\n{trace.strip()}", schema=schema)

    def decompose(self, ask: Ask, max_parts: int) -> Messages:
        """Asks for JSON with `parts` and `combine`."""
        reply = _DECOMPOSED if ask.wording is None else f"{_DECOMPOSED}\nAt most {max_parts} parts."
        return composed(ask, _DECOMPOSE.format(most=max_parts), reply, schema=_DECOMPOSITION_SCHEMA)

    def read_decomposition(self, text: str) -> Decomposition | None:
        """Reads the JSON, within fences, in another object or among other text."""
        return decomposition_in(text)

    def merge(self, ask: Ask, answers: Sequence[tuple[Part, str]], combine: str) -> Messages:
        """The whole question, each part with its answer, and how they combine."""
        parts = "\n".join(f"{part.name}: {part.question}\n{part.name} = {answer}" for part, answer in answers)
        combination = f"\n\nHow they combine:\n{combine}" if combine else ""
        reply, schema = how_to_reply(ask.output, direct=False), schema_of(ask.output, direct=False)
        more = f"\n\nParts and their answers:\n{parts}{combination}"
        return composed(ask, _MERGE, reply, more, schema=schema)

    def search(self, ask: Ask, rounds: Sequence[SearchRound], *, last: bool) -> Messages:
        """The question and all that was searched and found so far; a longer search only adds at the end."""
        history = "".join(
            f"\n\nQuery: {single_spaced(done.query)}\n"
            + ("\n".join(f"- {p}" for p in done.passages) or "Nothing found.")
            for done in rounds
        )
        reply, end, schema = _SEARCHED, _SEARCH_LAST, ""
        if ask.output != "line":
            how = how_to_reply(ask.output, direct=True)
            reply, end = _SEARCHED_TO.format(how), _SEARCH_LAST_TO.format(how)
            schema = schema_of(ask.output, direct=True) if last else ""
        return composed(ask, _SEARCH, reply, history + (f"\n\n{end}" if last else ""), schema=schema)

    def read_search(self, text: str, *, cut: bool = False) -> SearchStep | None:
        """The first line that says `Query:` or `Answer:`; what follows is the model talking to itself."""
        return search_step_in(finished(text) if cut else text)

    def act(self, ask: Ask, tools: str, rounds: Sequence[ToolRound], *, last: bool, native: bool) -> Messages:
        """Asks for calls of tools or for the answer, in the format of chat completions or in words."""
        return acting(ask, tools, rounds, last=last, native=native)

    def formalise(self, ask: Ask, problem: str) -> Messages:
        """Explains the closed schema; after a failed attempt adds what was wrong with it."""
        mend = f"\n\nYour last JSON was not accepted: {problem}\nWrite it again, mended." if problem else ""
        return composed(ask, _FORMALISE, _FORMALISED, mend, schema=PROBLEM_SCHEMA)

    def read_formalisation(self, text: str, ask: Ask) -> str | None:
        """The first JSON object that declares variables."""
        found = object_in(split_reasoning(text).answer, "variables")
        return None if found is None else json.dumps(found)

    def verify(self, ask: Ask, answer: str, reasoning: str) -> Messages:
        """The question, the proposed answer and its reasoning."""
        grounds = f"\n\nIts reasoning:\n{reasoning}" if reasoning.strip() else ""
        return composed(ask, _VERIFY, _VERIFIED, f"\n\nProposed answer:\n{answer}{grounds}")

    def read_verdict(self, text: str, *, cut: bool = False) -> float | None:
        """A figure from 0 to 100, a fraction, or a plain yes or no."""
        return verdict_in(finished(text) if cut else text)

    def steps(self, reasoning: str) -> tuple[ReasoningStep, ...]:
        """Every `expression = number` that a line claims, as the question what the expression is."""
        return steps_in(reasoning)


_DECOMPOSITION_SCHEMA = json.dumps(
    closed(parts={"type": "array", "items": {"type": "string"}}, combine={"type": "string"}),
    sort_keys=True,
    separators=(",", ":"),
)
