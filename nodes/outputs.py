"""Answers read by what they are to be: a line, a text, a program, a number, one of some options, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from ..errors import UnsupportedSchema
from ..models.card import ModelCard
from ..models.pocket.grammar import least
from ..models.pocket.schemas import terms_of
from ..models.reasoning import split_reasoning
from ..records.answers import Number, abstains, last_number, normal_form, number_of
from ..records.message import CANDIDATES, Candidate
from ..records.output import JsonOutput, OneOf, Output, canonical_json
from ..records.text import clip, single_spaced
from .field_vote import field_vote
from .options import option_in
from .prompts.answers import answer_in
from .prompts.base import Dialect, SearchStep, Style
from .prompts.json_text import lists_in, objects_in
from .prompts.replies import STEPS
from .prompts.written import Fence, fences
from .readings import Reading, Unfit

__all__ = [
    "Reader",
    "candidate_of",
    "data_of",
    "fewest_tokens",
    "form_of",
    "formed",
    "held_problem",
    "led_by_fields",
    "passed_on",
    "problem_with",
    "read_step",
    "reader_of",
    "says_nothing",
    "spoken_by",
    "validator_of",
]

Reader = Callable[..., str | None]
"""(reply, cut=False) -> the answer as text; see `reader_of`."""

PLAIN = ("line", "number")
"""What every dialect can be asked for."""

_SHOWN = 80
"""Characters of a reply that a message repeats."""
_PROBLEM = 200
_MARK = re.compile(r"^[ \t*_#>]{0,8}(?:final[ ])?answer[ \t*_]{0,4}[:：][ \t*_]*", re.IGNORECASE | re.MULTILINE)
_QUERY = re.compile(r"[\s*_#>`-]{0,12}(?:(?:next|search)[ ])?(?:query|search)[ \t*_`]{0,6}[:：]", re.IGNORECASE)
_OPENED = re.compile(r"""\{\s*["'“][^"'”\n]{0,200}["'”]\s*:|\[\s*\{""")
"""How an object of JSON begins, or a list of them."""
_PATTERN_SECONDS = 0.2


def spoken_by(card: ModelCard, dialect: Dialect, output: Output) -> bool:
    """Whether a model of this dialect can be asked for such an answer, or is held to it."""
    held = isinstance(output, JsonOutput) and card.json_schema and not held_problem(output)
    return dialect.words or output in PLAIN or held


def held_problem(output: JsonOutput) -> str:
    """Why a model that follows no instructions cannot be held to a schema; empty where it can."""
    try:
        terms_of(output.schema)
    except UnsupportedSchema as problem:
        return str(problem)
    return ""


def fewest_tokens(output: Output) -> int:
    """So many tokens are enough for an answer of a model that is held to a small schema; 0 for other outputs."""
    held = isinstance(output, JsonOutput) and not held_problem(output)
    return sum(map(least, terms_of(output.schema))) if isinstance(output, JsonOutput) and held else 0


def reader_of(output: Output, dialect: Dialect, style: Style) -> Reader:
    """What reads a reply: from its text, and whether it was cut off, to the answer.

    The answer of JSON is its canonical text, that of a program is the program without its fence, that of a text is the
    whole reply, or what stands below `Answer:` where steps were asked for. A reader raises `Unfit` where the reply is
    not what was asked, and returns None where it holds no answer at all.
    """
    if output == "line":
        return partial(dialect.read_answer, style=style)
    if output == "number":
        return partial(_number, dialect=dialect, style=style)
    if output == "text":
        return partial(_text, whole=style is Style.DIRECT)
    if output == "code":
        return partial(_code, whole=style is Style.DIRECT)
    if isinstance(output, OneOf):
        return partial(_option, output=output)
    assert isinstance(output, JsonOutput)
    return partial(_json, output=output)


def read_step(text: str, *, output: Output, dialect: Dialect, cut: bool = False) -> SearchStep | None:
    """The query or the answer in a searcher's reply; raises `Unfit` as `reader_of` says."""
    if output == "line" or _QUERY.match(split_reasoning(text).answer):
        return dialect.read_search(text, cut=cut)
    if not dialect.words:
        step = dialect.read_search(text, cut=cut)
        return step if step is None or step.query else SearchStep(answer=_figures(step.answer))
    # Its answer stands alone or behind `Answer:`, which the reader of replies with steps takes off.
    style = Style.THINK if output == "text" else Style.DIRECT
    found = reader_of(output, dialect, style)(text, cut=cut)
    return None if found is None else SearchStep(answer=found)


def form_of(output: Output, answer: str) -> str:
    """What counts as the same answer has the same one: the normal form, the canonical JSON, or the exact text."""
    return _own_form(output, answer) or normal_form(answer)


def data_of(output: Output, answer: str) -> Any:
    """The value of an answer in canonical JSON; None for other outputs."""
    return json.loads(answer) if isinstance(output, JsonOutput) else None


def candidate_of(output: Output, answer: str, reading: Reading[Any], source: str) -> Candidate:
    """An answer that was read, as later nodes choose among them."""
    least = reading.least_logprob
    known = Candidate(
        answer,
        reading.confidence,
        text=reading.text,
        source=source,
        least_logprob=least,
        abstained=says_nothing(output, answer),
    )
    return formed(output, known)


def says_nothing(output: Output, answer: str) -> bool:
    """Whether an answer of this output abstains; only lines and texts can, what misses another output is no answer."""
    return output in ("line", "text") and abstains(answer)


def formed(output: Output, candidate: Candidate) -> Candidate:
    """A candidate with its form, see `Candidate.form`, and its data."""
    answer = candidate.answer
    return replace(candidate, form=_own_form(output, answer), data=data_of(output, answer))


def passed_on(output: Output, given: Candidate, source: str) -> Candidate | None:
    """Another node's answer as an answer of this output; None where it is none."""
    if output == "line":
        return replace(given, source=source)
    try:
        answer = given.answer if output in ("text", "code") else _strictly(output, given.answer)
    except Unfit:
        return None
    return formed(output, replace(given, answer=answer, source=source))


def _strictly(output: Output, answer: str) -> str:
    """An answer as this output has it; raises `Unfit`."""
    if isinstance(output, JsonOutput):
        return _json(answer, output=output) or ""
    return _option(answer, output=output) or "" if isinstance(output, OneOf) else _figures(answer)


def led_by_fields(
    output: JsonOutput, candidates: tuple[Candidate, ...], votes: Sequence[Candidate]
) -> tuple[Candidate, ...]:
    """Candidates behind one that takes the majority of every field; as they are where that breaks the schema.

    Its text is that of the first sample that agrees with it, or else of the best candidate.
    """
    merged = field_vote([vote.data for vote in votes])
    if problem_with(output, merged.value):
        return candidates
    answer = canonical_json(merged.value)
    text = next((vote.text for vote in votes if vote.answer == answer), candidates[0].text)
    share = merged.agreement if len(votes) > 1 else candidates[0].confidence
    lead = formed(output, Candidate(answer, share, text=text, source=candidates[0].source))
    return (lead, *(each for each in candidates if each.answer != answer))[:CANDIDATES]


def problem_with(output: JsonOutput, value: Any) -> str:
    """Where and how a value breaks the schema, as the validator says it; empty where it keeps to it."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error = best_match(validator_of(output.schema).iter_errors(value))
    except RecursionError:
        return "the schema refers to itself without end"
    except ArithmeticError:
        return "a number in it is too large to be checked"
    except Unresolvable as error:
        return clip(single_spaced(f"the schema refers to what is not in it: {error}"), _PROBLEM)
    return "" if error is None else clip(single_spaced(f"{error.json_path}: {error.message}"), _PROBLEM)


def _own_form(output: Output, answer: str) -> str:
    if output == "code":
        return "\n".join(line.rstrip() for line in answer.strip().splitlines())
    return answer if output == "text" or isinstance(output, JsonOutput) else ""


def _number(text: str, *, dialect: Dialect, style: Style, cut: bool = False) -> str | None:
    said = dialect.read_answer(text, style=style, cut=cut)
    if said is None:
        return None
    if not dialect.words:
        return _figures(said)
    found = last_number(said)
    if found is None:
        raise Unfit(f"there is no number in {_short(said)}")
    return Number(found.value).form + ("%" if found.percent else "")


def _figures(said: str) -> str:
    """A number as it was written: the embedded models read `05` again where they would not know `5`."""
    if number_of(said) is None:
        raise Unfit(f"{_short(said)} is no number")
    return said


def _text(text: str, *, whole: bool, cut: bool = False) -> str | None:
    said = split_reasoning(text).answer
    mark = None if whole else _MARK.search(said)
    return None if cut else (said if mark is None else said[mark.end() :]).strip() or None


def _code(text: str, *, whole: bool, cut: bool = False) -> str | None:
    said = split_reasoning(text).answer
    blocks = [block for block in fences(said) if block.content.strip() and not (cut and _open(block, said))]
    if blocks:
        return ([block for block in blocks if block.code] or blocks)[-1].content
    if cut:
        return None
    found = answer_in(said, whole=False)
    if found is None and whole:
        found = said.strip("\n").rstrip()
    if found is None:
        raise Unfit("there is no code block (```) in it")
    return found or None


def _open(block: Fence, said: str) -> bool:
    """Whether a text ends before its last block does."""
    return block.end == len(said) and not said.rstrip().endswith(("```", "~~~"))


def _option(text: str, *, output: OneOf, cut: bool = False) -> str | None:
    said = answer_in(text, whole=True, cut=cut)
    if said is None:
        return None
    form = normal_form(said)
    for option in output.options:
        if normal_form(option) == form:
            return option
    named = option_in(said, output.options)
    if named is not None:
        return named
    listed = clip(", ".join(map(repr, output.options)), _PROBLEM)
    raise Unfit(f"{_short(said)} is not one of {listed}")


def _json(text: str, *, output: JsonOutput, cut: bool = False) -> str | None:
    said = split_reasoning(text).answer
    problem = ""
    found = list(_values(said, output))
    if cut and (not found or any(sign in said[found[-1][1] :] for sign in "{[")):
        return None
    for value, _ in reversed(found):
        for inner in _unwrapped(value):
            try:
                canonical = canonical_json(inner)
            except ValueError as error:
                problem = problem or f"it is no JSON: {error}"
                continue
            wrong = problem_with(output, json.loads(canonical))
            if not wrong:
                return canonical
            problem = problem or wrong
    raise Unfit(problem or "there is no whole JSON in it")


def _values(said: str, output: JsonOutput) -> Iterator[tuple[Any, int]]:
    """The outermost objects and lists that a text holds, as the schema has them, each with where it ends."""
    kind = json.loads(output.schema).get("type")
    # A list may be the answer in an object with steps, so objects are always looked at.
    for values in (objects_in,) if kind == "object" else (objects_in, lists_in):
        before = 0
        for value, start, end in values(said):
            # What stands within an object or a list that does not end is a part of the answer, and not all of it.
            if _OPENED.search(said, before, start):
                break
            yield value, end
            before = end


def _unwrapped(value: Any) -> Iterator[Any]:
    """What may be the answer in a value: where steps have a field of their own, the one behind them; or all of it."""
    inner = value.get("answer") if isinstance(value, dict) else None
    if isinstance(value, dict) and set(value) == {STEPS, "answer"}:
        yield inner
    yield value
    if isinstance(inner, dict | list):
        yield inner


@lru_cache(maxsize=64)
def validator_of(schema: str) -> Any:
    """A validator of a schema in JSON, which reads no file, asks no network, and does not search for ever."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    # Without a registry of its own, a validator reads the files and asks the network for what a schema refers to. The
    # pattern is the user's and the text a model's, so the search for it has a limit on time.
    return extend(Draft202012Validator, {"pattern": _pattern})(json.loads(schema), registry=Registry())


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    import regex
    from jsonschema import ValidationError

    if not isinstance(instance, str):
        return
    try:
        if regex.search(pattern, instance, timeout=_PATTERN_SECONDS) is None:
            yield ValidationError(f"{_short(instance)} does not match {pattern!r}")
    except TimeoutError:
        yield ValidationError(f"{_short(instance)} takes too long to match {pattern!r}")


def _short(said: str) -> str:
    return repr(single_spaced(said)[:_SHOWN])
