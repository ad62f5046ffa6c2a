from __future__ import annotations

import pytest

from apportion.nodes.prompts.verdicts import verdict_in


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # figures
        ("Probability: 0,85", 0.85),
        ("Probability: 85,5 %", 0.855),
        ("Probability: 85 percent", 0.85),
        ("Probability:\n85", 0.85),
        ("**Probability:** **85**", 0.85),
        ("Probability that the answer 42 is right: 85", 0.85),
        ("The probability of 2 heads was wrong.\nProbability: 10", 0.10),
        ("Score: 8 out of 10", 0.8),
        ("Rating: 4/5", 0.8),
        ("I am 85% sure.", 0.85),
        ("Confidence: 90% that the answer is wrong", 0.10),
        ("Probability: 80-90", 0.80),
        ("$85\\%$", 0.85),
        # words
        ("Verdict: No errors found; the answer is correct", 1.0),
        ("There are no mistakes.", 1.0),
        ("I did not find any errors in the solution.", 1.0),
        ("The reasoning is free of errors", 1.0),
        ("Verdict: error-free", 1.0),
        ("There is nothing wrong with it.", 1.0),
        ("It isn't wrong.", 1.0),
        ("I don't see any problem, it is right", 1.0),
        ("Verdict: ✅", 1.0),
        ("Verdict: the answer 42 is correct", 1.0),
        ("The answer 42 is correct.", 1.0),
        ("Accepted", 1.0),
        ("All steps check out; confirmed.", 1.0),
        ("Verdict: 1", 1.0),
        ("Verdict: 0", 0.0),
        ("The argument is flawed.", 0.0),
        ("There is an error in step 2.", 0.0),
        ("The answer isn't correct.", 0.0),
        ("I do not think that this is right", 0.0),
        ("No, the answer is wrong", 0.0),
        ("Verdict: partially correct", 0.0),
        ("The method is correct but the answer is wrong.", 0.0),
        ("Step 2 is wrong, but the answer is correct.", 1.0),
        ("Is the answer right? No.", 0.0),
        ("Is the answer right? Yes.", 1.0),
        ("Verdict: invalid", 0.0),
        ("Rejected ❌", 0.0),
        ("**Verdict**\nIncorrect", 0.0),
        # JSON and tags
        ('{"probability": 85}', 0.85),
        ('{"reasoning": "no errors", "correct": true}', 1.0),
        ('{"verdict": "incorrect"}', 0.0),
        ('{"score": 8, "max_score": 10}', 0.8),
        ("<verdict>correct</verdict>", 1.0),
        # reasoning
        ("<think>Probability: 10</think>Probability: 85", 0.85),
        ("<think>Probability: 10", None),
        # nothing
        ("So 6*7 = 42", None),
        ("Perhaps.", None),
    ],
)
def test_verdicts(text: str, value: float | None) -> None:
    assert verdict_in(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    "unit", ["probability ", "probability: ", "not a ", "no errors ", "85% ", "n't a a a ", "verdict\n"]
)
def test_no_text_takes_long(unit: str) -> None:
    verdict_in(unit * 20_000)
