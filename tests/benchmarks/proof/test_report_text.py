from __future__ import annotations

import pytest

from apportion.errors import UsageError
from benchmarks.proof.findings import Findings, Ranged
from benchmarks.proof.report_text import (
    BEGIN,
    END,
    check_document,
    markdown_report,
    text_report,
    with_results,
)


def test_a_comparison_that_fails_is_said_first(findings: Findings) -> None:
    first, second, *_ = text_report(findings).splitlines()
    assert first == "1 of 2 planned comparisons DO NOT HOLD:"
    assert second.startswith("- J above R→A, middle cap: J - R→A at the middle cap is -0.2 (-1.2 to +0.8) points")
    assert markdown_report(findings).startswith("**1 of 2 planned comparisons DO NOT HOLD:**\n\n- J above R→A, middle")


def test_a_control_that_fails_is_said_first_too(findings: Findings) -> None:
    gain = findings.controls[0].model_copy(update={"gain": Ranged(value=0.012, low=0.004, high=0.02)})
    bad = findings.model_copy(update={"controls": (gain, *findings.controls[1:])})
    lines = text_report(bad).splitlines()
    assert lines[0] == "1 of 2 planned comparisons DO NOT HOLD, and 1 of 2 controls FAIL:"
    assert lines[2].startswith("- pool clones, tight cap: J shows a gain of +1.2 (+0.4 to +2.0) points over the better")
    good = bad.model_copy(update={"planned": findings.planned[:1]})
    assert text_report(good).startswith("All 1 planned comparisons hold, and 1 of 2 controls FAIL:\n")


def test_a_policy_that_cannot_cost_as_much_says_what_it_costs(findings: Findings) -> None:
    standing = findings.standings[0]
    policies = [
        one.model_copy(update={"mixed_cost": 4.2}) if (one.label, one.cap) == ("U", "tight") else one
        for one in standing.policies
    ]
    bad = findings.model_copy(update={"standings": (standing.model_copy(update={"policies": tuple(policies)}),)})
    assert "+3.0 (+2.0 to +4.0) at 4.2 " in text_report(bad)
    assert " at 9.9" not in text_report(bad)


def test_it_says_so_where_all_hold(findings: Findings) -> None:
    good = findings.model_copy(update={"planned": findings.planned[:1]})
    assert text_report(good).startswith("All 1 planned comparisons hold.\n")


@pytest.mark.parametrize(
    "text",
    [
        "Synergy: J - R - A + U",
        "+2.0 (+1.0 to +3.0)",
        "What each node got from J",
        "Where the gain is: J - UpFront",
        "+0.2 (-0.8 to +1.2)",
        "630 s: every plan once 30 s, matches 600 s",
        "62.5 %",
        "read by 2 runs of the command; 462 evaluations this time",
        "differed from the bootstrap's paths by at most 0.12 points",
        "67 %",
        "+1.2",
    ],
)
def test_the_text_has_everything(findings: Findings, text: str) -> None:
    assert text in text_report(findings)


def test_the_share_of_a_small_gap_is_left_out(findings: Findings) -> None:
    (line,) = [line for line in text_report(findings).splitlines() if line.strip().startswith("loose")]
    assert line.rstrip().endswith("+1.5 (+0.5 to +2.5)")


def test_results_go_between_the_marks_and_replace_what_was_there(findings: Findings) -> None:
    document = f"before\n\n{BEGIN}\nstale\n{END}\n\nafter\n"
    once = with_results(document, findings)
    assert once.startswith("before\n\n")
    assert once.endswith("\n\nafter\n")
    assert "stale" not in once
    assert with_results(once, findings) == once


def test_a_document_without_marks_is_refused(findings: Findings) -> None:
    for document in ("nothing", f"{BEGIN} only", f"{END}\n{BEGIN}"):
        with pytest.raises(UsageError, match="no place for results"):
            check_document(document)
        with pytest.raises(UsageError, match="no place for results"):
            with_results(document, findings)
