from __future__ import annotations

import asyncio
import os
import sys

import pytest

from apportion.apps.piped_process import KILL, started

posix = pytest.mark.skipif(os.name != "posix", reason="a shell is needed")


def test_it_hears_and_says_and_its_end_is_known() -> None:
    async def main() -> tuple[bytes, bytes, int | None]:
        code = "import os, sys; print(sys.stdin.read() + os.environ['MORE']); sys.exit('no')"
        process = await started([sys.executable, "-c", code], {**os.environ, "MORE": "!"})
        assert process.returncode is None
        process.stdin.write(b"hello")
        process.stdin.close()
        said, complaint = await process.stdout.read(), await process.stderr.read()
        assert await process.ends_within(60)
        process.close()
        return said.strip(), complaint.strip(), process.returncode

    assert asyncio.run(main()) == (b"hello!", b"no", 1)


@posix
def test_its_end_is_known_where_a_child_holds_its_pipes_and_a_signal_reaches_that_child() -> None:
    async def main() -> None:
        process = await started(["sh", "-c", "sleep 120 & echo $!"], os.environ, "/")
        child = int(await process.stdout.readline())
        assert await process.ends_within(60)
        os.kill(child, 0)
        process.signal(KILL)
        assert await asyncio.wait_for(process.stdout.read(), 60) == b""  # nobody holds it any more
        process.close()

    asyncio.run(main())


@posix
def test_what_goes_on_has_not_ended() -> None:
    async def main() -> int | None:
        process = await started(["sleep", "120"], os.environ)
        assert not await process.ends_within(0.05)
        process.signal(KILL)
        await process.ended.wait()
        process.signal(KILL)  # of what is gone
        process.close()
        return process.returncode

    assert asyncio.run(main()) == -KILL


def test_what_cannot_be_started_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="nowhere-at-all"):
        asyncio.run(started(["nowhere-at-all"], os.environ))
