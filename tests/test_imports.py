from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from apportion.errors import UnknownName, UsageError
from apportion.imports import (
    check_admitted,
    check_command,
    imported,
    imported_module,
    is_reference,
    outside,
    reference_to,
)

MODULE = """
import os
import subprocess
from subprocess import call
from json import dumps as written

def find(query, top_k):
    return [query]

class Shelf:
    def find(self, query, top_k):
        return [query]

shelf = Shelf()
value = 3
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's package `shop` with a module `shop.sub`, and a module `shopper` beside it."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for file in (folder / "__init__.py", folder / "sub.py", tmp_path / "shopper.py"):
        file.write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("shop", "shop.sub", "shopper"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("text", ["a_b:c", "my.app:Sub.find", "мой:поиск", "__main__:find"])
def test_a_reference_is_a_module_and_a_name(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize(
    "text", ["", "corpus", "corpus/a:b", "C:docs", "a:", ":a", "a:b:c", "a b:c", "a:b()", "..a:b", "a:b\n", "3a:b"]
)
def test_paths_and_sentences_are_no_references(text: str) -> None:
    assert not is_reference(text)


@pytest.mark.usefixtures("app")
def test_what_a_person_names_is_imported() -> None:
    assert imported("shop:find", "retriever")("a", 1) == ["a"]
    assert imported("shop.sub:shelf.find", "retriever")("a", 1) == ["a"]
    with pytest.raises(UnknownName, match="unknown retriever in module 'shop': 'fin'; did you mean 'find'"):
        imported("shop:fin", "retriever")
    with pytest.raises(UsageError, match="must be written module:name, for example my_app:retriever"):
        imported("shop", "retriever")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("allow", [("shop",), "shop", ["other", "shop"]])
def test_a_module_is_admitted_with_all_that_is_below_it(allow: tuple[str, ...]) -> None:
    assert callable(imported("shop:find", "retriever", allow=allow))
    assert callable(imported("shop.sub:find", "retriever", allow=allow))
    assert callable(imported("shop:shelf.find", "retriever", allow=allow))
    with pytest.raises(UsageError, match=r"--allow shopper on the command line, or allow=\('shopper',\) in Python"):
        imported("shopper:find", "retriever", allow=allow)
    assert "shopper" not in sys.modules


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("allow", [(), ("shop.sub",), ("shopp",), ("sho",), ("",), ("shop:find",), ("SHOP",)])
def test_nothing_else_is(allow: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="retriever 'shop:find' is of the module 'shop'"):
        imported("shop:find", "retriever", allow=allow)
    assert "shop" not in sys.modules


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "reference",
    [
        "shop:call",
        "shop:subprocess.call",
        "shop:os.system",
        "shop:os.path.exists",
        "shop:written",
        "shop:__builtins__.get",
        "shop:find.__globals__.get",
        "shop:__loader__.get_data",
    ],
)
def test_an_admitted_module_does_not_lend_what_it_imported(reference: str) -> None:
    with pytest.raises(UsageError, match=r"is of the module|two underscores"):
        imported(reference, "retriever", allow=("shop",))


@pytest.mark.parametrize("allow", [("mcp:python a.py",), ["x", "mcp:python a.py"], "mcp:python a.py"])
def test_a_command_is_admitted_word_for_word(allow: Collection[str]) -> None:
    check_command("mcp:python a.py", allow, "an MCP server")


@pytest.mark.parametrize("allow", [(), ("python a.py",), ("mcp:python",), ("mcp:python a.py b",), "mcp:", ("mcp",)])
def test_no_other_command_is(allow: Collection[str]) -> None:
    with pytest.raises(UsageError, match=r"add --allow 'mcp:python a.py' on the command line, or allow=\('mcp:python"):
        check_command("mcp:python a.py", allow, "an MCP server")


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b[2K", "\u202e", "\ud800", "\u200b"])
def test_the_error_of_a_command_writes_nothing_that_a_terminal_would_obey(sign: str) -> None:
    command = f"mcp:python 'a{sign}b'"
    with pytest.raises(UsageError) as error:
        check_command(command, (), "an MCP server")
    assert str(error.value).isprintable()
    assert "add allow=(" in str(error.value)
    check_command(command, (command,), "an MCP server")


def test_a_script_is_not_found_again() -> None:
    with pytest.raises(UsageError, match="of the script that wrote the file"):
        check_admitted("__main__:find", (), "retriever '__main__:find'")
    check_admitted("__main__:find", ("__main__",), "retriever '__main__:find'")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_thing", "broken_shop.py:1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("\n1 / 0", "broken_shop.py:2: ZeroDivisionError: division by zero"),
        ("graph = (", "broken_shop.py:1: SyntaxError: '(' was never closed"),
        (
            "from apportion import Solver\nSolver(stile='think')",
            "broken_shop.py:2: Solver: unknown setting 'stile'; did you mean 'style'?",
        ),
        (
            "from apportion import Solver\nSolver(samples=0)",
            "broken_shop.py:2: Solver, field 'samples': Input should be",
        ),
    ],
)
def test_a_module_that_breaks_is_named_with_its_line(
    source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_shop.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError) as caught:
        imported_module("broken_shop", "graph 'broken_shop:graph'")
    assert "graph 'broken_shop:graph': " in str(caught.value)
    assert words in str(caught.value)


def test_the_name_of_an_object_is_where_a_module_holds_it(app: Path) -> None:
    module = imported_module("shop", "it")
    assert app.is_dir()
    assert reference_to(module.shelf) == "shop:shelf"
    assert reference_to(module.shelf, ("json",)) is None
    assert reference_to(module.Shelf()) is None


def test_a_script_has_the_name_by_which_others_import_it(monkeypatch: pytest.MonkeyPatch) -> None:
    script = type(sys)("__main__")
    script.__file__ = "/home/me/my_app.py"
    monkeypatch.setitem(sys.modules, "__main__", script)
    assert outside("__main__:KIND") == "my_app:KIND"
    assert outside("shop:KIND") == "shop:KIND"
