from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from apportion.stores.lock import TurnLock


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")
def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = TurnLock(str(tmp_path / "lock")), TurnLock(str(tmp_path / "lock"))
    entered = threading.Event()

    def enter() -> None:
        with second.held():
            entered.set()

    thread = threading.Thread(target=enter)
    with first.held():
        thread.start()
        assert not entered.wait(0.05)
    assert entered.wait(30)
    thread.join()
    first.close()
    second.close()
