"""What all tests share: how hypothesis runs, and a study as an older version left it.

`stores/databases/study.py` says how that was made.
"""

from __future__ import annotations

import importlib.util
import json
import lzma
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is. The suite tries the same examples each time, so that what it
# says depends on the code alone; `make fuzz` draws others.
settings.register_profile("apportion", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("anew", settings.get_profile("apportion"), derandomize=False)
settings.load_profile("apportion")

KEPT = Path(__file__).parent / "stores" / "databases"


@pytest.fixture(params=sorted(path.stem for path in KEPT.glob("study*.json")))
def kept_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kept_database(kept_name: str, tmp_path: Path) -> Path:
    """A copy of its database."""
    path = tmp_path / "kept.db"
    path.write_bytes(lzma.decompress((KEPT / f"{kept_name}.sqlite.xz").read_bytes()))
    return path


@pytest.fixture
def kept_figures(kept_name: str) -> dict[str, Any]:
    """What is in it, and what it reported."""
    figures: dict[str, Any] = json.loads((KEPT / f"{kept_name}.json").read_text())
    return figures


@pytest.fixture(scope="session")
def kept_study() -> ModuleType:
    """What was asked, to be asked again."""
    spec = importlib.util.spec_from_file_location("kept_study", KEPT / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The embedded models write nothing until this is set."""
    from apportion.models.pocket.sampling import choose  # here, because most tests need no models

    opened = threading.Event()

    def wait_and_choose(*arguments: object) -> object:
        opened.wait(60)
        return choose(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("apportion.models.pocket.engine.choose", wait_and_choose)
    yield opened
    opened.set()
