"""`python -m training [MODEL ...]`: trains the pocket models, or goes on with them, and writes weights.

Without names all models are trained, one process for each core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from .recipes import RECIPES

__all__ = ["main"]

RUNS = Path(__file__).parent / "runs"


def main(arguments: list[str]) -> int:
    """Parses the command line and trains.

    Returns:
        The exit code: 0, or that of a model that failed.
    """
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("models", nargs="*", help=f"any of {', '.join(RECIPES)}; none means all")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where checkpoints are kept (default: %(default)s)")
    parser.add_argument("--export-only", action="store_true", help="write the weights of the last checkpoint")
    parser.add_argument("--compile", action="store_true", help="compile first; needs a C++ compiler, then 30 %% faster")
    given = parser.parse_args(arguments)
    names = given.models or list(RECIPES)
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        parser.error(f"there is no recipe {unknown[0]!r}; known: {', '.join(RECIPES)}")
    try:
        import torch
    except ImportError:
        print("training needs torch: install the extra, for example pip install -e '.[train]'", file=sys.stderr)
        return 2
    if len(names) > 1 and not given.export_only and not torch.cuda.is_available():
        return _side_by_side(names, given.runs, given.compile)
    from .export import export
    from .train import Trainer

    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for name in names:
        trainer = Trainer(RECIPES[name], given.runs, device, compiled=given.compile)
        if not given.export_only:
            trainer.run()
        export(trainer)
        print(f"{name}: {trainer.step} steps, {trainer.tokens / 1e6:.1f}M tokens, {trainer.seconds:.0f} s", flush=True)
    return 0


def _side_by_side(names: list[str], runs: Path, compiled: bool) -> int:
    """Two processes with one thread each at a time; the largest models start first."""
    waiting = sorted(names, key=lambda name: RECIPES[name].width * RECIPES[name].layers)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running: list[subprocess.Popen[bytes]] = []
    worst = 0
    while waiting or running:
        while waiting and len(running) < min(2, os.cpu_count() or 1):
            command = [sys.executable, "-m", "training", waiting.pop(), "--runs", str(runs), *["--compile"] * compiled]
            running.append(subprocess.Popen(command, env=environment))
        worst = max(worst, running.pop(0).wait())
    return worst


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
