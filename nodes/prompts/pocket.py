"""The shorthand that the pocket models were trained on: one role letter, the question, one line of reply.

| letter | role | prompt | reply |
| --- | --- | --- | --- |
| S | solve, direct | `S47+83*02=` | `60` |
| C | solve, draft: results only | `C47+83*02=` | `30 60` |
| T | solve, think | `T47+83*02=` | `47+83=30*02=60` |
| S C T | solve from passages | passages, newline, question | as above |
| D | decompose | `D(47+83)-(12-05)=` | `47+83|12-05|p1-p2` |
| Q | search | question and finished rounds | `>kemo stays` for a query, `=47` for an answer |
| F | formalise | `FFind a,b from 1 to 3: a and b differ.` | `ab:3;a!b` |
| V | verify | `V47+83=`, newline, reasoning | `30y` or `30n`: every step solved anew and compared |

S, C and T by family; where no draft is given, a draft is asked for as a direct answer:

| question | direct | draft | think |
| --- | --- | --- | --- |
| `47+83*02=` | `60` | `30 60` | `47+83=30*02=60` |
| `(47+83)-(12-05)=` | `23` | `30 07 23` | `47+83=30;12-05=07;30-07=23` |
| `Which room is kemo in?` | `58` | `rali 58` | `kemo stays with rali. rali stays in room 58` |
| `Find a,b from 1 to 3: a is less than b.` | `a=1 b=3` | | `ab:3;a<b|a=1 b=3` |
| `Arrows c>d x>b b>f d>g. From x?` | `f` | `bf` | `x>b b>f` |
| `Codes kemo 47b, lato 12k. Give lato, kemo joined by /.` | `12k/47b` | | `lato 12k, kemo 47b|12k/47b` |
| `Sum of kemo, lato?` | `59` | `47 12 59` | `kemo 47 lato 12 47+12=59` |
| `Count k in kwwkr` | `02` | | `01 02` |
| `Pegs cab. All to c?` | `1a` | | `3bc 2aa 1ca|1a` |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ...models.pocket.answers import answer_place
from ...models.pocket.calling import offered
from ...models.pocket.serving.prompts import prompt_of
from ...models.pocket.shorthand import PocketRole, on_one_line, searching, solving, verifying
from ...models.request import ChatMessage
from ...records.message import Part
from ...records.output import JsonOutput
from ..symbolic.constraints import AllDifferent, Compare, Constraint, Linear
from ..symbolic.schema import Problem
from ..symbolic.variables import IntVariable, Term
from .acting import native_turns
from .base import Ask, Decomposition, Messages, ReasoningStep, SearchRound, SearchStep, Style, ToolRound
from .replies import schema_of

__all__ = ["UNKNOWN_ANSWER", "PocketDialect"]

UNKNOWN_ANSWER = "unknown"
"""What a searcher that found nothing answers; it writes a question mark."""

_ROLES = {Style.DIRECT: PocketRole.DIRECT, Style.DRAFT: PocketRole.DRAFT, Style.THINK: PocketRole.THINK}
_LOOKED_UP = re.compile(r"\A(?:[a-z]{4} [0-9]{2} )+")
_CHAIN = re.compile(r"(?:[0-9]{2}|p[0-9])(?:[-+*](?:[0-9]{2}|p[0-9]))*")
_STEP = re.compile(r"(?P<operation>[-+*][0-9]{2})=(?P<result>[0-9]{2})")
_SUM = re.compile(r"(?P<start>[0-9]{2})(?P<operations>(?:[-+*][0-9]{2})+)=")
_OPERATION = re.compile(r"[-+*][0-9]{2}")
_PAIR = re.compile(r"\b[0-9]{2}\b")
_VERDICT = re.compile(r"(?:[0-9]{2}[yn])+")
_HEADER = re.compile(r"(?P<letters>[a-z]{1,26}):(?P<high>[1-9][0-9]?)")
_CLAUSE = re.compile(r"(?P<left>[a-z])(?:!(?P<digit>[0-9]{1,2})|(?P<relation>[!<])(?P<right>[a-z])"
                     r"|=(?P<base>[a-z])\+(?P<offset>[0-9]{1,2}))")  # fmt: skip


class PocketDialect:
    """Prompts and readers for the embedded models. Notes of other nodes are not shown to them."""

    words = False

    def conversation(self, messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        """See `Dialect.conversation`; the last question that they ask, in shorthand."""
        return (ChatMessage("user", prompt_of(messages)),)

    def solve(self, ask: Ask, style: Style) -> Messages:
        """Asks for an answer, from the passages where there are any. What has no draft is asked directly."""
        prompt = _prompt(solving(_ROLES[style], ask.question, on_one_line(" ".join(ask.passages))))
        return _held(prompt, ask)

    def read_answer(self, text: str, style: Style, *, cut: bool = False) -> str | None:
        """What stands at the end of the reply: a number, letters with their numbers, codes, a letter or a move."""
        said = text.strip()
        place = answer_place(said, draft=style is Style.DRAFT)
        return None if place is None else said[place:]

    def conclude(self, ask: Ask, style: Style, trace: str, *, continues: bool) -> Messages | str:
        """Of a chain of operations, asks for what is left of it from the last value; of another question, the whole."""
        chain = _SUM.fullmatch(ask.question.strip())
        if chain is None or isinstance(ask.output, JsonOutput):
            return self.solve(ask, Style.DIRECT)
        left = _OPERATION.findall(chain["operations"])
        values = (
            [step["result"] for step in _STEP.finditer(trace[2:])] if style is Style.THINK else _PAIR.findall(trace)
        )
        done = values[: len(left)]
        if len(done) == len(left):
            return done[-1]
        return _prompt(f"{PocketRole.DIRECT}{done[-1] if done else chain['start']}{''.join(left[len(done) :])}=")

    def decompose(self, ask: Ask, max_parts: int) -> Messages:
        """Asks for sub-questions; the models split a question in one way only, whatever `max_parts` is."""
        return _prompt(PocketRole.DECOMPOSE + ask.question)

    def read_decomposition(self, text: str) -> Decomposition | None:
        """Reads `47+83|12-05|p1-p2`: the parts, and last how they make the answer."""
        *questions, combine = text.strip().split("|")
        if not questions or not all(_CHAIN.fullmatch(chain) for chain in (*questions, combine)):
            return None
        parts = []
        for number, question in enumerate(questions, start=1):
            needs = tuple(dict.fromkeys(re.findall(r"p[0-9]", question)))
            if any(int(name[1]) not in range(1, number) for name in needs):
                return None
            parts.append(Part(f"p{number}", _placeholders(question), needs))
        if any(int(name[1]) not in range(1, len(parts) + 1) for name in re.findall(r"p[0-9]", combine)):
            return None
        return Decomposition(tuple(parts), _placeholders(combine))

    def merge(self, ask: Ask, answers: Sequence[tuple[Part, str]], combine: str) -> Messages:
        """Asks for the value of `combine` with the answers filled in, step by step; without it, for the whole."""
        if not combine:
            return self.solve(ask, Style.THINK)
        for part, answer in answers:
            combine = combine.replace(f"{{{part.name}}}", answer)
        return _held(_prompt(solving(PocketRole.THINK, combine)), ask)

    def search(self, ask: Ask, rounds: Sequence[SearchRound], *, last: bool) -> Messages:
        """Asks for the next query or the answer."""
        finished = [(on_one_line(done.query), on_one_line(" ".join(done.passages))) for done in rounds]
        return _prompt(searching(on_one_line(ask.question), finished, last=last))

    def act(self, ask: Ask, tools: str, rounds: Sequence[ToolRound], *, last: bool, native: bool) -> Messages:
        """Asks for the steps or the next query, as there are tools for; see `models.pocket.calling`.

        A question is worked out step by step where a tool works out expressions, unless another looks things up and it
        is no sum.
        """
        usable = offered(tools)
        searches = usable.search is not None and (usable.calculator is None or not ask.question.strip().endswith("="))
        first = self.search(ask, (), last=False) if searches else self.solve(ask, Style.THINK)
        turns = [turn for done in rounds for turn in native_turns(done)]
        prompt = replace(first, messages=(*first.messages, *turns), tools=tools, tool_choice="none" if last else "auto")
        return _held(prompt, ask)

    def read_search(self, text: str, *, cut: bool = False) -> SearchStep | None:
        """Reads `>query`, `=answer`, or the bare answer where the prompt already ended in `=`."""
        reply = text.strip()
        if reply.startswith(">"):
            query = reply[1:].strip()
            return SearchStep(query=query) if query else None
        answer = reply.removeprefix("=").strip()
        if answer == "?":
            return SearchStep(answer=UNKNOWN_ANSWER)
        return SearchStep(answer=answer) if answer else None

    def formalise(self, ask: Ask, problem: str) -> Messages:
        """Asks for the puzzle in shorthand; after a failed attempt with a mark, not with the solver's message."""
        return _prompt(PocketRole.FORMALISE + ("!" if problem else "") + ask.question)

    def read_formalisation(self, text: str, ask: Ask) -> str | None:
        """Reads `ab:3;a!b;b!2;a<b;a=b+1;all differ` into JSON of the closed schema."""
        header, *clauses = text.strip().split(";")
        head = _HEADER.fullmatch(header)
        if head is None or len(set(head["letters"])) != len(head["letters"]):
            return None
        letters = tuple(head["letters"])
        constraints: list[Constraint] = []
        for clause in clauses:
            constraint = _constraint(clause, letters)
            if constraint is None:
                return None
            constraints.append(constraint)
        variables = tuple(IntVariable(name=letter, low=1, high=int(head["high"])) for letter in letters)
        return Problem(variables=variables, constraints=tuple(constraints)).to_json()

    def verify(self, ask: Ask, answer: str, reasoning: str) -> Messages:
        """Asks for every step of the reasoning to be solved anew; without reasoning the answer is the only step."""
        return _prompt(verifying(on_one_line(ask.question), on_one_line(reasoning) or answer))

    def read_verdict(self, text: str, *, cut: bool = False) -> float | None:
        """1 where every step came out the same, 0 where one did not."""
        verdict = text.strip()
        if not _VERDICT.fullmatch(verdict):
            return None
        return 0.0 if "n" in verdict else 1.0

    def steps(self, reasoning: str) -> tuple[ReasoningStep, ...]:
        """Every operation of a think trace as a question of its own; empty for drafts and other texts.

        What was looked up or followed in the question cannot be asked without it, so it is no step.
        """
        steps = []
        for trace in _LOOKED_UP.sub("", reasoning.strip()).split(";"):
            value, rest = trace[:2], trace[2:]
            matches = list(_STEP.finditer(rest))
            if not matches or not re.fullmatch(r"[0-9]{2}", value) or "".join(m[0] for m in matches) != rest:
                return ()
            for match in matches:
                steps.append(ReasoningStep(f"{value}{match['operation']}=", match["result"]))
                value = match["result"]
        return tuple(steps)


def _prompt(text: str) -> Messages:
    return Messages(messages=(ChatMessage("user", text),))


def _held(prompt: Messages, ask: Ask) -> Messages:
    """The prompt with the schema that the reply is held to; steps come before the JSON, so they need no field."""
    return replace(prompt, response_schema=schema_of(ask.output, direct=True))


def _placeholders(chain: str) -> str:
    """`p1-p2` as the question `{p1}-{p2}=`."""
    return re.sub(r"p[0-9]", lambda name: f"{{{name[0]}}}", chain) + "="


def _constraint(clause: str, letters: tuple[str, ...]) -> Constraint | None:
    """One clause of the shorthand, or None where it is none or names a letter that is not declared."""
    if clause == "all differ":
        return AllDifferent(variables=letters) if len(letters) > 1 else None
    match = _CLAUSE.fullmatch(clause)
    if match is None or not {match["left"], match["right"] or match["left"], match["base"] or match["left"]} <= set(
        letters
    ):
        return None
    if match["digit"]:
        return Compare(variable=match["left"], relation="!=", value=int(match["digit"]))
    if match["base"]:
        terms = (Term(variable=match["left"]), Term(variable=match["base"], coefficient=-1))
        return Linear(terms=terms, relation="==", constant=int(match["offset"]))
    return Compare(variable=match["left"], relation="!=" if match["relation"] == "!" else "<", other=match["right"])
