from __future__ import annotations

import copy
import random

from apportion.testing.hostile import hostile

CONTENT = {"name": "g", "rows": [[1, 2], [3, 4]], "deep": {"deeper": {"deepest": "x"}}}


def test_it_is_wrong_at_every_depth_and_the_original_stays() -> None:
    before = copy.deepcopy(CONTENT)
    found = [hostile(CONTENT, random.Random(number)) for number in range(300)]
    assert before == CONTENT
    assert all(repr(each) != repr(CONTENT) for each in found)
    assert any("name" not in each for each in found)
    assert any("further" in each for each in found)
    assert any(len(each["rows"]) == 3 for each in found if isinstance(each.get("rows"), list))
    assert any({"deep": {"deeper": {}}}.items() <= each.items() for each in found)


def test_the_same_draw_gives_the_same() -> None:
    assert repr(hostile(CONTENT, random.Random(7))) == repr(hostile(CONTENT, random.Random(7)))


def test_a_value_without_places_becomes_another() -> None:
    assert hostile([], random.Random(0)) != []
