from __future__ import annotations

from apportion.models.pocket.serving.sections import Section, split_sections


def test_sections_end_at_an_empty_line_or_the_next_label() -> None:
    found = split_sections("Hello.\nQuestion: one\ntwo\nPASSAGES:\n- a\n- b\n \nBye.\n\nmore\nquery:\nc")

    assert found.labelled == (
        (Section.QUESTION, "one\ntwo"),
        (Section.PASSAGES, "- a\n- b"),
        (Section.QUERY, "c"),
    )
    assert found.rest.split() == ["Hello.", "Bye.", "more"]


def test_the_last_of_a_kind_and_all_of_them() -> None:
    found = split_sections("Query: a\nQuery: b\nx")

    assert found.all(Section.QUERY) == ("a", "b\nx")
    assert found.last(Section.QUERY) == "b\nx"
    assert found.last(Section.QUESTION) == ""


def test_an_answer_on_the_line_of_its_label_ends_there() -> None:
    assert split_sections("Answer: 30\nIs it right?").rest.strip() == "Is it right?"
    assert split_sections("Reasoning:\n47+83=30\n30*02=60").last(Section.REASONING) == "47+83=30\n30*02=60"
    assert split_sections("Answer:").labelled == ((Section.PROPOSAL, ""),)


def test_a_label_within_a_line_is_none() -> None:
    assert split_sections("Reply with Answer: 30").labelled == ()
