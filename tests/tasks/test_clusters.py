from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.cli.demo_graph import dev_set
from apportion.records.task import Task
from apportion.tasks.clusters import clusters_of, task_clusters

KINDS = ("how many pens are left in the box of", "which colour has the largest door of", "where does the river end in",
         "what was the price of bread when we met", "why did the old engine stop near")  # fmt: skip


def of(texts: list[str], families: list[str] | None = None, given: list[str] | None = None) -> list[str]:
    found = clusters_of(texts, families or [""] * len(texts), given or [""] * len(texts))
    return list(found.names)


def test_templates_are_found_whatever_the_order() -> None:
    texts = [f"{kind} {n}?" for n in range(6) for kind in KINDS]
    names = of(texts)
    assert Counter(names).most_common() == [(name, 6) for name in dict.fromkeys(names)]
    assert len(set(names)) == 5
    order = random.Random(0).sample(range(30), 30)
    assert of([texts[n] for n in order]) == [names[n] for n in order]


def test_a_family_that_is_one_template_is_not_one_cluster() -> None:
    texts = [f"what is the sum of {n} and 3?" for n in range(40)] + [
        f"{kind} {n}?" for n in range(10) for kind in KINDS
    ]
    families = ["sums"] * 40 + ["tales"] * 50
    found = clusters_of(texts, families, [""] * 90)
    assert set(found.names[:40]) == {""}
    assert len(set(found.names[40:])) == 5
    assert found.one_template == ("sums",)
    assert "'sums'" in found.notes[0]
    # Without families the sums are under half of all, and too many all the same.
    assert clusters_of(texts, [""] * 90, [""] * 90).one_template == ("",)
    assert "without a family" in clusters_of(texts, [""] * 90, [""] * 90).notes[0]


def test_where_a_template_cannot_be_held_out_one_text_still_can() -> None:
    texts = [f"what is the sum of {n // 2} and 3?" for n in range(40)]
    names = of(texts)
    assert all(names[n] == names[n + 1] for n in range(0, 40, 2))
    assert len(set(names)) == 20
    sums = of(["12+4=", "12+4=", *(f"{n}+1=" for n in range(20))])
    assert sums[0] == sums[1] != ""
    assert set(sums[2:]) == {""}


def test_small_families_may_be_one_cluster() -> None:
    texts = [f"{KINDS[0]} {n}?" for n in range(4)] + [f"{n}" for n in range(40)]
    assert len(set(of(texts, ["few"] * 4 + ["many"] * 40)[:4])) == 1


def test_what_is_given_counts_unless_it_is_a_third_of_all() -> None:
    texts = [f"{kind} {n}?" for n in range(6) for kind in KINDS]
    given = ["mine" if n < 3 else "" for n in range(30)]
    names = of(texts, given=given)
    assert names[:3] == ["mine"] * 3
    assert len(set(names)) == 6
    too_large = clusters_of(texts, [""] * 30, ["all"] * 30)
    assert too_large.names == tuple(of(texts))
    assert "'all' holds more than a third" in too_large.notes[0]


def test_tasks_of_one_premise_belong_together() -> None:
    premise = " ".join(
        f"the {word} of the house was painted by somebody else," for word in ["door", "roof", "wall", "lamp"]
    )
    other = "a train leaves the harbor at noon and nobody has ever seen where it goes after the second tunnel"
    tasks = [Task(question=question, context=(passage,)) for passage in (premise, other) for question in
             ("who painted the roof", "what is red in it")] + [Task(question=f"{n}") for n in range(9)]  # fmt: skip
    names = task_clusters(tasks).names
    assert names[0] == names[1] != names[2] == names[3]
    assert all(names[:4])
    assert task_clusters([Task(question="a", cluster="x"), *tasks]).names[0] == "x"


def test_the_demo_is_divided_question_by_question() -> None:
    found = task_clusters(dev_set())
    assert not found.any


def test_a_cluster_is_no_part_of_the_identity() -> None:
    assert Task(question="a", cluster="x").task_id == Task(question="a").task_id


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_questions(count: int) -> None:
    assert len(of([f"{KINDS[0]} {n}" for n in range(count)])) == count


@given(st.lists(st.tuples(st.sampled_from([*KINDS, "1+1=", ""]), st.sampled_from("ab"), st.sampled_from(["", "", "g"])),
                max_size=40))  # fmt: skip
def test_no_cluster_holds_more_than_a_third(rows: list[tuple[str, str, str]]) -> None:
    found = clusters_of([f"{kind} {n}" for n, (kind, _, _) in enumerate(rows)], [row[1] for row in rows],
                        [row[2] for row in rows])  # fmt: skip
    sizes = Counter(name for name in found.names if name)
    assert all(1 <= size <= len(rows) / 3 for size in sizes.values())


def test_where_near_duplicates_are_too_many_what_is_equal_but_for_numbers_stays_together() -> None:
    words = ("engine", "driver", "ticket", "window", "letter")
    texts = [
        f"A train leaves the old harbor at noon and nobody has seen where the {word} goes after the second tunnel {n}?"
        for n in range(6)
        for word in words
    ]
    names = of(texts)
    assert all(names)
    assert [len(set(names[place :: len(words)])) for place in range(len(words))] == [1] * len(words)
    assert len(set(names)) == len(words)


def test_of_a_part_nobody_is_told_to_give_smaller_clusters_where_none_was_given() -> None:
    texts = [f"{kind} {n}?" for n in range(6) for kind in KINDS]
    names = of(texts)
    part = [n for n in range(30) if n % len(KINDS) < 2]
    found = clusters_of([texts[n] for n in part], [""] * len(part), [names[n] for n in part])
    assert found.too_large
    assert len(found.notes) == 1
    assert "of one template or few" in found.notes[0]
