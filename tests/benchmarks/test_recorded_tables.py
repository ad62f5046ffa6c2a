from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.analysis.vote_curves import Draw, vote_curves
from benchmarks.recorded import DATA, absent
from benchmarks.recorded_files import Sample, read_samples
from benchmarks.recorded_tables import reasoning_table, routellm_table, sql_table, vote_score

real = pytest.mark.skipif(
    absent(DATA, ["gsm8k", "reasoning", "sql"]) is not None, reason=f"there are no recorded outcomes in {DATA}"
)


def test_questions_that_the_source_leaves_out_are_left_out(records: Path) -> None:
    table = routellm_table(records / "routellm", "mmlu")
    assert len(table.questions) == 59
    assert "mmlu/7" not in {question.name for question in table.questions}
    assert table.mean_costs[0].tolist() == [0, 1]
    assert table.mean_scores.mean(axis=0)[1] > table.mean_scores.mean(axis=0)[0]


def test_votes_pay_every_sample_and_questions_with_missing_samples_are_dropped(records: Path) -> None:
    found = reasoning_table(records / "reasoning_gym_easy")
    assert found.dropped == 1
    table = found.tables["mUSD"]
    assert [arm.name for arm in table.arms] == ["big x 1", "big x 3", "small x 1", "small x 3"]
    # 100 tokens at 10 USD and 20 at 30 USD a million.
    assert table.mean_costs[0] == pytest.approx([1.6, 4.8, 0.12, 0.36])
    assert found.tables["tokens"].mean_costs[0] == pytest.approx([120, 360, 120, 360])


def test_a_vote_scores_as_the_response_surface_says() -> None:
    answers = {"a": 1.0, "b": 0.5, None: 0.0}
    for names in product(answers, repeat=3):
        samples = [Sample(answers[name], 1, 1, name) for name in names]
        draws = [Draw(sample.answer, sample.score, 1.0) for sample in samples]
        assert vote_score(samples) == pytest.approx(vote_curves([draws], stops=())[2].score)


def test_a_run_ends_when_it_is_solved_and_pays_all_rounds_until_then(records: Path) -> None:
    found = sql_table(records / "intercode_sql")
    assert found.unpriced == ("old#multiturn10",)
    table, samples = found.tables["tokens"], read_samples(records / "intercode_sql")
    assert not any("handicap" in arm.name for arm in table.arms)
    arm = table.arm("gpt-4#multiturn10 r3")
    for number, question in enumerate(table.questions):
        rounds = samples[question.name]["gpt-4#multiturn10"]
        allowed = [rounds[turn] for turn in range(3) if turn in rounds]
        assert table.mean_scores[number, arm] == float(allowed[-1].score >= 1)
        assert table.mean_costs[number, arm] == sum(sample.tokens for sample in allowed)
    assert {question.family for question in table.questions} == {""}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"queries\.csv\.gz"):
        routellm_table(tmp_path, "mmlu")


@real
def test_gsm8k_has_the_known_figures() -> None:
    scores = routellm_table(DATA / "routellm", "gsm8k").mean_scores
    assert [*scores.mean(axis=0), scores.max(axis=1).mean()] == pytest.approx([0.637, 0.858, 0.930], abs=0.002)


@real
def test_intercode_has_the_known_figures() -> None:
    table = sql_table(DATA / "intercode_sql").tables["mUSD"]
    solved = [table.mean_scores[:, table.arm(f"gpt-4#multiturn10 r{rounds}")].mean() for rounds in (1, 3, 5, 10)]
    assert solved == pytest.approx([0.071, 0.342, 0.593, 0.737], abs=0.002)
    assert np.all(table.mean_costs > 0)


def test_what_was_answered_is_known_so_that_cascades_can_read_it(records: Path) -> None:
    drawn = reasoning_table(records / "reasoning_gym_easy").tables["mUSD"]
    rounds = sql_table(records / "intercode_sql").tables["tokens"]
    assert drawn.scores.shape[2] == 3
    assert drawn.shows_answers
    assert rounds.shows_answers
