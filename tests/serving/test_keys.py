from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from apportion.errors import UsageError
from apportion.records.rows import Limit
from apportion.serving.keys import ANYBODY, Keys, new_key
from apportion.web.refusal import Refusal

HASH = "sha256:" + hashlib.sha256(b"sk-ann").hexdigest()
SECRET = "sk-0123456789abcdefABCDEF"


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    return path


def test_a_key_is_known_by_its_hash(tmp_path: Path) -> None:
    text = f'[keys.ann]\nhash = "{HASH}"\ncap = 1.5\nunit = "usd"\nmodels = ["m"]\nrequests_per_minute = 3\n'
    keys = Keys.read(written(tmp_path, text), ["m", "n"])
    ann = keys.holder("Bearer sk-ann")
    assert keys.all == (ann,)
    assert (ann.name, ann.limit, ann.requests_per_minute) == ("ann", Limit("usd", 1_500_000_000), 3)
    assert (ann.may_ask("m"), ann.may_ask("n"), ANYBODY.may_ask("n")) == (True, False, True)
    assert keys.holder("bearer  sk-ann ") is ann


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer sk-bob", "Basic sk-ann", "sk-ann", f"Bearer {HASH}"]
)
def test_who_brings_no_key_that_is_known(tmp_path: Path, header: str | None) -> None:
    keys = Keys.read(written(tmp_path, f'[keys.ann]\nhash = "{HASH}"\n'), ["m"])
    with pytest.raises(Refusal) as refused:
        keys.holder(header)
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")


@pytest.mark.parametrize("name", ["ann", "a.b", "0-x_y", "a" * 64])
def test_a_new_key_opens_what_its_table_admits(tmp_path: Path, name: str) -> None:
    key, table = new_key(name)
    other, _ = new_key(name)
    assert key != other
    assert key not in table
    assert Keys.read(written(tmp_path, table), ["m"]).holder(f"Bearer {key}").name == name


@pytest.mark.parametrize("name", ["", "a b", '"', "a]\n", "-", "ü", "a" * 65])
def test_a_name_that_no_table_has(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a key"):
        new_key(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "write a table for each key"),
        ("keys = 1", "write a table for each key"),
        (f'[keys.ann]\nhash = "{HASH}"\n[other]\n', "nothing else"),
        ("[keys.ann]\n", "field 'hash': is missing"),
        ("[keys]\nann = 1\n", "must be a table"),
        (f'[keys.ann]\nhash = "{SECRET}"\n', "never the key itself"),
        (f'[keys.ann]\nhash = "{HASH}"\nkey = "{SECRET}"\n', "field 'key': unknown"),
        (f'[keys.ann]\nhash = "{HASH}"\nrequest_per_minute = 1\n', "did you mean 'requests_per_minute'"),
        (f'[keys.ann]\nhash = "{HASH}"\ncap = 0\n', "field 'cap'"),
        (f'[keys.ann]\nhash = "{HASH}"\ncap = 1e300\n', "field 'cap': 1e\\+300 tokens is more than"),
        (f'[keys.ann]\nhash = "{HASH}"\ncap = nan\n', "field 'cap'"),
        (f'[keys.ann]\nhash = "{HASH}"\nunit = "euro"\n', "field 'unit'"),
        (f'[keys.ann]\nhash = "{HASH}"\nmodels = ["mm"]\n', "field 'models': unknown model 'mm'; did you mean 'm'"),
        (f'[keys.ann]\nhash = "{HASH}"\n[keys.bob]\nhash = "{HASH}"\n', "is the key of 'ann' too"),
        (f'[keys.ann]\nname = "bob"\nhash = "{HASH}"\n', "field 'name'"),
        ('[keys."a b"]\n', "no name of a key"),
        (f'[keys.ann]\nhash = "{HASH}', "not valid TOML"),
    ],
)
def test_a_file_at_fault_is_told_of_without_what_may_be_a_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as error:
        Keys.read(written(tmp_path, text), ["m"])
    assert SECRET not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"keys\.toml"):
        Keys.read(tmp_path / "keys.toml", ["m"])
