"""`python -m benchmarks [NAME ...]`: runs the benchmarks one after the other, each in a process of its own.

Each prints ratios of one run; nothing is asserted, because machines differ.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = ("allocation", "graph", "store", "client", "pocket")


def main(names: list[str]) -> int:
    """Runs the named benchmarks, or all."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    root = Path(__file__).resolve().parent.parent
    failed = 0
    for name in names or NAMES:
        print(f"== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=root, check=False).returncode
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
