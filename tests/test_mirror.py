"""Tests mirror the source: what `room/file.py` does is tested in `tests/room/test_file.py`.

A long subject may have several files, which add words to the name: `test_run_seed.py` belongs to `run.py`, and
`terminal_policies.py` is tested with `terminal.py` unless it has a file of its own. What only declares, types and
protocols, needs no tests. The exceptions stand here, each with its reason or with the file that has its tests.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BESIDE = ("benchmarks", "training")
"""Folders that are not shipped: their tests mirror them too, but not all of them need tests."""

TESTED_IN = {
    "tasks/math_worker": "tasks/test_metric_math.py",
    "tasks/sql_worker": "tasks/test_metric_sql.py",
    "cli/encoding cli/loading cli/optimize cli/plan_checks": "cli/test_commands.py",
    "cli/run cli/run_policy cli/tokens": "cli/test_commands.py",
    "cli/asking": "cli/test_runs.py",
    "cli/outcomes cli/simulate": "cli/test_fit.py",
    "cli/names": "cli/test_app.py",
    "graphs/blueprint": "graphs/test_graph.py",
    "graphs/direct graphs/state": "graphs/test_compile.py",
    "graphs/failures": "graphs/test_session.py",
    "graphs/labels": "graphs/test_draw.py",
    "graphs/prepared": "graphs/test_run.py",
    "models/call_bounds": "models/test_metered.py",
    "models/attempt": "models/test_metered.py",
    "models/chat/fields": "models/chat/test_asked.py",
    "models/chat/service": "serving/test_proxy.py",
    "models/base": "models/test_metered_stream.py",
    "models/aiohttp_transport": "models/test_departure.py",
    "models/pocket/replies": "models/pocket/serving/test_completion.py",
    "models/pocket/serving/places": "models/pocket/serving/test_app.py",
    "web/app web/event_stream web/refusal": "models/pocket/serving/test_app.py",
    "web/fields": "models/pocket/serving/test_asked.py",
    "web/stopping": "serving/test_proxy_stop.py",
    "web/server": "models/pocket/serving/test_server.py",
    "models/pocket/samples": "models/pocket/serving/test_app.py",
    "models/pocket/grammar models/pocket/partial_values": "models/pocket/test_automaton.py",
    "models/side_calls": "models/test_probing.py",
    "nodes/mcp_listing": "nodes/test_mcp_tools.py",
    "nodes/embedded_tools": "nodes/test_agent_embedded.py",
    "nodes/prompts/problem_schema": "nodes/prompts/test_chat.py",
    "nodes/servers/warden": "nodes/servers/test_pipes.py",
    "nodes/sizes": "nodes/test_base.py",
    "nodes/symbolic/variables": "nodes/symbolic/test_constraints.py",
    "nodes/symbolic/worker": "nodes/symbolic/test_process.py",
    "optimizers/policies/learned optimizers/policies/view": "optimizers/policies/test_joint.py",
    "optimizers/policies/logistic": "optimizers/policies/test_best_route.py",
    "optimizers/policies/pairs": "optimizers/policies/test_quality_gap.py",
    "optimizers/policies/correction_rehearsal": "optimizers/policies/test_sequential.py",
    "optimizers/policies/ladder optimizers/policies/rehearsal": "optimizers/policies/test_joint_safe.py",
    "optimizers/search/base": "optimizers/search/test_exhaustive.py",
    "optimizers/serving/inquiry": "optimizers/serving/test_governor_sequential.py",
    "optimizers/serving/open_policy": "optimizers/serving/test_policy.py",
    "optimizers/serving/service": "optimizers/serving/test_governor.py",
    "optimizers/study/beginning": "optimizers/study/test_optimize.py",
    "optimizers/study/edge_phase optimizers/study/policy_phase": "optimizers/study/test_optimize_policies.py",
    "optimizers/study/plan_report": "optimizers/study/test_report_frame.py",
    "optimizers/study/report": "optimizers/study/test_optimize_policies.py",
    "optimizers/tables/log_columns": "optimizers/tables/test_log_file.py",
    "stores/database": "stores/test_opening.py",
    "stores/ledger stores/reader stores/releases": "stores/test_store.py",
    "stores/group": "stores/test_writer.py",
    "stores/schema": "stores/test_migrations.py",
    "tasks/families/base tasks/families/chains tasks/families/composites": "tasks/families/test_families.py",
    "tasks/families/hops tasks/families/puzzles": "tasks/families/test_families.py",
    "serving/door serving/traced": "serving/test_proxy.py",
    "testing/essays": "optimizers/study/test_judge_phase.py",
    "testing/fault_completions": "testing/test_fault_server.py",
    "testing/ledger testing/ledger_waiting testing/plain_ledger": "budgets/test_memory.py",
    "testing/optimizer": "optimizers/search/test_registry.py",
    "testing/planted": "optimizers/tables/test_portfolio.py",
    "testing/policy": "optimizers/policies/test_registry.py",
    "__main__": "cli/test_app.py",
    "lazy": "test_face.py",
    "motifs/ladder": "motifs/test_early_exit.py",
    "motifs/search_if_unsure": "motifs/test_early_exit.py",
    "motifs/self_verified": "motifs/test_early_exit.py",
    "nodes/prompts/composed": "nodes/test_model_node.py",
    "optimizers/policies/rehearsed": "optimizers/policies/test_cascade_rehearsal.py",
}
"""What has its tests in the file of something else, because it is a part of that."""

OF_THE_WHOLE = {
    "test_docs.py": "the pages of docs",
    "test_examples.py": "the examples",
    "test_face.py": "the names that the package offers",
    "test_files_are_data.py": "no file has anything imported or started",
    "test_mirror.py": "this",
    "test_model_text_is_data.py": "nothing that a model writes is run",
    "test_mutants.py": "the tool that tries broken lines",
    "test_packaging.py": "what is shipped",
    "test_stress.py": "the cap under many runs",
    "cli/test_commands.py": "one command after another",
    "fuzz/test_answers.py": "hostile texts at every metric",
    "fuzz/test_files.py": "hostile texts at every reader of a user's file",
    "fuzz/test_replies.py": "hostile texts at every parser of replies",
    "fuzz/test_requests.py": "hostile texts at every server",
    "graphs/test_draws.py": "draws of one run, shared or a node's own",
    "models/test_books_of_both_sides.py": "what a server bills against what the ledger books",
    "models/test_real_replies.py": "replies as endpoints have sent them",
    "models/pocket/serving/test_peers.py": "the typed outputs of other packages",
    "models/pocket/serving/test_with_apportion.py": "the server as a model of a pool",
    "optimizers/study/test_reply_formats.py": "a study whose models write in many ways",
    "nodes/test_with_pocket_models.py": "every kind on the embedded models",
    "optimizers/policies/test_wrong_costs.py": "every policy where wrong answers cost something",
    "optimizers/study/test_own_kind.py": "a kind from outside, wherever the package's own appear",
    "serving/test_clients.py": "clients of others in front of the proxy",
    "tasks/families/test_families.py": "every family",
    "training/test_training.py": "how the embedded models are made, from end to end",
}
"""Tests that belong to no single file."""


def shipped() -> list[str]:
    """The package's modules as `room/file`, without folders' own files."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [ROOT.joinpath(*package.split(".")[1:]) for package in packages]
    found = (path for folder in folders for path in folder.glob("*.py") if path.name != "__init__.py")
    return sorted(str(path.relative_to(ROOT).with_suffix("")) for path in found)


def shorter(name: str) -> Iterator[str]:
    """The name of a file, and what is left of it when words at its end are dropped."""
    words = name.split("_")
    return ("_".join(words[:count]) for count in range(len(words), 0, -1))


def only_declares(module: str) -> bool:
    """Whether no function of it does anything."""
    tree = ast.parse((ROOT / f"{module}.py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return all(
        isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for f in functions for line in f.body
    )


def mirrored(module: str) -> bool:
    """Whether it has a test file of its own, or its name only adds to that of a file that has one."""
    folder, _, name = module.rpartition("/")
    return any((ROOT / "tests" / folder / f"test_{short}.py").exists() for short in shorter(name))


def test_every_module_has_its_tests_where_one_looks_for_them() -> None:
    elsewhere = {module for modules in TESTED_IN for module in modules.split()}
    homeless = [m for m in shipped() if not mirrored(m) and m not in elsewhere and not only_declares(m)]
    assert not homeless, f"write tests/<room>/test_<file>.py for {homeless}, or say in TESTED_IN which file tests them"


def test_every_test_file_mirrors_something() -> None:
    lost = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        where = path.relative_to(ROOT / "tests")
        names = shorter(path.stem.removeprefix("test_"))
        if not any((ROOT / where.parent / f"{name}.py").exists() for name in names):
            lost.append(str(where))
    assert sorted(lost) == sorted(OF_THE_WHOLE), "name a test file after what it tests, or list it in OF_THE_WHOLE"


@pytest.mark.parametrize(("modules", "file"), TESTED_IN.items())
def test_no_exception_is_out_of_date(modules: str, file: str) -> None:
    assert (ROOT / "tests" / file).exists(), f"tests/{file} has gone: what tests {modules} now?"
    for module in modules.split():
        assert module in shipped(), f"{module} has gone, or moved"
        assert not mirrored(module), f"{module} has tests of its own: take it off the list"
