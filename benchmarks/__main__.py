"""`python -m benchmarks [NAME ...] [OPTION ...]`: runs benchmarks one after the other, each in a process of its own.

Each prints figures of one run; nothing is asserted, because machines differ. What begins with a dash, and all after it,
is handed to each.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = (
    "starting",
    "allocation",
    "bounds",
    "graph",
    "function",
    "store",
    "inspecting",
    "client",
    "replicas",
    "pocket",
    "calculator",
    "deciding",
    "recorded",
    "thinking",
    "clusters",
    "prompts",
    "gates",
    "repetition",
    "agents",
    "judges",
)


def main(arguments: list[str]) -> int:
    """Runs the named benchmarks, or all."""
    if not arguments[:1] or arguments[0] not in ("-h", "--help"):
        return _run(arguments)
    print(f"python -m benchmarks [NAME ...] [OPTION ...]; all where none is named: {', '.join(NAMES)}")
    return 0


def _run(arguments: list[str]) -> int:
    ends = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    names, options = arguments[:ends], arguments[ends:]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    root = Path(__file__).resolve().parent.parent
    failed = 0
    for name in names or NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        failed |= subprocess.run(command, cwd=root, check=False).returncode
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
