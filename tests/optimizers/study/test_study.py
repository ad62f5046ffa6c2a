from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from apportion.stores import open_store


def figures(found: dict[str, Any]) -> list[Any]:
    """The frontier as scores and costs; intervals may be computed in another way."""
    return [
        [plan["plan"], plan["affordable"], *(_of(plan[part]) for part in ("validation", "test"))]
        for plan in found["frontier"]
    ]


def _of(score: dict[str, Any] | None) -> list[Any] | None:
    return None if score is None else [score[name] for name in ("tasks", "score", "coverage", "cost", "lost")]


def test_a_study_of_an_older_version_goes_on_without_paying(
    kept_database: Path, kept_figures: dict[str, Any], kept_study: ModuleType
) -> None:
    then = kept_figures["found"]
    now = kept_study.found(kept_study.run(kept_database))
    assert now["paid"] == then["paid"]
    assert figures(now) == figures(then)
    assert (now["chosen"], now["policy"]) == (then["chosen"], then["policy"])
    assert _of(now["test"]) == _of(then["test"])
    with open_store(kept_database, read_only=True) as store:
        assert [study.study_id for study in store.studies()] == [kept_figures["held"]["study_id"]]
