from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import PoolError
from apportion.models.pool_writing import write_table

FIELDS: dict[str, Any] = {"base_url": "http://localhost:8000/v1", "context_tokens": 4096, "seed": False}
MINE = """# My models, as they are.

[models.old]   # the first
base_url = "http://localhost:1/v1"
about = \"\"\"
[models.small] is not a table here
\"\"\"

[models.small]
base_url = "http://localhost:2/v1"
reasoning_efforts = [
  "low",
]

[models.small.efforts.off]
prompt = "/no_think"

# The large one.
[models."a.b/large"]
base_url = "http://localhost:3/v1"
"""


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    said = write_table(path, "m", FIELDS, ["context_tokens:\n is a guess\x1b"])
    assert path.read_text() == said + "\n"
    assert said.splitlines() == [
        "[models.m]",
        'base_url = "http://localhost:8000/v1"',
        "context_tokens = 4096",
        "seed = false",
        "# context_tokens: is a guess",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_else_is_in_the_file_stays_as_it_is(tmp_path: Path, end: str) -> None:
    path = tmp_path / "pool.toml"
    before = MINE.replace("\n", end)
    path.write_bytes(before.encode())
    write_table(path, "new", FIELDS)
    after = path.read_bytes().decode()
    assert after.startswith(before)
    assert after.count(end) == after.count("\n") or end == "\n"
    assert tomllib.loads(after)["models"]["new"] == FIELDS
    assert [each.name for each in tmp_path.iterdir()] == ["pool.toml"]


def test_a_table_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(MINE)
    with pytest.raises(PoolError, match=r"table \[models.small\]: is there already; --force replaces it"):
        write_table(path, "small", FIELDS)
    assert path.read_text() == MINE
    write_table(path, "small", FIELDS, force=True)
    after = path.read_text()
    assert tomllib.loads(after)["models"] == {**tomllib.loads(MINE)["models"], "small": FIELDS}
    for kept in ("# My models, as they are.", "# the first", "# The large one.\n[models."):
        assert kept in after
    assert "no_think" not in after


@pytest.mark.parametrize("name", ["a.b/large", "old"])
def test_tables_at_the_beginning_and_the_end_are_replaced_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(MINE)
    write_table(path, name, FIELDS, force=True)
    assert tomllib.loads(path.read_text())["models"] == {**tomllib.loads(MINE)["models"], name: FIELDS}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("models = { a = { base_url = 'x' } }\n", "cannot be added to"),
        ("[models]\na.base_url = 'x'\n[models.b]\n", None),
        ("[models]\nm.base_url = 'x'\n", "is there already"),
        ("[tool.ruff]\nline = 3\n", "is no pool file"),
        ("models = 3\n", "is no pool file"),
        ("[[models]]\nname = 'a'\n", "is no pool file"),
        ("[models.a\n", "not valid TOML"),
        ("a = " + "[" * 5000, "too many brackets"),
        ("[models.a]\nbase_url = 'x'", None),
        ("\n\n# nothing yet", None),
        ("", None),
    ],
)
def test_files_that_are_written_in_other_ways(tmp_path: Path, content: str, said: str | None) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(content)
    if said is None:
        write_table(path, "m", FIELDS)
        assert path.read_text().startswith(content)
        return
    with pytest.raises(PoolError, match=said):
        write_table(path, "m", FIELDS)
    assert path.read_text() == content


def test_force_on_a_table_within_a_table_says_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_text("[models]\nm.base_url = 'x'\n")
    with pytest.raises(PoolError, match=r"(?s)cannot be added to.*The table would be:\n\[models.m\]\nbase_url"):
        write_table(path, "m", FIELDS, force=True)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="cannot be written"):
        write_table(tmp_path / "none" / "pool.toml", "m", FIELDS)
    with pytest.raises(PoolError, match="cannot be read"):
        write_table(tmp_path, "m", FIELDS)
    (tmp_path / "pool.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PoolError, match="save the file as UTF-8"):
        write_table(tmp_path / "pool.toml", "m", FIELDS)


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes")
def test_a_link_stays_a_link_and_a_mode_a_mode(tmp_path: Path) -> None:
    path = tmp_path / "real.toml"
    path.write_text(MINE)
    path.chmod(0o600)
    (tmp_path / "pool.toml").symlink_to(path)
    write_table(tmp_path / "pool.toml", "m", FIELDS)
    assert (tmp_path / "pool.toml").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "[models.m]" in path.read_text()


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(NAMES, NAMES, st.booleans())
def test_any_name_and_any_text_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str, mine: bool
) -> None:
    path = tmp_path_factory.mktemp("pool") / "pool.toml"
    path.write_text(MINE if mine else "")
    others = tomllib.loads(path.read_text()).get("models", {})
    fields = {"base_url": text, "weight": 1e-7}
    write_table(path, name, fields, [text], force=True)
    assert tomllib.loads(path.read_bytes().decode()) == {"models": {**others, name: fields}}


def test_the_mark_before_a_text_stays(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    before = b"\xef\xbb\xbf[models.old]\r\nbase_url = 'http://localhost:1/v1'\r\n"
    path.write_bytes(before)
    write_table(path, "new", FIELDS)
    assert path.read_bytes().startswith(before)
    assert path.read_bytes().count(b"\xef\xbb\xbf") == 1


@pytest.mark.parametrize(("name", "served_as"), [("a\ud800", "a"), ("a", "a\udfff")])
def test_a_name_that_no_file_can_hold_is_refused(tmp_path: Path, name: str, served_as: str) -> None:
    path = tmp_path / "pool.toml"
    with pytest.raises(PoolError, match="surrogate"):
        write_table(path, name, {**FIELDS, "served_as": served_as})
    assert not list(tmp_path.iterdir())
