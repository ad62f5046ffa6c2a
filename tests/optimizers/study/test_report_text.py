from __future__ import annotations

from .test_report_frame import PLANS, plan, report


def test_the_frontier_is_lines_of_one_width_with_the_chosen_plan_and_what_it_sets() -> None:
    head, titles, *plans, chosen, note = str(report(*PLANS, notes=("nothing was left out",))).splitlines()
    assert head.startswith("4 of 1,234 plans measured")
    assert titles.split()[0] == "plan"
    assert len({len(line) for line in (titles, *plans)}) == 1
    assert any("aaaaaaaa (chosen)" in line and "0.400 (0.20 to 1.00)" in line for line in plans)
    assert chosen == "chosen: solve.model=small, solve.samples=3, a->b on, b->c on"
    assert note == "note: nothing was left out"


def test_what_models_and_users_wrote_moves_no_cursor() -> None:
    hostile = "\x1b[2J\u202e"
    shown = str(report(plan("aaaaaaaa", 0.5, {f"solve.{hostile}": hostile}, [hostile]), notes=(hostile,)))
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_report_without_plans_is_a_head_and_titles() -> None:
    assert len(str(report()).splitlines()) == 2
