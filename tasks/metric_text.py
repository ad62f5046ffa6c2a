"""Metrics that compare text: exact, verbatim, token F1, and sets of items."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

from ..errors import UsageError
from ..records.answers import folded, normal_form, plain
from ..records.task import Task

__all__ = ["exact", "golds", "set_of_items", "token_f1", "verbatim"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SEPARATORS = re.compile(r"[,;|\n]|\s+and\s+|\s+&\s+", re.IGNORECASE)
_BULLET = re.compile(r"^(?:[-*•]|\d{1,3}[.)])\s+")


def exact(task: Task, answer: str, /) -> float:
    """1 where answer and gold have one normal form, as votes have it; `metadata["aliases"]` are right too.

    So white space, case, typography, closing punctuation and the ways of writing a number or a choice do not count.
    """
    return float(normal_form(answer) in {normal_form(gold) for gold in golds(task, "exact")})


def verbatim(task: Task, answer: str, /) -> float:
    """1 where the answer is the gold answer sign by sign, white space and case apart; aliases are right too.

    For questions that ask for a form: an added period, `3.10` for `3.1` and `(B)` for `B` are wrong.
    """
    return float(_signs(answer) in {_signs(gold) for gold in golds(task, "verbatim")})


def token_f1(task: Task, answer: str, /) -> float:
    """The F1 of the words in common, without case, punctuation and articles; the best over gold and its aliases.

    As in SQuAD (Rajpurkar et al., 2016).
    """
    return max(_f1(_words(answer), _words(gold)) for gold in golds(task, "token_f1"))


def set_of_items(task: Task, answer: str, /) -> float:
    """1 where answer and gold name the same items, in any order.

    Items are separated by commas, semicolons, bars, line ends or "and"; brackets around the whole and list marks do not
    count. Two items are the same where `exact` takes them for the same.
    """
    return float(_items(answer) in [_items(gold) for gold in golds(task, "set")])


def golds(task: Task, metric: str) -> tuple[str, ...]:
    """The gold answer and `metadata["aliases"]`.

    Raises:
        UsageError: there is no gold answer, or the aliases are no list of texts.
    """
    where = f"metric {metric!r}, task {task.name or task.task_id!r}"
    if not task.gold.strip():
        raise UsageError(f"{where}: there is no gold answer to compare with")
    aliases = task.metadata.get("aliases", ())
    if not isinstance(aliases, list | tuple) or not all(isinstance(alias, str) for alias in aliases):
        raise UsageError(f"{where}: metadata 'aliases' must be a list of texts")
    return (task.gold, *aliases)


def _signs(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", folded(text).translate(_PUNCTUATION)).split()


def _f1(answer: list[str], gold: list[str]) -> float:
    if not answer or not gold:
        return float(answer == gold)
    common = (Counter(answer) & Counter(gold)).total()
    # 2PR / (P + R), written so that equal texts give exactly 1.
    return 2 * common / (len(answer) + len(gold))


def _items(text: str) -> frozenset[str]:
    lines = "\n".join(map(plain, text.splitlines())).strip()
    inner = lines.rstrip(".").strip()
    if inner[:1] + inner[-1:] in ("[]", "{}", "()"):
        inner = inner[1:-1]
    items = (normal_form(_BULLET.sub("", piece.strip())) for piece in _SEPARATORS.split(inner))
    return frozenset(item for item in items if item)
