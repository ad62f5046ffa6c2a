"""No shipped module evaluates text, unpickles bytes or hands a string to a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import apportion

ROOT = Path(apportion.__path__[0])
NOT_SHIPPED = {".venv", ".types", "tests", "training", "benchmarks", "examples", "docs", "build", "dist"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
CALLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.load", "torch.load"}


def shipped() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*.py")):
        if not NOT_SHIPPED & set(path.relative_to(ROOT).parts):
            yield path


def dangers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in BUILTINS:
                yield f"{node.lineno}: {name}"
            case ast.Import(names=names):
                yield from (f"{node.lineno}: import {n.name}" for n in names if n.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES and node.level == 0:
                yield f"{node.lineno}: from {module}"
            case ast.ImportFrom(module="os" | "subprocess" as module, names=names):
                yield from (f"{node.lineno}: {module}.{n.name}" for n in names if f"{module}.{n.name}" in CALLS)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if f"{module}.{name}" in CALLS:
                yield f"{node.lineno}: {module}.{name}"
            case ast.keyword(arg="shell", value=value) if not (
                isinstance(value, ast.Constant) and value.value is False
            ):
                yield f"{value.lineno}: shell="
            case ast.keyword(arg="allow_pickle", value=value) if not (
                isinstance(value, ast.Constant) and value.value is False
            ):
                yield f"{value.lineno}: allow_pickle="


def test_no_shipped_module_evaluates_text() -> None:
    paths = list(shipped())
    assert len(paths) > 20
    found = [
        f"{path.relative_to(ROOT)}:{danger}"
        for path in paths
        for danger in dangers(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "run = exec",
        "__import__('os')",
        "import pickle",
        "from pickle import loads",
        "os.system(text)",
        "from os import system",
        "subprocess.run(text, shell=True)",
        "subprocess.run(text, shell=flag)",
        "numpy.load(path, allow_pickle=True)",
    ],
)
def test_the_scan_sees(source: str) -> None:
    assert list(dangers(ast.parse(source)))


def test_the_scan_lets_ordinary_code_pass() -> None:
    source = "subprocess.run(['ls'], shell=False)\nre.compile('a')\nmodel.eval()\nconnection.exec(query)\n"
    assert list(dangers(ast.parse(source))) == []
