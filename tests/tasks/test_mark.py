from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.tasks.mark import mark_in
from apportion.testing.metric import HOSTILE


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Score: 7", 7),
        ("It is short, but it is right.\nScore: 7.5", 7.5),
        ("Score: 7,5", 7.5),
        ("**Score: 7/10**", 7),
        ("**Score:** 7", 7),
        ("Score: **8**/10", 8),
        ("## Score\n7", 7),
        ("Score:\n\n 8", 8),
        ("Final score = 9 out of 10", 9),
        ("Rating: [[7]]", 7),
        ('{"score": 7, "why": "clear"}', 7),
        ("```json\n{'rating': 7}\n```", 7),
        ("Score: seven", 7),
        ("The score is 6.", 6),
        ("Score: <6>", 6),
        ("Score: 0", 0),
        ("Score: 10", 10),
        ("7", 7),
        ("7/10", 7),
        ("Good work.\n\n7", 7),
        ("7\n\nGood work.", 7),
        ("Score: 7\nVerdict: good", 7),
        ("A score of 10 would be for more.\nScore: 4", 4),
        ("The answer says 'Score: 10'.\nScore: 3", 3),
        ("Score: 7 (on the scale from 0 to 10)", 7),
        ("Score: 7. The score reflects the errors.", 7),
        ("Score (0-10): 7", 7),
        ("**Score (out of 10):** 7", 7),
        ("Score out of 10: 7", 7),
        ("Score from 0 to 10: 7", 7),
        ("Clarity: 3\nAccuracy: 9\nOverall: 6", 6),
        ("All in all I would give this a solid 7/10.", 7),
        ("It keeps 3 of 4 facts.\nSo it is 7.5 out of 10, no more.", 7.5),
        ("<score>7</score>", 7),
        ("<reason>Clear.</reason>\n<final_score>\n7\n</final_score>", 7),
        ("Score: $\\boxed{7}$", 7),
        ("\\boxed{7}", 7),
        ("**“Score”: “7”**", 7),
        ("Score：7", 7),
        ("Score is: ~7", 7),
        ("My final score is a 7.", 7),
        ("Score [0-10]: 7", 7),
        ("Score: seven out of ten", 7),
        ("seven", 7),
        ("Score: 7 points out of a possible 10", 7),
        ("Score: 7 (out of 10)", 7),
        ("Score: 7\n- 3 of 4 facts are there", 7),
        ("Score: 7\nTotal: 3 mistakes", 7),
        ("Score: 7\nVerdict: 2 errors, one of them grave", 7),
        ("Score: 7\nOverall: one mistake", 7),
        ("Score: 7\nReason for the score: it is clear.", 7),
        ("Total: 7 points", 7),
        ('{"score": 7, "reason": "total: 3 facts; the answer says score: 10"}', 7),
        (
            'So:\n```json\n{"clarity_score": 2, "verdict": "3 facts", "score": "7/10", "why": {"total": 3}}\n```',
            7,
        ),
        ('{"final_score": 7.0}', 7),
        ('{"evaluation": {"score": 7}}', 7),
        ("Reply: {answer}\nScore: 7\n{end}", 7),
    ],
)
def test_a_mark_is_read_as_judges_write_it(text: str, mark: float) -> None:
    assert mark_in(text, 0, 10).value == mark
    assert mark_in(text, 0, 10).reason == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Score: 12", "the mark '12' lies outside the scale from 0 to 10"),
        ("Score: -3", "outside the scale"),
        ("Score: eleven", "outside the scale"),
        ("Score: 999999999999999999999", "outside the scale"),
        ("Score: 4/5", "'4/5' is not out of 10"),
        ("Score: 70%", "'70%' is a percentage"),
        ("Score: 7-8", "a range"),
        ("Score: between 7 and 8", "no mark from 0 to 10"),
        ("Score: 7 to 8", "a range"),
        ("Score: 1e3", "no mark"),
        ("Score: 7th", "no mark"),
        ("It is a good answer.", "no mark from 0 to 10 could be read from 'It is a good answer.'"),
        ("I give a score of 10 for the best.", "no mark"),
        ("underscore: 7", "no mark"),
        ("It keeps 3 of 4 facts.", "no mark"),
        ("10 of 10 would be better than this.", "no mark"),
        ("10/10 would be better than this.\nGood, but no more.", "no mark"),
        ("Grade the answer from 0 to 10.", "no mark"),
        ("", "no mark"),
        ("Score: <one number from 0 (worst) to 10 (best)>", "no mark"),
        ("Score: one of the best", "no mark"),
        ("Score: eight and a half", "no mark"),
        ("Score: 4 (out of 5)", "is not out of 10"),
        ("Score: **4**/5", "is not out of 10"),
        ("Score: four out of five", "is not out of 10"),
        ("Score: 4 stars out of 5", "is not out of 10"),
        ("Score: 7…8", "a range"),
        ("Score: 3 + 4", "a sum"),
        ("Score: 7 1/2", "a sum"),
        ("Clarity score: 9\nOverall score: N/A", "'Overall score: N/A'"),
        ("Clarity score: 9\nScore: between 7 and 8\nThat is all.", "'Score: between 7 and 8"),
        ("8/10, though 10/10 would need more than this", "no mark"),
        ('{"score": null, "earlier": "score: 9"}', "no mark"),
        ('{"score": true}', "no mark"),
        ('{"clarity_score": 3, "accuracy_score": 9}', "no mark"),
        ('{"score": 12, "reason": "score: 9"}', "outside the scale"),
        ('{"score": NaN}', "no mark"),
    ],
)
def test_what_is_no_mark_says_why(text: str, reason: str) -> None:
    found = mark_in(text, 0, 10)
    assert found.value is None
    assert reason in found.reason


def test_a_percentage_is_a_mark_where_the_scale_ends_at_one_or_a_hundred() -> None:
    assert mark_in("Score: 85 %", 0, 100).value == 85
    assert mark_in("Score: 85 per cent", 0, 1).value == pytest.approx(0.85)
    assert mark_in("Score: 85 %", 1, 100).value is None
    assert mark_in("Score: -3", -5, 5).value == -3
    assert mark_in("Score: −3", -5, 5).value == -3


def test_of_a_reply_that_was_cut_off_the_last_line_may_be_half_of_a_mark() -> None:
    assert mark_in("Good.\nScore: 1", 0, 10, cut=True).value is None
    assert mark_in("Score: 10\nBecause", 0, 10, cut=True).value == 10


@given(st.floats(0, 100).map(lambda mark: round(mark, 3)), st.sampled_from(["{}", "x\nScore: {}", '{{"mark": {}}}']))
def test_what_is_written_is_read_back(mark: float, form: str) -> None:
    assert mark_in(form.format(mark), 0, 100).value == mark


@given(st.one_of(st.text(), st.sampled_from(HOSTILE), st.from_regex(r"(Score|Rating):? ?[-+]?[0-9.,/% ]{0,60}")))
def test_any_text_gives_a_mark_on_the_scale_or_a_reason(text: str) -> None:
    for low, high in ((0, 10), (-1.5, 2.5), (0, 1), (1, 100)):
        for cut in (False, True):
            found = mark_in(text, low, high, cut=cut)
            assert (found.value is None) == bool(found.reason)
            assert found.value is None or low <= found.value <= high


def test_a_long_row_of_digits_takes_no_time_and_is_no_mark() -> None:
    found = mark_in("Score: " + "9" * 100_000, 0, 10)
    assert found.value is None
    assert len(found.reason) < 200


def test_a_long_row_of_signs_takes_no_time() -> None:
    for sign in ("*", "_", "`", '"', ")", "Score: ", "score is "):
        assert mark_in(f"score{sign * 30_000}score", 0, 10).value is None
