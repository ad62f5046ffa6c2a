"""Names that are loaded when they are first used: type checkers and readers at run time see the same ones."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import apportion
import apportion.nodes

FACES = [apportion, apportion.nodes]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_every_name_of_the_face_can_be_had(face: object) -> None:
    module = importlib.import_module(face.__name__)  # type: ignore[attr-defined]
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    assert module.__all__ == sorted(module.__all__)


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_type_checkers_and_readers_at_run_time_see_the_same_names(face: object) -> None:
    module = importlib.import_module(face.__name__)  # type: ignore[attr-defined]
    tree = ast.parse(Path(str(module.__file__)).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    typed = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in block.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and isinstance(node.targets[0], ast.Name):
            typed[node.targets[0].id] = typed.pop(node.value.id)
    loaded = {
        name.partition(" as ")[2] or name: (home, name.partition(" as ")[0])
        for home, names in module._HOMES.items()
        for name in names
    }
    assert typed == loaded
    assert sorted(typed) == module.__all__


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_a_name_that_does_not_exist_is_an_attribute_error(face: object) -> None:
    with pytest.raises(AttributeError, match=r"'apportion.*' has no attribute 'Grapf'"):
        getattr(face, "Grapf")  # noqa: B009
