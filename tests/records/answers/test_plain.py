from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.records.answers.plain import folded, plain


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        (r"\frac{1}{2}", "1/2"),
        (r"\dfrac12", "1/2"),
        (r"\tfrac{-1}{2}", "-1/2"),
        (r"1\frac{1}{2}", "1 1/2"),
        (r"\frac{1}{2x}", "1/(2x)"),
        (r"\frac{1}{2}x", "(1/2)x"),
        (r"\frac{\sqrt{3}}{2}", "(sqrt(3))/2"),
        (r"\sqrt[3]{8}", "sqrt[3](8)"),
        (r"\boxed{\text{Paris}}", "Paris"),
        (r"5\text{km}", "5 km"),
        (r"\$18", "$18"),
        ("$x$", "x"),
        ("$5 and $6", "$5 and $6"),
        ("$$x$$", "x"),
        (r"\(x\)", "x"),
        (r"x^{2}", "x^2"),
        (r"x^{10}", "x^10"),
        (r"x^{a+b}", "x^(a+b)"),
        (r"45^{\circ}", "45°"),
        (r"\left(1,\,2\right)", "(1, 2)"),
        (r"\{1, 2\}", "{1, 2}"),
        (r"2\pi", "2π"),
        (r"3\times10^{5}", "3×10^5"),
        ("1{,}234", "1_234"),
        (r"1\,234", "1_234"),
        ("1\u00a0234", "1_234"),
        ("1\u202f234", "1_234"),
        ("1 234", "1 234"),
        ("1\u00a023", "1 23"),
        ("１２", "12"),
        ("٤٢", "42"),
        ("10²", "10^2"),
        ("10⁻³", "10^-3"),
        ("10²5", "10^2 5"),
        ("10₂", "10_2"),
        ("H₂O", "H2O"),
        ("1½", "1 1/2"),
        ("½5", "1/2 5"),
        ("–5", "-5"),
        ("“it’s”", '"it\'s"'),
        ("a\u200bb\u00adc", "abc"),
        ("Ⅳ", "IV"),
        ("a \n\t b", "a b"),
        (r"C:\new\table", r"C:\new\table"),
    ],
)
def test_as_one_would_type_it(written: str, typed: str) -> None:
    assert plain(written) == typed


def test_folded_has_no_case() -> None:
    assert folded("STRASSE") == folded("Straße")


@given(st.text(max_size=80))
def test_any_text_has_a_plain_one_without_runs_of_white_space(text: str) -> None:
    said = plain(text)
    assert said == " ".join(said.split())


@pytest.mark.parametrize("unit", ["\\frac{", "{,}", "^{", "$", "\\text{", "½", "²", "{\\frac{1}{2}}"])
def test_no_text_takes_long(unit: str) -> None:
    plain(unit * 20_000)
