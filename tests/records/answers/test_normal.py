from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.records.answers import letter_of, normal_form


def grouped(number: int, sign: str) -> str:
    return f"{number:,}".replace(",", sign)


def indian(number: int) -> str:
    head, tail = str(number)[:-3], str(number)[-3:]
    pairs: list[str] = []
    while head:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return ",".join([*pairs, tail])


WAYS: tuple[Callable[[int], str], ...] = (
    str,
    lambda n: grouped(n, ","),
    lambda n: grouped(n, " "),
    lambda n: grouped(n, "\u00a0"),
    lambda n: grouped(n, "\u202f"),
    lambda n: grouped(n, "\u2009"),
    lambda n: grouped(n, "{,}"),
    lambda n: grouped(n, "\\,"),
    lambda n: grouped(n, "'"),
    lambda n: grouped(n, "_"),
    indian,
    lambda n: f"{n}.0",
    lambda n: f"{grouped(n, '.')},0",
    lambda n: f"{n}.",
    lambda n: f"${n}",
    lambda n: f"\\${n}.00",
    lambda n: f"{n} dollars",
    lambda n: f"{n}€",
    lambda n: f"\\({n}\\)",
    lambda n: f"${n}$",
    lambda n: f"\\boxed{{{n}}}",
    lambda n: f"\\frac{{{2 * n}}}{{2}}",
    lambda n: f"{n}/1",
    lambda n: f"{n}e0",
    lambda n: f"{n}\\times10^{{0}}",
    lambda n: "".join(chr(0xFF10 + int(digit)) for digit in str(n)),
    lambda n: "".join(chr(0x0966 + int(digit)) for digit in str(n)),
)
SIGNS = st.sampled_from(["", "-", "–", "−"])
NUMBERS = st.integers(0, 10**12)


@given(NUMBERS, NUMBERS, st.sampled_from(WAYS), st.sampled_from(WAYS), SIGNS, SIGNS)
def test_numbers_have_one_form_exactly_where_they_are_equal(
    one: int, other: int, way: Callable[[int], str], another: Callable[[int], str], sign: str, second: str
) -> None:
    for right in (one, other):
        equal = (-one if sign else one) == (-right if second else right)
        assert (normal_form(sign + way(one)) == normal_form(second + another(right))) is equal


@given(
    st.from_regex(r"-?[0-9]{1,60}(\.[0-9]{1,60})?", fullmatch=True), st.integers(0, 119), st.sampled_from("0123456789")
)
def test_one_digit_makes_another_number_however_long(digits: str, place: int, digit: str) -> None:
    place %= len(digits)
    if digits[place].isdigit() and digits[place] != digit:
        assert normal_form(digits) != normal_form(digits[:place] + digit + digits[place + 1 :])


@pytest.mark.parametrize(
    "same",
    [
        (
            "B",
            "b",
            "(B)",
            "B)",
            "B.",
            "[B]",
            "**B**",
            "Option B",
            "choice B",
            r"\text{B}",
            r"$\mathbf{B}$",
            "Ｂ",
            '"B"',
        ),
        ("0.5", "1/2", "½", r"\frac{1}{2}", r"\dfrac12", "0,5", ".5", "0.50"),
        ("1.5", "1 1/2", "1½", r"1\frac{1}{2}", "3/2"),
        ("50%", "50 %", r"50\%", "50 percent", "50 per cent", "0.5"),
        ("5 km", "5km", r"5\text{ km}", r"5\,\mathrm{km}", "5 kilometres"),
        ("it's", "it’s", "It's."),
        ("U.S.", "U.S", "u.s."),
        ("x^2+1", "x^2 + 1", "x^{2}+1", "x²+1"),
        ("(1, 2)", "(1,2)", r"\left(1, 2\right)", "( 1, 2 )"),
        ("New  York", "new york.", '"New York"', "__New York__"),
        ("42", "forty-two", "042", "42.0"),
        ("yes", "Yes!", "YES."),
        ("a=1 b=3", "a = 1 b = 3"),
    ],
)
def test_ways_of_writing_one_answer(same: tuple[str, ...]) -> None:
    assert {normal_form(one) for one in same} == {normal_form(same[0])}


@pytest.mark.parametrize(
    "different",
    [
        ("10²", "102", "10_2", "10"),
        ("1½", "11/2", "1/2", "12"),
        ("5", "5!", "5%", "-5", ".5", "5 km", "5 m", "5'", '5"'),
        ("1,234", "1.234", "1, 234", "12,34"),
        ("(1,2)", "1,2", "(2, 1)"),
        ("__init__", "init"),
        ("C", "C++", "C#"),
        ("1/3", "0.333", "0.3333333333333333333333333333333333333333"),
        ("a=1 b=3", "a=13"),
        (r"\frac{1}{2}x", r"\frac{1}{2x}"),
        ("log₂8", "log28"),
        ("?", "!", ""),
        ("07k", "7k", "007k"),
        ("A. Lincoln", "A. Einstein", "A"),
    ],
)
def test_other_answers_stay_apart(different: tuple[str, ...]) -> None:
    assert len({normal_form(one) for one in different}) == len(different)


@given(st.text(max_size=60) | st.text("0123456789.,-+/^*x%$'\" ()eE_\\{}!", max_size=20))
def test_a_form_is_its_own_form(text: str) -> None:
    form = normal_form(text)
    assert normal_form(form) == form or not text.isascii()


@pytest.mark.parametrize(
    ("text", "letter"), [("b", "b"), ("(c)", "c"), ("option d", "d"), ("ab", ""), ("5", ""), ("", "")]
)
def test_letters_of_choices(text: str, letter: str) -> None:
    assert letter_of(text) == letter


@pytest.mark.parametrize("unit", [",", "{,}", "'", "**", "_a_", "1,", ". ", "! ", "a!"])
def test_no_text_takes_long(unit: str) -> None:
    normal_form(unit * 20_000)
