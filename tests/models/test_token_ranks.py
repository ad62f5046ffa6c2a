from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import tiktoken

from apportion.errors import UnknownName, UsageError
from apportion.models import token_ranks
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.request import ChatMessage
from apportion.models.token_ranks import (
    RANKS,
    ByteBoundsWarning,
    Ranks,
    TokenCounter,
    fetch_ranks,
    find_ranks,
    import_ranks,
    with_tokenizer,
)

BYTES = tiktoken.Encoding(
    "bytes", pat_str=r"(?s:.)", mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={"<|end|>": 256}
)
"""A real tokenizer whose tokens are the bytes."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of tiktoken, and no way out of this machine."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(directory))

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return directory


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The content of a file of ranks that is known under the name "tiny"."""
    content = b"AA== 0\nAQ== 1\n"
    ranks = Ranks("https://example.invalid/tiny.tiktoken", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(token_ranks, "RANKS", {**RANKS, "tiny": ranks})
    return content


def test_the_table_is_tiktokens() -> None:
    source = inspect.getsource(importlib.import_module("tiktoken_ext.openai_public"))
    for name, ranks in RANKS.items():
        assert f"def {name}(" in source
        assert re.search(rf'"{re.escape(ranks.url)}",\s*expected_hash="{ranks.sha256}"', source)


def test_the_cache_name_is_tiktokens() -> None:
    assert RANKS["cl100k_base"].cache_name == "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
    assert RANKS["o200k_base"].cache_name == "fb374d419588a4632f3f557e76b4b70aebbca790"


def test_messages_are_counted_with_their_template() -> None:
    counter = TokenCounter(BYTES, template_tokens=3, message_tokens=4)
    assert counter.count(["abc", "é"]) == 3 + 4 + 3 + 4 + 2
    assert counter.count([]) == 3


def test_special_tokens_in_a_message_are_text() -> None:
    assert TokenCounter(BYTES, 0, 0).count(["<|end|>"]) == 7


@pytest.mark.parametrize(
    "card",
    [
        ModelCard(name="m", tokenizer="o200k_base"),
        ModelCard(name="m", exact_tokenizer=True),
        ModelCard(name="m", tokenizer="of-another-library", exact_tokenizer=True),
    ],
)
def test_no_counter_unless_the_card_says_exact_and_names_an_encoding(card: ModelCard, cache: Path) -> None:
    assert TokenCounter.of(card) is None


def test_without_ranks_it_is_said_once_and_nothing_is_downloaded(cache: Path) -> None:
    card = ModelCard(name="m", tokenizer="o200k_base", exact_tokenizer=True)
    with pytest.warns(ByteBoundsWarning, match="apportion tokens fetch o200k_base") as warned:
        model = OpenAIModel(card, "http://localhost:1/v1")
    assert len(warned) == 1
    assert [model.count_tokens([ChatMessage("user", "hi")]) for _ in range(3)] == [None] * 3
    assert not cache.exists()


def test_a_damaged_file_is_not_used(cache: Path) -> None:
    cache.mkdir()
    damaged = cache / RANKS["o200k_base"].cache_name
    damaged.write_bytes(b"half a file")
    assert find_ranks("o200k_base") is None
    assert damaged.exists()  # tiktoken itself would delete it and download


def test_an_imported_file_is_found(cache: Path, known: bytes, tmp_path: Path) -> None:
    file = tmp_path / "renamed.txt"
    file.write_bytes(known)
    assert import_ranks(file) == ("tiny",)
    path = find_ranks("tiny")
    assert path is not None
    assert path.read_bytes() == known
    assert [entry.name for entry in cache.iterdir()] == [path.name]
    assert fetch_ranks("tiny") == path  # nothing to fetch


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
def test_the_folder_is_the_one_that_tiktoken_uses(
    variable: str, known: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    path = tmp_path / token_ranks.RANKS["tiny"].cache_name
    path.write_bytes(known)
    assert find_ranks("tiny") == path


def test_a_cache_that_is_switched_off(known: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    file = tmp_path / "tiny"
    file.write_bytes(known)
    assert find_ranks("tiny") is None
    with pytest.raises(UsageError, match="switches the cache off"):
        import_ranks(file)
    with pytest.raises(UsageError, match="switches the cache off"):
        fetch_ranks("tiny")


def test_a_file_of_something_else(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_bytes(b"not ranks")
    with pytest.raises(UsageError, match="not the ranks of a known encoding"):
        import_ranks(file)
    with pytest.raises(UsageError, match="cannot be read"):
        import_ranks(tmp_path / "none")


def test_an_unknown_encoding_names_the_nearest(cache: Path) -> None:
    for use in (find_ranks, fetch_ranks):
        with pytest.raises(UnknownName, match="did you mean 'o200k_base'"):
            use("o200k")


def test_a_download_that_fails_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy where nobody listens: every request of the loader fails at once, online or not.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(UsageError, match=r"cannot be downloaded: .*apportion tokens import o200k_base\.tiktoken"):
        fetch_ranks("o200k_base", seconds=30.0)


def test_a_download_that_hangs_is_stopped(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(UsageError, match="did not come within 1 s"):
            fetch_ranks("o200k_base", seconds=1.0)


def test_a_model_that_tiktoken_knows_is_counted_exactly_where_its_ranks_are_at_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ModelCard(name="mine", served_as="gpt-4o-mini")
    assert with_tokenizer(card) is card
    monkeypatch.setattr(token_ranks, "find_ranks", lambda encoding: cache / encoding)
    assert (with_tokenizer(card).tokenizer, with_tokenizer(card).exact_tokenizer) == ("o200k_base", True)
    for other in ({"served_as": "Qwen/Qwen3-4B"}, {"tokenizer": "cl100k_base"}, {"exact_tokenizer": False}):
        told = ModelCard.model_validate({**card.model_dump(exclude_unset=True), **other})
        assert with_tokenizer(told) is told
