from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from apportion.tasks.dealing import dealt, dealt_together, grouped

PATTERN = "fvft"


def test_names_make_groups_and_no_name_none() -> None:
    assert grouped(["a", "", "b", "a", ""]) == [[0, 3], [1], [2], [4]]
    assert grouped([]) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers()), unique=True, max_size=30))
def test_without_groups_it_is_dealing(keys: list[tuple[str, int]]) -> None:
    assert dealt_together(keys, PATTERN, [[n] for n in range(len(keys))]) == dealt(keys, PATTERN)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", *"uvwxyz"])), max_size=60))
def test_groups_stay_together_and_shares_are_near(rows: list[tuple[str, str]]) -> None:
    keys = [(stratum, f"{n:03d}") for n, (stratum, _) in enumerate(rows)]
    groups = grouped([name for _, name in rows])
    found = dealt_together(keys, PATTERN, groups)
    assert all(len({found[number] for number in members}) == 1 for members in groups)
    largest = max((len(members) for members in groups), default=0)
    counts, wanted = Counter(found), Counter(PATTERN[n % 4] for n in range(len(rows)))
    assert all(abs(counts[part] - wanted[part]) <= largest + 1 for part in "fvt")


@given(st.lists(st.integers(1, 8), min_size=3, max_size=12))
def test_no_part_is_empty_where_there_are_groups_for_all(sizes: list[int]) -> None:
    names = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    keys = [("", f"{n:03d}") for n in range(len(names))]
    assert set(dealt_together(keys, "fvt", grouped(names))) == set("fvt")
