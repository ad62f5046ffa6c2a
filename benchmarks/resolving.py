"""Whether apportion can be installed beside what people already use: `make resolve`.

Each package is resolved alone and with apportion, by uv, which reads metadata and installs nothing. It is
well where both give the same version of the package; a version that is pushed back is a conflict that nobody sees.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

BESIDE = ("instructor", "crewai", "litellm[proxy]", "ragas", "llama-index", "autogen-ext[openai]")
SHOWN = ("openai", "rich", "pydantic", "numpy", "sqlalchemy", "typer")
PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def main() -> int:
    """Prints a line for each package; 1 where one cannot be resolved, or only in an older version."""
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.exists() else "")
    if not uv:
        print("uv is not installed: python -m pip install uv")
        return 1
    print(f"{'beside':<22}{'alone':<12}{'together':<12}" + "".join(f"{name:<12}" for name in SHOWN))
    return max(_pair(uv, package) for package in BESIDE)


def _pair(uv: str, package: str) -> int:
    name = package.partition("[")[0]
    alone, together = _resolved(uv, package), _resolved(uv, package, str(PROJECT))
    versions = [alone.get(name, "none"), together.get(name, "none")]
    print(f"{package:<22}{versions[0]:<12}{versions[1]:<12}" + "".join(f"{together.get(n, '-'):<12}" for n in SHOWN))
    return int(versions[0] == "none" or versions[0] != versions[1])


def _resolved(uv: str, package: str, *sources: str) -> dict[str, str]:
    """The version of every package in a resolution; none where there is no resolution, and the reason is printed."""
    command: Sequence[str] = (uv, "pip", "compile", "--quiet", "--no-header", "--python-version", "3.11", *sources, "-")
    done = subprocess.run(command, input=package, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip())
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", done.stdout, re.MULTILINE))


if __name__ == "__main__":
    raise SystemExit(main())
