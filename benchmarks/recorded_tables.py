"""The recorded sets as tables of outcomes, one for each currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from apportion.errors import UsageError
from apportion.nodes.votes import normal_form
from apportion.optimizers.arrays import Floats
from apportion.optimizers.prediction.text_counts import with_texts_counted
from apportion.optimizers.tables.table import Arm, Question, Table, answer_numbers
from benchmarks.recorded_files import Price, Sample, read_prices, read_queries, read_samples

__all__ = ["STRONG", "WEAK", "Recorded", "reasoning_table", "routellm_table", "sql_table", "vote_score"]

CostOf = Callable[[str, Sample], float]
_Answers = list[list[str | None]]
_Column = tuple[Arm, Floats, Floats, _Answers]
"""An arm with what it scored, cost and answered on every question, in every replicate."""

WEAK = "mistralai/Mixtral-8x7B-Instruct-v0.1"
STRONG = "gpt-4-1106-preview"
_VOTES = 3
_ROUNDS = (1, 3, 5, 7, 10)
_SOLVED = 1 - 1e-6
_LISTED_AS: Mapping[str, str] = {"gpt-3.5": "gpt-3.5-turbo", "gpt-4": "gpt-4"}
"""The names that the price list has for models of `intercode_sql`."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """The same outcomes in several currencies."""

    tables: Mapping[str, Table]
    """By the unit of the costs."""
    dropped: int
    """Questions that are left out, because some arm was not recorded on them."""
    unpriced: tuple[str, ...] = ()
    """Models that are in the table of tokens only, because the list has no price for them."""


def routellm_table(folder: Path, part: str) -> Table:
    """Questions of `mmlu` or `gsm8k` with two arms; the cost is the number of calls to the strong model.

    Rows that the source's own evaluation leaves out are left out here.
    """
    queries, samples = read_queries(folder), read_samples(folder)
    names = [name for name, row in queries.items() if row.get("dataset") == part and row.get("contaminated") != "1"]
    scores = np.array([[[samples[name][model][0].score] for model in (WEAK, STRONG)] for name in names])
    costs = np.broadcast_to(np.array([[0.0], [1.0]]), scores.shape)
    arms = tuple(Arm(model, models=(("answer", model),)) for model in (WEAK, STRONG))
    questions = tuple(Question(name, queries[name]["text"], queries[name]["category"]) for name in names)
    return with_texts_counted(Table(questions, arms, scores.reshape(len(names), 2, 1), costs, "strong calls"))


def reasoning_table(folder: Path) -> Recorded:
    """`reasoning_gym_easy`: each model with one sample, and with a vote of three where it has so many.

    A sample is a request of its own, so a vote pays its prompt three times. A single sample has a replicate for each
    that was drawn; a vote has one outcome for all. The task is the family.
    """
    queries, samples = read_queries(folder), read_samples(folder)
    models = sorted({model for found in samples.values() for model in found})
    most = {model: max(len(found.get(model, ())) for found in samples.values()) for model in models}
    kept = [name for name in queries if all(len(samples.get(name, {}).get(m, ())) == most[m] for m in models)]
    questions = tuple(Question(name, queries[name]["text"], queries[name]["task"]) for name in kept)

    def columns(cost_of: CostOf) -> Iterator[_Column]:
        for model in models:
            drawn = [list(samples[name][model].values()) for name in kept]
            cells = [[each[number % len(each)] for number in range(_VOTES)] for each in drawn]
            scores = np.array([[sample.score for sample in each] for each in cells])
            paid = np.array([[cost_of(model, sample) for sample in each] for each in cells])
            said = [[sample.answer for sample in each] for each in cells]
            yield Arm(f"{model} x 1", (("answer", model),), '{"samples":1}'), scores, paid, said
            if most[model] == _VOTES:
                arm = Arm(f"{model} x {_VOTES}", (("answer", model),), f'{{"samples":{_VOTES}}}')
                voted = np.repeat([[vote_score(each)] for each in drawn], _VOTES, axis=1)
                whole = np.repeat(paid.sum(axis=1, keepdims=True), _VOTES, axis=1)
                yield arm, voted, whole, [[_voted(each)] * _VOTES for each in drawn]

    ways = {"mUSD": _priced(read_prices(folder.parent)), "tokens": _in_tokens}
    return Recorded(_tables(questions, {unit: columns(way) for unit, way in ways.items()}), len(queries) - len(kept))


def sql_table(folder: Path) -> Recorded:
    """`intercode_sql` without variants that were given the schema: each variant with so many rounds at most.

    A run ends with the round in which the environment's reward says that it is solved, which nobody has who does not
    know the answer; so this is the setting of an agent that can test what it did. All rounds up to there are charged,
    each with its whole prompt. Its answer is what its last round came to, which says nothing of the reward; how many
    rounds it took is not told, because that would. The category comes from the query sought and is not used.
    """
    queries, samples, prices = read_queries(folder), read_samples(folder), read_prices(folder.parent)
    variants = sorted({v for found in samples.values() for v in found if not v.endswith("handicap")})
    kept = [name for name in queries if all(0 in samples.get(name, {}).get(v, {}) for v in variants)]
    listed = {v: prices[_LISTED_AS[base]] for v in variants if (base := v.partition("#")[0]) in _LISTED_AS}
    questions = tuple(Question(name, queries[name]["text"]) for name in kept)

    def columns(among: Iterable[str], cost_of: CostOf) -> Iterator[_Column]:
        for variant in among:
            longest = max(max(samples[name][variant]) for name in kept) + 1
            for rounds in (r for r in _ROUNDS if r <= longest):
                runs = [_until_solved(samples[name][variant], rounds) for name in kept]
                solved = np.array([[float(run[-1].score >= _SOLVED)] for run in runs])
                paid = np.array([[sum(cost_of(variant, sample) for sample in run)] for run in runs])
                arm = Arm(f"{variant} r{rounds}", (("agent", variant),), f'{{"rounds":{rounds}}}')
                yield arm, solved, paid, [[run[-1].answer] for run in runs]

    found = {"mUSD": columns(listed, _priced(listed)), "tokens": columns(variants, _in_tokens)}
    unpriced = tuple(v for v in variants if v not in listed)
    return Recorded(_tables(questions, found), len(queries) - len(kept), unpriced)


def vote_score(samples: Sequence[Sample]) -> float:
    """The expected score of the answer that most samples gave; among equals the order of the samples decides."""
    forms = [normal_form(sample.answer) if sample.answer is not None else "" for sample in samples]
    votes = Counter(form for form in forms if form)
    most = max(votes.values(), default=0)
    leading = [sample.score for sample, form in zip(samples, forms, strict=True) if form and votes[form] == most]
    return float(np.mean(leading)) if leading else 0.0


def _voted(samples: Sequence[Sample]) -> str | None:
    """The answer that most samples gave, of equals the first."""
    said = [sample.answer for sample in samples if sample.answer is not None]
    votes = Counter(normal_form(answer) for answer in said)
    return max(said, key=lambda answer: votes[normal_form(answer)], default=None)


def _tables(questions: tuple[Question, ...], found: Mapping[str, Iterable[_Column]]) -> dict[str, Table]:
    """By unit; the texts are counted once for all."""
    tables: dict[str, Table] = {}
    for unit, columns in found.items():
        arms, scores, costs, said = zip(*columns, strict=True)
        cells = np.stack(scores, 1)
        told = [[answer for column in said for answer in column[row]] for row in range(len(questions))]
        answers = answer_numbers(told).reshape(cells.shape)
        table = Table(questions, arms, cells, np.stack(costs, 1), unit, answers=answers)
        known = next(iter(tables.values())).known if tables else with_texts_counted(table).known
        tables[unit] = replace(table, known=known)
    return tables


def _until_solved(rounds: Mapping[int, Sample], most: int) -> list[Sample]:
    """The rounds of a run that may have so many; it ends when it is solved, or when the agent gave up."""
    run: list[Sample] = []
    for number in range(most):
        if number not in rounds:
            break
        run.append(rounds[number])
        if run[-1].score >= _SOLVED:
            break
    return run


def _priced(prices: Mapping[str, Price]) -> CostOf:
    def cost_of(model: str, sample: Sample) -> float:
        if model not in prices:
            raise UsageError(f"prices.csv has no price for {model!r}")
        return prices[model].of(sample)

    return cost_of


def _in_tokens(model: str, sample: Sample) -> float:
    return sample.tokens
