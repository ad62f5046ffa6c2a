"""Every rule of a cascade, on cells whose outcomes can be read off; costs are 1, 10 and 100."""

from __future__ import annotations

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.tables.cascades import Signs, cascade_arm, outcomes_of, with_cascades
from apportion.optimizers.tables.table import Arm, FinalRule, Question, Stage, StopRule, Table, answer_numbers

A, B, C = Stage("a"), Stage("b"), Stage("c")
RIGHT = "yes"


def table(rows: list[list[str | None]], sure: list[list[float]] | None = None) -> Table:
    """Of three arms: what each answered; "-" is an abstention, None a failure."""
    told = np.array(rows, object)
    abstained = (told == "-").astype(np.float64)
    return Table(
        tuple(Question(str(number), "?") for number in range(len(rows))),
        (Arm("a"), Arm("b"), Arm("c")),
        (told == RIGHT).astype(np.float64)[:, :, None],
        np.broadcast_to(np.array([1.0, 10.0, 100.0])[:, None], (len(rows), 3, 1)),
        confidences=None if sure is None else np.array(sure)[:, :, None],
        answers=answer_numbers([[None if said == "-" else said for said in row] for row in rows])[:, :, None],
        abstained=abstained[:, :, None],
    )


def stage(arm: str, stop: StopRule, sure: float = 0.0) -> Stage:
    return Stage(arm, sure, stop)


def of(found: Table, *stages: Stage, final: FinalRule = "last") -> list[tuple[float, float]]:
    scores, costs = outcomes_of([cascade_arm(stages, final)], found)
    return list(zip(scores.ravel().tolist(), costs.ravel().tolist(), strict=True))


def test_an_answer_that_does_not_abstain_ends_it() -> None:
    found = table([["yes", "no", "no"], ["-", "yes", "no"], [None, "-", "yes"], ["-", "-", "-"]])
    assert of(found, stage("a", "answered"), stage("b", "answered"), C) == [(1, 1), (1, 11), (1, 111), (0, 111)]


def test_agreeing_with_any_earlier_stage_ends_it() -> None:
    found = table([["yes", "yes", "no"], ["no", "x", "no"], ["no", "yes", "yes"], ["-", "-", "yes"]])
    stages = (stage("a", "always"), stage("b", "agrees"), C)
    assert of(found, *stages) == [(1, 11), (0, 111), (1, 111), (1, 111)]
    # Two abstentions agree on nothing.
    assert of(found, stage("b", "always"), stage("a", "agrees"), C)[3] == (1, 111)


def test_a_confident_abstention_does_not_end_it() -> None:
    found = table([["-", "yes", "no"], ["yes", "no", "no"]], [[0.9, 0.5, 0.5], [0.9, 0.5, 0.5]])
    assert of(found, stage("a", "confidence", 0.8), B) == [(1, 11), (1, 1)]


def test_a_last_stage_that_abstains_keeps_the_abstention() -> None:
    found = table([["yes", "-", "-"]])
    always = (stage("a", "always"), B)
    assert of(found, *always) == [(0, 11)]
    assert of(found, *always, final="first_sure") == [(1, 11)]
    assert of(found, *always, final="plurality") == [(1, 11)]


def test_a_failure_does_not_undo_an_answer() -> None:
    assert of(table([["yes", None, "no"]]), stage("a", "always"), B) == [(1, 11)]


def test_plurality_counts_answers_and_of_equals_takes_the_latest() -> None:
    always = (stage("a", "always"), stage("b", "always"), C)
    found = table([["yes", "yes", "no"], ["no", "yes", "-"], ["no", "x", "yes"], ["-", "-", "-"]])
    assert [score for score, _ in of(found, *always, final="plurality")] == [1, 1, 1, 0]


def test_the_most_confident_answer_stands() -> None:
    always = (stage("a", "always"), B)
    found = table(
        [["yes", "no", ""], ["yes", "no", ""], ["-", "yes", ""]], [[0.9, 0.1, 0], [0.2, np.nan, 0], [1, 0, 0]]
    )
    assert [score for score, _ in of(found, *always, final="most_confident")] == [1, 1, 1]


def test_the_first_that_was_sure_stands_also_where_nobody_agreed() -> None:
    found = table([["yes", "no", "x"], ["-", "yes", "x"]])
    stages = (stage("a", "always"), stage("b", "agrees"), C)
    assert of(found, *stages, final="first_sure") == [(1, 111), (1, 111)]


def test_what_a_rule_reads_must_be_there() -> None:
    bare = Table((Question("q", "?"),), (Arm("a"), Arm("b")), np.ones((1, 2, 1)), np.ones((1, 2, 1)))
    for stop, column in (("confidence", "confidence"), ("agrees", "answer"), ("answered", "abstained")):
        with pytest.raises(UsageError, match=f"column '{column}'"):
            of(bare, Stage("a", 0.5, stop), B)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="column 'answer'"):
        of(bare, stage("a", "always"), B, final="plurality")


def test_a_cascade_is_an_arm_with_a_column_of_its_own() -> None:
    found = table([["-", "yes", "no"], ["no", "yes", "no"]])
    arm = cascade_arm((stage("a", "answered"), B))
    whole = with_cascades(found, [arm])
    assert whole.arms[-1] == arm
    assert whole.mean_scores[:, -1].tolist() == [1, 0]
    assert whole.mean_costs[:, -1].tolist() == [11, 1]
    # A table that has the column already is believed.
    assert outcomes_of([arm], whole)[1][:, 0, 0].tolist() == [11, 1]


def test_the_names_of_the_first_cascades_stay_and_every_rule_has_its_own() -> None:
    arms = [
        cascade_arm((Stage("a", 0.5), B)),
        cascade_arm((stage("a", "answered"), B)),
        cascade_arm((Stage("a", 0.5), B), "plurality"),
    ]
    assert arms[0].name == "cascade-16cf87ed3414c638"
    assert len({arm.name for arm in arms}) == 3


def test_who_gave_no_reply_is_not_sure_of_it() -> None:
    """As where it serves: a log may say how sure an arm was that then failed."""
    table = Table(
        (Question("q", "?"),),
        (Arm("a"), Arm("b")),
        np.zeros((1, 2, 1)),
        np.ones((1, 2, 1)),
        confidences=np.full((1, 2, 1), 0.9),
        answers=np.array([[[-1], [3]]]),
    )
    assert Signs.of(table).sure.ravel().tolist() == [-np.inf, 0.9]
