from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.tasks.near_duplicates import masked, near_duplicates, tells


def found(*texts: str) -> list[int]:
    return near_duplicates([masked(text) for text in texts])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann has 3 apples and buys 14 more. How many?", "Robert Lee has 1,200.5 apples and buys 7 more. How many?"),
        ("In which year was the town of La Pintada founded?", "In which year was the town of Apartadó founded?"),
        ('Who directed "The Long Way" in 1984?', "Who directed «Zorns Lemma» in 1970?"),
        ("WHAT IS THE BOILING POINT OF WATER", "what is the boiling point of water"),
        ("let x be 3 and y be 4; compute the product", "let u be 9 and v be 1; compute the product"),
        ("某商店有3个苹果，又买了5个苹果，一共有几个苹果？", "某商店有12个苹果，又买了7个苹果，一共有几个苹果？"),
        ("ร้านค้ามีแอปเปิล 3 ผล ซื้อเพิ่มอีก 5 ผล รวมกี่ผล", "ร้านค้ามีแอปเปิล 9 ผล ซื้อเพิ่มอีก 2 ผล รวมกี่ผล"),
        ("Who wrote Hamlet?", "Who wrote Faust?"),
    ],
)
def test_other_numbers_and_names_are_the_same_template(one: str, other: str) -> None:
    assert found(one, other) == [0, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "What is the population of France?"),
        ("12+4=", "12+5="),  # nothing of it says which template it is of
        ("", ""),
        ("🙂🙂", "🙂"),
        ("某商店有3个苹果，一共有几个苹果？", "火车从北京开往上海需要多少小时？"),
        ("Was ist die Hauptstadt von Spanien?", "Was ist die Farbe von Gold?"),
    ],
)
def test_what_is_unlike_stays_apart(one: str, other: str) -> None:
    assert found(one, other) == [0, 1]


def test_masks_say_what_was_there() -> None:
    assert masked("Ann Lee has 3, 4 or 1,000.5 of Bob's x") == ("@", "has", "#", "or", "#", "of", "@", "#")
    assert masked("# @") == ()
    assert masked("\ud800 lone half") == ("lone", "half")
    assert not tells(masked("Ann is 3"))


def test_it_does_not_look_at_all_pairs() -> None:
    """Ten thousand texts of one template: were all pairs compared, this would take minutes."""
    assert set(found(*[f"the number of the bus is {n} today" for n in range(10_000)])) == {0}


@given(st.lists(st.text(max_size=60), max_size=12))
def test_any_text_is_a_text_and_leaders_lead_themselves(texts: list[str]) -> None:
    leaders = found(*texts)
    assert all(leaders[leader] == leader <= number for number, leader in enumerate(leaders))


@given(st.permutations(range(8)))
def test_the_order_does_not_decide_who_belongs_together(order: list[int]) -> None:
    texts = [f"how many {word} are in box {n}?" for n, word in enumerate(["long red pens", "apples"] * 4)]
    leaders = np.array(found(*[texts[n] for n in order]))
    same = leaders[:, None] == leaders
    places = np.argsort(order)
    assert (same[np.ix_(places, places)] == (np.arange(8)[:, None] % 2 == np.arange(8) % 2)).all()


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_a_chain_of_texts_is_one_cluster_in_any_order(order: tuple[int, ...]) -> None:
    """Each text is a near-duplicate of the next, and the first is none of the last."""
    texts = [
        "basket ladder doctor basket ladder ladder button copper castle forest",
        "basket ladder doctor basket ladder ladder anchor copper castle forest",
        "copper ladder doctor basket ladder ladder anchor copper castle forest",
    ]
    assert found(*(texts[number] for number in order)) == [0, 0, 0]
