from __future__ import annotations

import ast
from pathlib import Path

import pytest

import apportion

SOURCE = Path(str(apportion.__file__)).read_text()


def test_every_name_of_the_face_can_be_had() -> None:
    for name in apportion.__all__:
        assert getattr(apportion, name) is not None
    assert apportion.__all__ == sorted(apportion.__all__)


def test_type_checkers_and_readers_at_run_time_see_the_same_names() -> None:
    tree = ast.parse(SOURCE)
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.asname or alias.name: f"{node.module}:{alias.name}" if alias.asname else node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(typed) == apportion.__all__
    assert typed == apportion._HOME


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Grapf"):
        apportion.__getattr__("Grapf")
