"""The end of a study: policies over a portfolio, the chosen one on test, what each node got, and what is told of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion import Policy
from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import UnknownName
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import StudyReport
from apportion.optimizers.study.reporter import Announcement, Progress
from apportion.records import StudyStore, Task
from apportion.stores.opening import open_store
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2, max_output_tokens=200)
POLICIES = ("static", "static_mix", "route_only", "joint", "joint_safe")


def of(subject: str) -> Any:
    """Right on one subject; on long questions only at length."""

    def script(request: Request) -> str:
        asked = request.messages[-1].content
        enough = "long" not in asked or request.max_output_tokens > 50
        padding = "step " * 12 + "\n" if request.max_output_tokens > 50 else ""
        return f"{padding}Answer: {'yes' if subject in asked and enough else 'no'}"

    return script


class Bench:
    """Two models that know a subject each, a node that adds nothing, and questions of two subjects and two lengths."""

    def __init__(self) -> None:
        self.models = [ScriptedModel(of(name), name=f"{name}-expert", card=CARD) for name in ("birds", "trains")]
        self.pool = Pool(self.models)
        self.graph = Graph("experts")
        self.graph.add("solve", Solver(style="think", max_output_tokens=choose(20, 80)))
        self.graph.add("echo", Solver(model="birds-expert", style="direct", max_output_tokens=20))
        self.graph.add("judge", Verifier(method="vote"))
        self.graph.connect("solve", "judge").connect("echo", "judge", optional=True)
        self.tasks = [
            Task(question=f"{length} question {i} on {subject}: is it so?", gold="yes", family=subject)
            for i in range(40)
            for subject in ("birds", "trains")
            for length in ("short", "long")
        ]

    @property
    def calls(self) -> int:
        return sum(len(model.requests) for model in self.models)

    def optimize(self, store: StudyStore | None = None, **settings: Any) -> StudyReport:
        given: dict[str, Any] = {"cap": Cap(total=32_000), "spend": 1e6, "policies": POLICIES} | settings
        return optimize(self.graph, self.tasks, self.pool, store=store, **given)


@pytest.fixture(scope="module")
def report() -> StudyReport:
    return Bench().optimize()


def test_a_policy_that_knows_who_knows_what_beats_every_plan_on_test(report: StudyReport) -> None:
    found = report.policies
    assert found is not None
    assert [score.policy for score in found.scores] == list(POLICIES)
    by_name = {score.policy: score for score in found.scores}
    assert by_name["static"].score < 0.7 < 0.9 < by_name["joint"].score
    assert by_name["static"].behind.low > 0
    assert found.chosen == "joint_safe"
    assert found.member in ("route_only", "joint", "route_then_allocate")
    assert found.tabulated == {"fit": 80, "validation": 32}
    assert found.test is not None
    assert found.test.gain is not None
    assert report.best is not None
    assert report.best.test is not None
    assert found.test.static == report.chosen
    assert found.test.gain.low > 0.2
    assert found.test.score.score - report.best.test.score == pytest.approx(found.test.gain.mean)
    assert found.test.score.cost * 48 <= 32_000 * 48 / 160
    assert sum(arm.questions for arm in found.arms) == 48


def test_every_node_is_told_what_it_got_and_why(report: StudyReport) -> None:
    assert report.policies is not None
    nodes = {node.node: node for node in report.policies.nodes}
    solve = nodes["solve"]
    assert solve.kind == "solver"
    families = {use.family: use for use in solve.families}
    assert families["birds"].models["birds-expert"] > 0.7
    assert families["trains"].models["trains-expert"] > 0.7
    assert solve.everywhere.active == 1.0
    assert sum(solve.everywhere.models.values()) == pytest.approx(1.0)
    assert sum(solve.everywhere.knobs["max_output_tokens"].values()) == pytest.approx(1.0)
    for node in nodes.values():
        for use in (node.everywhere, *node.families):
            assert use.bound.cap + use.bound.price + use.bound.capability == pytest.approx(1.0)
    assert nodes["judge"].everywhere.models == {}


def test_edges_are_told_with_what_they_bring_and_cost(report: StudyReport) -> None:
    found = report.edges
    assert found is not None
    (echo,) = found.edges
    assert (echo.edge, echo.kept) == ("echo->judge", False)
    assert echo.cost.low > 0
    assert echo.gain.low <= 0
    assert (found.method, found.plans) == ("enumeration", 2)


def test_the_report_goes_to_json_and_back_without_the_policy(report: StudyReport) -> None:
    text = report.model_dump_json()
    assert "DeployedPolicy" not in text
    again = StudyReport.model_validate_json(text)
    assert again.policies == report.policies
    assert again.policy is None


def test_the_policy_is_ready_to_use(report: StudyReport, tmp_path: Path) -> None:
    assert report.policy is not None
    report.policy.save(tmp_path / "policy.json")
    bench = Bench()
    policy = Policy.load(tmp_path / "policy.json", pool=bench.pool)
    asked = [f"short question {i} on {subject}: is it so?" for i in range(50, 53) for subject in ("birds", "trains")]
    assert [policy.invoke(question).answer for question in asked] == ["yes"] * 6
    assert policy.budget == 200


def test_cold_and_warm_cache_decide_and_charge_alike(tmp_path: Path) -> None:
    """Another study on the same replies, and the same study once more, find what the first one found."""
    with open_store(tmp_path / "study.db") as store:
        bench = Bench()
        cold = bench.optimize(store)
        calls = bench.calls
        warm = bench.optimize(store, spend=999_999)
        again = bench.optimize(store)
        charged = [booked(store, report.study_id) for report in (cold, warm)]
    assert bench.calls == calls
    for other in (warm, again):
        # Plans, portfolio, policies, nodes, edges, votes and headroom, with all their scores and costs.
        assert told(other) == told(cold)
        assert deployed(other, tmp_path) == deployed(cold, tmp_path)
    assert charged[0] == charged[1]
    assert warm.paid == 0
    assert again.paid == cold.paid
    # The same part was read by both studies, and by the first one again.
    assert again.test_reads == 3 * cold.test_reads


def told(report: StudyReport) -> dict[str, Any]:
    """Everything but where it was, what it was called, how long it took, and what did not have to be paid again."""
    apart: dict[str, Any] = dict.fromkeys(("study_id", "location", "seconds", "spend", "paid", "test_reads"), True)
    return report.model_dump(mode="json", exclude=apart | {"readings": {"__all__": {"examples"}}})


def deployed(report: StudyReport, folder: Path) -> Any:
    """The policy as it would be saved: its arms, what it has learned, and its questions."""
    assert report.policy is not None
    report.policy.save(folder / "policy.json")
    return json.loads((folder / "policy.json").read_text())


def booked(store: StudyStore, study_id: str) -> dict[tuple[str, str, int], int]:
    """What was charged for every plan on every part."""
    return {(t.plan_hash, t.part, t.rung): t.charged.tokens for t in store.trials(study_id)}


def test_policies_may_be_left_out_and_wrong_names_are_named() -> None:
    bench = Bench()
    with pytest.raises(UnknownName, match="did you mean 'joint'"):
        bench.optimize(policies=("jiont",))
    assert bench.calls == 0
    plain = bench.optimize(policies=())
    assert (plain.policies, plain.notes) == (None, ())
    assert plain.policy is not None
    assert [arm.name for arm in plain.policy.arms] == [plain.chosen]
    assert plain.edges is not None


def test_a_spend_without_room_for_policies_says_so_and_keeps_the_rest() -> None:
    notes: list[str] = []
    for spend in (14_000, 20_000, 40_000):
        report = Bench().optimize(spend=spend)
        assert report.paid <= spend
        assert report.frontier
        if report.policies is None:
            assert any(note.startswith("policies: the spend") for note in report.notes)
        assert (report.policy is None) == (report.chosen is None)
        notes += report.notes
    assert notes


def test_few_tasks_are_no_reason_to_fail() -> None:
    bench = Bench()
    few = optimize(bench.graph, bench.tasks[:32], bench.pool, cap=Cap(total=9_000), spend=1e6, policies=POLICIES)
    assert few.policies is None
    assert any("at least 10 tasks" in note for note in few.notes)
    assert few.policy is not None
    assert few.policy.name == "static"


@pytest.mark.parametrize("models", [1, 2])
def test_where_one_plan_is_best_and_cheapest_it_is_the_policy(models: int, tmp_path: Path) -> None:
    bench = Bench()
    right = ScriptedModel(lambda request: "yes", name="right", card=CARD)
    wordy = ScriptedModel(lambda request: "I am not sure at all about that one", name="wordy", card=CARD)
    pool = Pool([right, wordy][:models])
    graph = Graph("one").add("solve", Solver(style="direct", max_output_tokens=20))
    report = optimize(graph, bench.tasks[:60], pool, cap=Cap(total=32_000), spend=1e6, policies=POLICIES)
    (note,) = (note for note in report.notes if note.startswith("policies: "))
    assert report.best is not None
    told = (
        "the graph has one plan only"
        if models == 1
        else f"plan {report.best.plan_hash[:8]} is at least as good and as cheap"
    )
    assert note.startswith(f"policies: {told}")
    assert report.policies is None
    assert report.policy is not None
    report.policy.save(tmp_path / "policy.json")
    served = Policy.load(tmp_path / "policy.json", pool=pool).dial(0.2).invoke("short question 1 on birds: is it so?")
    assert (served.answer, served.arm) == ("yes", report.chosen)


class Listener:
    def __init__(self) -> None:
        self.phases: list[str] = []

    def announce(self, announcement: Announcement) -> None: ...

    def progress(self, progress: Progress) -> None:
        if progress.phase not in self.phases:
            self.phases.append(progress.phase)

    def finish(self, report: StudyReport) -> None: ...


def test_progress_names_the_phases() -> None:
    listener = Listener()
    Bench().optimize(reporter=listener, policies=("static_mix",))
    assert [phase for phase in listener.phases if phase in ("fit", "tabulating", "test")] == [
        "fit",
        "tabulating",
        "test",
    ]


def test_policies_are_kept_inside_a_study_in_usd_too() -> None:
    bench = Bench()
    priced = {"input_usd_per_million": 10.0, "output_usd_per_million": 20.0}
    bench.models = [
        ScriptedModel(of(name), name=f"{name}-expert", card=CARD.model_copy(update=priced))
        for name in ("birds", "trains")
    ]
    bench.pool = Pool(bench.models)
    report = bench.optimize(MemoryStore(), cap=Cap(total=0.4, unit="usd"), spend=30.0)
    assert report.policies is not None
    assert report.policies.test is not None
    assert report.policies.test.score.cost * 160 <= 0.4
    assert json.loads(report.model_dump_json())["cap"]["unit"] == "usd"


def test_where_wrong_answers_cost_something_the_policy_leaves_them_out(tmp_path: Path) -> None:
    """One model that knows birds alone, and writes more where it does not know."""

    def script(request: Request) -> str:
        asked, roomy = request.messages[-1].content, request.max_output_tokens > 50
        if "birds" not in asked:
            return f"{'step ' * (9 if roomy else 6)}Answer: no"
        return f"{'so ' * 3 * roomy}Answer: {'yes' if roomy or 'long' not in asked else 'no'}"

    pool = Pool([ScriptedModel(script, name="m", card=CARD)])
    graph = Graph("guesses").add("solve", Solver(style="think", max_output_tokens=choose(20, 80)))
    tasks = Bench().tasks
    names = ("static", "cascade", "joint_safe")
    found = optimize(graph, tasks, pool, cap=Cap(total=40_000), spend=1e6, policies=names, wrong_costs=1.0)
    policies, deployed = found.policies, found.policy
    assert policies is not None
    assert deployed is not None
    assert deployed.wrong_costs == policies.wrong_costs == 1.0
    for score in policies.scores:
        assert score.shares is not None
        assert sum(score.shares.model_dump().values()) == pytest.approx(1.0)
        assert score.score == pytest.approx(score.shares.right - score.shares.wrong)
    scores = {score.policy: score.score for score in policies.scores}
    assert scores["static"] < 0.1
    assert scores["joint_safe"] > 0.4
    assert policies.test is not None
    assert policies.test.shares is not None
    assert policies.test.shares.wrong < 0.05
    assert policies.test.score.score == pytest.approx(policies.test.shares.right - policies.test.shares.wrong)
    (confidence, *_) = policies.confidences
    assert confidence.auroc == pytest.approx(1.0)
    deployed.save(tmp_path / "policy.json")
    for policy in (deployed, Policy.load(tmp_path / "policy.json", pool=pool)):
        assert policy.wrong_costs == 1.0
        assert policy.invoke("short question 77 on birds: is it so?").answer == "yes"
        silent = policy.invoke("short question 77 on trains: is it so?")
        assert (silent.answer, silent.status.value) == ("", "skipped")
        assert silent.reason
    assert StudyReport.model_validate_json(found.model_dump_json()).policies == policies
    assert "unanswered" in found._repr_html_()
