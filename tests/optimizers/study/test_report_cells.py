from __future__ import annotations

from apportion.optimizers.study.report_cells import OF_PLANS, plan_cells

from .test_report_frame import PLANS


def test_every_title_has_a_cell() -> None:
    for each in PLANS:
        assert len(plan_cells(each, chosen=False)) == len(OF_PLANS)


def test_the_chosen_plan_is_marked() -> None:
    first = PLANS[0]
    assert plan_cells(first, chosen=True)[0] == f"{first.plan_hash[:8]} (chosen)"
    assert plan_cells(first, chosen=False)[0] == first.plan_hash[:8]
