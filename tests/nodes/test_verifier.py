from __future__ import annotations

import pytest

from apportion.errors import CallFailed
from apportion.models.request import Request
from apportion.nodes import Inputs, Verifier, adaptive, choose
from apportion.nodes.base import Node
from apportion.nodes.verifier import KIND
from apportion.records.message import Candidate, Message
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="What is (40+2)*3?")


class TestVoteConformance(NodeConformance):
    kind = KIND
    calls = False

    def node(self) -> Node:
        return Verifier(model="scripted", max_candidates=3)

    def reply(self, request: Request) -> str:
        raise AssertionError("a vote makes no call")


class TestScoreConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Verifier(model="scripted", method="score", max_candidates=16, max_output_tokens=100)

    def reply(self, request: Request) -> str:
        return "It fits.\nProbability: 90"


class TestStepsConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Verifier(model="scripted", method="steps", max_steps=3, max_output_tokens=30)

    def reply(self, request: Request) -> str:
        return "42"


class TestRepeatedScoreConformance(TestScoreConformance):
    def node(self) -> Node:
        return Verifier(
            model="scripted", method="score", max_candidates=16, max_output_tokens=100, samples=3, temperature=0.7
        )


class TestAdaptiveScoreConformance(TestScoreConformance):
    def node(self) -> Node:
        samples = adaptive(1, 4)
        return Verifier(
            model="scripted", method="score", max_output_tokens=100, samples=samples, stop="agree_2", temperature=0.7
        )


class TestRepeatedStepsConformance(TestStepsConformance):
    def node(self) -> Node:
        return Verifier(model="scripted", method="steps", max_steps=3, max_output_tokens=30, samples=3, temperature=0.7)


def verify(
    candidates: list[Candidate],
    script: dict[str, str] | None = None,
    previous: Message | None = None,
    **settings: object,
) -> tuple[NodeRun, ScriptedModel]:
    """The reply is the script's value of the first key that occurs in the prompt."""

    def reply(request: Request) -> str:
        body = request.messages[1].content
        return next(said for key, said in (script or {}).items() if key in body)

    model = ScriptedModel(reply)
    messages = {f"n{n}": Message(answer=c.answer, candidates=(c,)) for n, c in enumerate(candidates)}
    node = Verifier.model_validate({"model": "scripted", **settings})
    inputs = Inputs(TASK, TASK.question, messages, 0 if previous is None else 1, previous)
    return NodeBench([model]).run(node, inputs), model


def test_vote_pools_the_nodes_and_costs_nothing() -> None:
    outcome, model = verify([Candidate("1"), Candidate("2"), Candidate("2.0")])
    assert (outcome.message.answer, outcome.message.accepted) == ("2", True)
    assert outcome.message.candidates[0].confidence == pytest.approx(2 / 3)
    assert model.requests == ()


def test_a_divided_vote_is_not_accepted() -> None:
    message = verify([Candidate("1"), Candidate("2"), Candidate("3")])[0].message
    assert (message.status, message.answer, message.accepted) == (Status.OK, "1", False)
    assert message.reason == "'1' has 33% of the votes"


def test_checked_beats_votes_and_scores() -> None:
    candidates = [Candidate("1"), Candidate("1"), Candidate("2", checked=True)]
    assert verify(candidates)[0].message.answer == "2"
    outcome, model = verify(candidates, {"Proposed answer:\n1": "Probability: 99"}, method="score")
    assert (outcome.message.answer, outcome.message.accepted, len(model.requests)) == ("2", True, 1)


def test_scores_choose_against_the_majority() -> None:
    script = {"Proposed answer:\n1": "Wrong.\nProbability: 10", "Proposed answer:\n2": "Fine.\nProbability: 80"}
    outcome, model = verify([Candidate("1"), Candidate("1"), Candidate("2")], script, method="score")
    assert (outcome.message.answer, outcome.message.candidates[0].confidence) == ("2", 0.8)
    assert len(model.requests) == 2


def test_a_low_score_is_an_objection() -> None:
    outcome, _ = verify([Candidate("1")], {"1": "Probability: 10"}, method="score")
    assert (outcome.message.answer, outcome.message.accepted) == ("1", False)
    assert "probability 0.10" in outcome.message.reason


def test_no_verdict_is_no_acceptance() -> None:
    outcome, _ = verify([Candidate("1")], {"1": "hm"}, method="score")
    assert (outcome.message.answer, outcome.message.accepted) == ("1", False)
    assert "no verdict" in outcome.message.reason


GOOD = Candidate("126", text="40+2 = 42\n42*3 = 126\nAnswer: 126")
BAD = Candidate("129", text="40+2 = 43\n43*3 = 129\nAnswer: 129")
CALCULATOR = {"40+2 = ?": "42", "42*3 = ?": "126", "43*3 = ?": "129"}


def test_steps_find_the_wrong_step() -> None:
    outcome, model = verify([BAD, BAD, GOOD], CALCULATOR, method="steps")
    assert (outcome.message.answer, outcome.message.accepted) == ("126", True)
    assert [c.confidence for c in outcome.message.candidates] == [1.0, 0.5]
    assert len(model.requests) == 3  # 40+2 is a step of both and is solved once


def test_one_wrong_step_is_not_accepted() -> None:
    message = verify([BAD], CALCULATOR, method="steps")[0].message
    assert not message.accepted
    assert message.reason == "'40+2 = ?' gives '42', not '43'"
    assert verify([BAD], CALCULATOR, method="steps", threshold=0.5)[0].message.accepted


def test_reasoning_without_steps_keeps_its_votes() -> None:
    outcome, model = verify([Candidate("1"), Candidate("2"), Candidate("2")], method="steps")
    assert (outcome.message.answer, model.requests) == ("2", ())
    assert not outcome.message.accepted


def test_no_candidate_is_the_failure_that_says_most() -> None:
    messages = {
        "a": Message(status=Status.TIMEOUT, reason="slow"),
        "b": Message(status=Status.UNSAT, reason="contradiction"),
    }
    inputs = Inputs(TASK, TASK.question, messages)
    message = NodeBench([ScriptedModel(lambda request: "")]).run(Verifier(model="scripted"), inputs).message
    assert (message.status, message.reason, message.accepted) == (Status.UNSAT, "contradiction", False)


def test_a_failing_judge_leaves_the_choice_to_the_votes() -> None:
    def fail(request: Request) -> str:
        raise CallFailed(Status.PROVIDER_ERROR, "down")

    messages = {name: Message(answer=answer) for name, answer in (("a", "1"), ("b", "2"), ("c", "2"))}
    node = Verifier(model="scripted", method="score")
    message = NodeBench([ScriptedModel(fail)]).run(node, Inputs(TASK, TASK.question, messages)).message
    assert (message.answer, message.accepted) == ("2", False)


def test_the_better_choice_of_the_round_before_stays() -> None:
    previous = Message(answer="7", candidates=(Candidate("7", 0.4),), accepted=False, reason="doubtful")
    script = {"Proposed answer:\n1": "Probability: 10"}
    worse, _ = verify([Candidate("1")], script, previous, method="score")
    assert (worse.message.answer, worse.message.reason) == ("7", "doubtful")
    better, _ = verify([Candidate("1")], {"1": "Probability: 45"}, previous, method="score")
    assert better.message.answer == "1"


def test_a_vote_opens_no_model() -> None:
    assert Verifier().open_knobs(("a", "b")) == {}
    assert Verifier(method="score").open_knobs(("a", "b")) == {"model": ("a", "b")}
    both = Verifier(method=choose("vote", "score"))
    assert set(both.open_knobs(("a",))) == {"method", "model"}


def test_only_the_best_candidates_are_looked_at() -> None:
    candidates = [Candidate(str(number)) for number in range(9)]
    _, model = verify(candidates, {"": "Probability: 50"}, method="score", max_candidates=2)
    assert len(model.requests) == 2


def judged(*scores: str, **settings: object) -> tuple[NodeRun, ScriptedModel]:
    """Judgement i of the only candidate says as the i-th script."""
    model = ScriptedModel(lambda request: scores[request.sample])
    known = {"model": "scripted", "method": "score", "temperature": 0.7, "samples": len(scores), **settings}
    inputs = Inputs(TASK, TASK.question, {"solve": Message(answer="126")})
    return NodeBench([model]).run(Verifier.model_validate(known), inputs), model


def says(*percent: int) -> list[str]:
    return [f"Probability: {number}" for number in percent]


@pytest.mark.parametrize(
    ("vote", "threshold", "score", "accepted"),
    [
        ("confidence", None, 0.5, True),
        ("confidence", 0.6, 0.5, False),
        ("majority", None, 1 / 3, False),
        ("majority", 0.4, 2 / 3, True),
        ("first", 0.6, 0.9, True),
    ],
)
def test_several_judgements_are_one_by_their_mean_by_most_verdicts_or_by_the_first(
    vote: str, threshold: float | None, score: float, accepted: bool
) -> None:
    run, model = judged(*says(90, 15, 45), vote=vote, threshold=threshold)
    assert run.message.candidates[0].confidence == pytest.approx(score)
    assert (run.message.accepted, len(model.requests)) == (accepted, 3)


def test_a_judgement_that_cannot_be_read_is_left_out_of_the_mean() -> None:
    assert judged("hm", *says(90, 70))[0].message.candidates[0].confidence == pytest.approx(0.8)
    run, _ = judged("hm", "hm", "hm")
    assert (run.message.candidates[0].confidence, run.message.accepted) == (0.5, False)
    run, model = judged("hm", *says(90, 70), samples=1, red_flags=("unread",))
    assert (run.message.candidates[0].confidence, len(model.requests)) == (0.9, 2)


def test_adaptive_judgements_end_when_enough_verdicts_agree() -> None:
    _, model = judged(*says(90, 20, 80, 90, 90), samples=adaptive(1, 5), stop="ahead_by_2")
    assert len(model.requests) == 4
    _, model = judged(*says(90, 20, 80, 90, 90), samples=adaptive(1, 5), stop="agree_2")
    assert len(model.requests) == 3


def test_steps_solved_several_times_are_put_to_the_vote() -> None:
    def script(request: Request) -> str:
        right = {"40+2 = ?": "42", "42*3 = ?": "126"}[request.messages[1].content.splitlines()[-1].split(": ")[-1]]
        return "7" if request.sample == 1 else right

    model = ScriptedModel(script)
    inputs = Inputs(TASK, TASK.question, {"solve": Message(answer="126", candidates=(GOOD,))})
    node = Verifier(model="scripted", method="steps", samples=3, temperature=0.7)
    run = NodeBench([model]).run(node, inputs)
    assert (run.message.accepted, run.message.candidates[0].confidence, len(model.requests)) == (True, 1.0, 6)


def test_a_silent_method_has_no_draws() -> None:
    assert KIND.draws(Verifier(method="vote", samples=3, temperature=0.7)) is None
    draws = KIND.draws(Verifier(method="score", samples=3, temperature=0.7))
    assert draws is not None
    assert (draws.number, draws.curves) == (3, False)


def test_under_a_cap_every_candidate_is_judged_once_before_any_is_judged_again() -> None:
    script = {"Proposed answer:\n1": "Probability: 10", "Proposed answer:\n2": "Probability: 80"}
    candidates = [Candidate("1"), Candidate("2")]
    single, _ = verify(candidates, script, method="score", max_output_tokens=20)
    room = sum(bound.tokens for bound in single.bounds)

    def reply(request: Request) -> str:
        return next(said for key, said in script.items() if key in request.messages[1].content)

    messages = {f"n{n}": Message(answer=c.answer, candidates=(c,)) for n, c in enumerate(candidates)}
    node = Verifier(model="scripted", method="score", max_output_tokens=20, samples=4, temperature=0.7)
    run = NodeBench([ScriptedModel(reply)]).run(node, Inputs(TASK, TASK.question, messages), limit=room)
    assert [(c.answer, c.confidence) for c in run.message.candidates] == [("2", 0.8), ("1", 0.1)]
