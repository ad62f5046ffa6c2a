from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from apportion.budgets.cap import Cap
from apportion.optimizers.analysis.edge_ablation import EdgeReport, EdgeWorth
from apportion.optimizers.analysis.headroom import Headroom
from apportion.optimizers.analysis.iso_cost import IsoCostLevel, RoundsAgainstDepth
from apportion.optimizers.analysis.vote_curves import VotePoint
from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.study.plan_report import PlanReport, Score
from apportion.optimizers.study.report import (
    ArmReport,
    LimitedBy,
    NodeReport,
    NodeUse,
    PoliciesReport,
    PolicyScore,
    PolicyTest,
    StudyReport,
    VotesReport,
)
from apportion.testing.fault_server import FaultServer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder: a graph, a dev set, and a pool whose endpoint answers on loopback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sums_app.py").write_text(
        textwrap.dedent(
            """
            from apportion import Graph, Solver, choose

            graph = Graph("sums")
            graph.add("solve", Solver(style=choose("direct", "think"), max_output_tokens=choose(20, 40)))
            not_a_graph = 3
            """
        )
    )
    lines = [json.dumps({"question": f"What is {i} + {i}?", "gold": "42"}) for i in range(40)]
    (tmp_path / "dev.jsonl").write_text("\n".join(lines) + "\n")
    with FaultServer(reply=lambda body: "Answer: 42", models=("local",)) as server:
        (tmp_path / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        yield tmp_path


def _score(score: float, cost: float, tasks: int = 114) -> Score:
    return Score(
        tasks=tasks,
        score=score,
        low=score - 0.08,
        high=score + 0.08,
        coverage=0.97,
        cost=cost,
        cost_high=cost * 1.1,
        lost=0.0,
    )


def _apart(mean: float) -> Interval:
    return Interval(mean=mean, low=mean - 0.06, high=mean + 0.06)


def _use(family: str, model: str, active: float = 1.0) -> NodeUse:
    return NodeUse(
        family=family,
        tasks=172,
        active=active,
        models={model: active * 0.75, "pocket-100k-arithmetic": active * 0.25} if active else {},
        knobs={"style": {"think": 0.8, "draft": 0.18, "direct": 0.02}, "samples": {"3": 0.97, "1": 0.03}},
        edges={"search->judge": 0.5, "constraints->judge": 0.25},
        bound=LimitedBy(cap=0.04, price=0.4, capability=0.56),
    )


@pytest.fixture
def report() -> StudyReport:
    """What a study with everything to tell might have found."""
    plan = {
        "graph": "0123456789abcdef",
        "values": {"solve.model": "pocket-800k", "solve.style": "think", "judge.method": "vote"},
        "edges": ["solve->judge"],
    }
    names = ("static", "static_mix", "route_then_allocate", "joint", "joint_safe")
    plans = [
        PlanReport(
            plan_hash=f"{number}aaaaaaaaaaaaaaa",
            plan=plan,
            affordable=number < 3,
            validation=_score(0.2 * number + 0.1, 60.0 * number + 41.5),
            test=_score(0.2 * number + 0.1, 60.0 * number + 41.5, 172) if number < 3 else None,
        )
        for number in range(4)
    ]
    return StudyReport(
        study_id="s",
        graph_hash="0123456789abcdef",
        cap=Cap(total=120_000),
        tasks={"fit": 286, "validation": 114, "test": 172},
        plans_in_space=53_942_700,
        plans_measured=1_237,
        runs=20_642,
        spend=1_000_000,
        paid=231_089,
        lost=12,
        stopped_early=True,
        frontier=tuple(plans),
        chosen=plans[2].plan_hash,
        test_reads=4,
        location="apportion-demo.db",
        seconds=170.0,
        policies=PoliciesReport(
            arms=(ArmReport(plan_hash="2aaaaaaaaaaaaaaa", plan=plan, questions=172),),
            tabulated={"fit": 286, "validation": 114},
            budget=209.8,
            scores=tuple(
                PolicyScore(
                    policy=name,
                    score=0.5,
                    low=0.42,
                    high=0.58,
                    cost=207.0,
                    unanswered=0.01,
                    behind=_apart(0.1),
                    gain=_apart(-0.02),
                )
                for name in names
            ),
            chosen="joint_safe",
            member="joint",
            probe="entropy/pocket-30k",
            test=PolicyTest(score=_score(0.61, 207.0, 172), static=plans[2].plan_hash, gain=_apart(0.07), swapped=3),
            nodes=(
                NodeReport(
                    node="solve",
                    kind="solver",
                    everywhere=_use("", "pocket-800k"),
                    families=(_use("chains", "pocket-800k"), _use("extraction", "pocket-100k-reading")),
                ),
                NodeReport(node="search", kind="search", everywhere=_use("", "pocket-30k", 0.0), families=()),
            ),
        ),
        edges=EdgeReport(
            edges=(
                EdgeWorth(edge="constraints->judge", kept=True, gain=_apart(0.21), cost=_apart(28.0)),
                EdgeWorth(edge="merge->judge", kept=False, gain=_apart(0.004), cost=_apart(135.0)),
            ),
            method="enumeration",
            price=0.00037,
            tasks=200,
            plans=15,
        ),
        iso_cost=tuple(
            IsoCostLevel(
                level=level,
                ways=tuple(
                    RoundsAgainstDepth(
                        rounds=rounds,
                        depth="think up to 24",
                        score=0.3 + rounds / 100,
                        low=0.2,
                        high=0.4,
                        cost=level - 1,
                        plan_hash="2aaaaaaaaaaaaaaa",
                    )
                    for rounds in range(0, most + 1, 2)
                ),
            )
            for level, most in ((64.0, 0), (210.0, 4))
        ),
        headroom=(
            Headroom(node="solve", kind="solver", tasks=114, known=90, score=0.5, with_gold=0.72, gain=_apart(0.22)),
        ),
        votes=(
            VotesReport(
                node="solve",
                plan_hash="2aaaaaaaaaaaaaaa",
                model="pocket-100k-arithmetic",
                style="think",
                tasks=195,
                points=(
                    *(
                        VotePoint(least=n, most=n, stop=None, score=n / 20, low=0.0, high=1.0, cost=31.0 * n)
                        for n in range(1, 17)
                    ),
                    VotePoint(least=1, most=9, stop="ahead_by_2", score=0.44, low=0.3, high=0.5, cost=101.5),
                    VotePoint(least=1, most=9, stop="beta", score=0.46, low=0.3, high=0.5, cost=99.5),
                ),
            ),
        ),
        notes=("edges: a tenth of the spend is not enough to compare choices of optional edges",),
    )
