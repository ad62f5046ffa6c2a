from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.records.answers.numbers import last_number, number_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", 1234),
        ("1,234,567.89", Fraction(123456789, 100)),
        ("1.234,56", Fraction(123456, 100)),
        ("1.234.567", 1234567),
        ("1 234", 1234),
        ("1 234 567 km", 1234567),
        ("1'234", 1234),
        ("1,00,000", 100000),
        ("12,34,567", 1234567),
        ("0,85", Fraction(85, 100)),
        ("3,5", Fraction(35, 10)),
        ("1234,5", Fraction(12345, 10)),
        (".5", Fraction(1, 2)),
        ("-5", -5),
        ("- 5", -5),
        ("−$5", -5),
        ("$-5", -5),
        ("1/2", Fraction(1, 2)),
        ("1 1/2", Fraction(3, 2)),
        ("-1½", Fraction(-3, 2)),
        ("1e3", 1000),
        ("3×10^5", 300000),
        ("3 x 10^-2", Fraction(3, 100)),
        ("10^5", 100000),
        ("1.5 million", 1500000),
        ("2 lakh", 200000),
        ("€1.000,50", Fraction(100050, 100)),
        ("USD 18", 18),
        ("18 dollars", 18),
        ("(5)", 5),
        ("42.", 42),
        ("forty-two", 42),
        ("minus one hundred and five", -105),
        ("two million three hundred thousand", 2300000),
        ("zero", 0),
        ("5 m/s^2", 5),
        ("5 m²", 5),
    ],
)
def test_a_text_that_is_a_number(text: str, value: Fraction | int) -> None:
    number = number_of(text)
    assert number is not None
    assert number.value == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "1,2,3",
            "(1,2)",
            "1, 234",
            "1.2.3",
            "2024-01-05",
            "1/2/2024",
            "1/0",
            "10:30",
            "5!",
            "2^10",
            "2π",
            "√2",
        ),
        *("sqrt(2)", "one two", "two one hundred", "twenty eleven", "1e9999", "1" * 2000, "5 and 6", "a1", "1 5/4"),
    ],
)
def test_a_text_that_is_none(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("50 %", "0.5"),
        ("fifty percent", "0.5"),
        ("5 kilometers", "5 km"),
        ("5KM", "5 km"),
        ("45 degrees", "45°"),
        ("2.50", "2.5"),
        ("2/6", "1/3"),
        ("-0.125", "-0.125"),
        ("5'", "5'"),
        ("3 hours", "3 h"),
    ],
)
def test_forms(text: str, form: str) -> None:
    number = number_of(text)
    assert number is not None
    assert number.form == form


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("first 7, then 42 apples", 42),
        ("between 10-12", 12),
        ("x=-3", -3),
        ("5 - 3", 3),
        ("5 mol of H2O", 5),
        ("5 km^2", 5),
        ("1, 2, 3", 3),
        ("values 1,2,3", 3),
        ("so 1 1/2 cups", Fraction(3, 2)),
        (r"it is $\frac{3}{4}$", Fraction(3, 4)),
        ("It costs $5 to $10.", 10),
    ],
)
def test_the_last_number_of_a_text(text: str, value: Fraction | int) -> None:
    number = last_number(text)
    assert number is not None
    assert number.value == value


@pytest.mark.parametrize("text", ["", "none", r"\frac{\sqrt{3}}{2}", r"\sqrt{2}", "x^2", "m^2"])
def test_what_is_part_of_an_expression_is_no_number(text: str) -> None:
    assert last_number(text) is None


@given(st.fractions(-(10**9), 10**9, max_denominator=10**6))
def test_the_form_of_a_number_is_read_as_that_number(value: Fraction) -> None:
    number = number_of(str(value))
    assert number is not None
    assert number.value == value
    again = number_of(number.form)
    assert again is not None
    assert again.value == value


@pytest.mark.parametrize("unit", ["1,", "1", "1 234 ", "1/", "one ", "1^", "1e", "$", "×10^", "1_"])
def test_no_text_takes_long(unit: str) -> None:
    last_number(unit * 20_000)
