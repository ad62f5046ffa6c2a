"""Numbers as people write them, read exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .plain import folded

__all__ = ["Number", "last_number", "number_in", "number_of"]

_LONGEST = 1000
"""Digits; a longer row of them is read as text."""
_LONGEST_TEXT = 4000
"""Characters of a text that is one number."""
_LARGEST_POWER = 400
"""Of ten; a number beyond is read as text."""
_MONEY = r"(?:us|ca|au|nz|hk)?[$€£¥₹₩₽]|rs\.?(?=\s?\d)|(?:usd|eur|gbp|jpy|inr|cny|chf)(?=\s?[-\d])"
_SCALES = {"thousand": 3, "lakh": 5, "million": 6, "mn": 6, "crore": 7, "billion": 9, "bn": 9, "trillion": 12}
_NUMBER = re.compile(
    rf"""
    (?<![\w.^√]) (?<!\d[,']) (?<!sqrt\() (?<!\)/)  # not within a word, a number, a power, a root: H2O, m^2
    (?P<sign>[-+]|\A[-+]\s)?
    (?:(?:{_MONEY})\s?)?
    (?P<inner>(?<!\d)[-+])?
    (?P<digits>(?>\d(?:[\d.,'_]*\d)?|\.\d+))
    (?:e(?P<exponent>[-+]?\d{{1,4}})(?!\w)
      |\s?[×x*·]\s?10(?:\^|\*\*)\s?\(?(?P<power>[-+]?\d{{1,4}})\)?(?![\w.])
      |\s?/\s?(?P<below>\d{{1,99}})(?![.,/]?\d)
      |\s(?P<above>\d{{1,99}})/(?P<under>\d{{1,99}})(?![.,/]?\d)
      |(?<=(?<![\d.,])10)(?:\^|\*\*)\(?(?P<ten>[-+]?\d{{1,4}})\)?(?![\w.]))?
    (?!\s?(?:\^|\*\*|π|√|sqrt|pi\b|/\s?[\w(]))
    (?:\s?(?P<scale>{"|".join(_SCALES)})s?\b)?
    (?P<percent>\s?(?:%|percent\b|per\scent\b|pct\b))?
    """,
    re.VERBOSE,
)
_WRITTEN = (
    (re.compile(r"\d+|\d*[.]\d+"), ""),
    (re.compile(r"\d{1,3}(?:_\d{3})+(?:[.,]\d+)?"), "_"),
    (re.compile(r"\d{1,3}(?:'\d{3})+(?:[.,]\d+)?"), "'"),
    (re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?"), ","),
    (re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+|[1-9]\d{0,2}(?:\.\d{3}){2,}"), "."),
    (re.compile(r"\d+,\d+"), ""),
)
"""How digits are grouped, and by which sign; the first that fits counts. 1,00,000 is Indian."""
_SPACED = re.compile(r"(?<![\d.,])(\d{1,3}(?: \d{3})+)(?![\d ]*\d)")
_UNIT = re.compile(
    r"\s?((?:[^\W\d_]|[°'\"$€£¥₹])[^\s\d=<>()\[\],;:!?]{0,15}(?:[/*^]-?\w{1,8}){0,4}(?: [^\W\d_]{2,15})?)"
)
_METRIC = {"meter": "m", "metre": "m", "gram": "g", "liter": "l", "litre": "l", "second": "s"}
_UNITS = {
    **{
        f"{scale}{long}{plural}": f"{scale[:1]}{short}"
        for long, short in _METRIC.items()
        for scale in ("kilo", "centi", "milli", "")
        for plural in ("", "s")
    },
    **dict.fromkeys(("dollar", "dollars", "us dollars", "euro", "euros", "rupees", "yen", "usd", "eur", "gbp"), ""),
    **dict.fromkeys("$€£¥₹", ""),
    **dict.fromkeys(("degree", "degrees", "deg"), "°"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs"), "h"),
    **dict.fromkeys(("minute", "minutes", "mins"), "min"),
    **dict.fromkeys(("sec", "secs"), "s"),
}
"""One spelling for each unit. Money has none, since `$18` and `18` are the same answer."""
_GLUED = ("", "°", "'", '"')
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_MORE = "seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {
    **{word: value for value, word in enumerate([*_ONES.split(), *_MORE.split()])},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), start=2)},
}
_WORDY = 200
"""Characters of a number in words."""
_MINUS = re.compile(r"\A(?:minus|negative) ")
_PERCENT = re.compile(r" per ?cent\Z")


@dataclass(frozen=True, slots=True)
class Number:
    """A number that a text says."""

    value: Fraction
    """Exactly; of 50 % it is 50."""
    percent: bool = False
    unit: str = ""
    """In one spelling; empty for none, and for money."""

    @property
    def form(self) -> str:
        """The same text for the same number and unit: `1000`, `1/3`, `5 km`, and `0.5` for 50 %."""
        joint = "" if self.unit[:1] in _GLUED else " "
        return f"{_decimal(self.value / 100 if self.percent else self.value)}{joint}{self.unit}"


def number_of(text: str) -> Number | None:
    """The number that the whole text is, with or without a unit; None where it is something else.

    Thousands may be grouped in any usual way, a comma may be the decimal point where it cannot be anything else, and
    `1/2`, `1 1/2`, `3x10^5`, `1.5 million` and `forty-two` are numbers.
    """
    return number_in(folded(text).rstrip(" .,;:"))


def number_in(said: str) -> Number | None:
    """The same of a text that is `folded`, without closing punctuation."""
    if len(said) > _LONGEST_TEXT:
        return None
    bare = said[1:-1] if said[:1] + said[-1:] == "()" and "," not in said else said
    bare = _SPACED.sub(lambda spaced: spaced[0].replace(" ", "_"), bare)
    found = _NUMBER.match(bare)
    if found is None:
        return _of_words(said)
    if found.end() == len(bare):
        return _number(found, found["digits"])
    unit = _UNIT.fullmatch(bare, found.end())
    code = found["digits"][:1] == "0" and found["digits"].isdigit() and len(found["digits"]) > 1
    return None if unit is None or code else _number(found, found["digits"], _UNITS.get(unit[1], unit[1]))


def last_number(text: str) -> Number | None:
    """The number that a text is, or else the last one in it; None where there is none."""
    said = folded(text)
    last = number_in(said.rstrip(" .,;:"))
    if last is None:
        for found in _NUMBER.finditer(said):
            last = _number(found, found["digits"]) or _number(found, found["digits"].rpartition(",")[2]) or last
    return last


def _number(found: re.Match[str], digits: str, unit: str = "") -> Number | None:
    value = _value(digits)
    above, below = int(found["above"] or 0), int(found["below"] or found["under"] or 1)
    power = int(found["exponent"] or found["power"] or 0) + (int(found["ten"]) - 1 if found["ten"] else 0)
    if value is None or below == 0 or (found["under"] and above >= below) or abs(power) > _LARGEST_POWER:
        return None
    value = value + Fraction(above, below) if found["under"] else value / below
    value *= Fraction(10) ** (power + _SCALES.get(found["scale"] or "", 0))
    negative = "-" in f"{found['sign']}{found['inner']}"
    return Number(-value if negative else value, found["percent"] is not None, unit)


def _value(digits: str) -> Fraction | None:
    if len(digits) > _LONGEST:
        return None
    for pattern, group in _WRITTEN:
        if pattern.fullmatch(digits):
            return Fraction(digits.replace(group, "").replace(",", ".") if group else digits.replace(",", "."))
    return None


def _of_words(said: str) -> Number | None:
    """Of `minus one hundred and five`, the words in the order in which they are said."""
    signless = _MINUS.sub("", said) if len(said) < _WORDY else ""
    spoken = _PERCENT.sub("", signless)
    words = re.split(r"[\s-]+", spoken)
    total, group, room, scale = 0, 0, 100, 10**15
    for word in words:
        value = _WORDS.get(word)
        if value is not None and value < room and (value or len(words) == 1):
            group, room = group + value, 10 if value >= 20 else 1
        elif word == "hundred" and 0 < group < 10:
            group, room = group * 100, 100
        elif word in _SCALES and group and 10 ** _SCALES[word] < scale:
            scale = 10 ** _SCALES[word]
            total, group, room = total + group * scale, 0, 100
        elif word != "and" or not (total or group):
            return None
    value = total + group
    return Number(Fraction(value if signless == said else -value), spoken != signless)


def _decimal(value: Fraction) -> str:
    """As a decimal number where that ends, else as a fraction in lowest terms."""
    twos, rest = 0, value.denominator
    while rest % 2 == 0:
        twos, rest = twos + 1, rest // 2
    fives = 0
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    if rest > 1:
        return str(value)
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
