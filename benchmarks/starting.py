"""How long it takes to start: importing and building a graph, the first run, and the command line's help.

Each figure is the median of five fresh processes, in seconds of the clock; beside it those of the processor, which a
busy machine does not stretch. The first run is of embedded models and holds all that happens after the graph is built.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

__all__ = ["main"]

TIMES = 5
PROGRAM = """
import json, time
clocks = [(time.perf_counter(), time.process_time())]
from apportion import Graph, Solver, Verifier, choose
graph = Graph("sums").add("solve", Solver(samples=choose(1, 3))).add("check", Verifier()).connect("solve", "check")
graph.hash
clocks.append((time.perf_counter(), time.process_time()))
from apportion import Pool, load_pocket_models
graph.run("12+7=", pool=Pool(load_pocket_models()))
clocks.append((time.perf_counter(), time.process_time()))
print(json.dumps([[b - a for a, b in zip(*pair)] for pair in zip(clocks, clocks[1:])]))
"""
HELP = """
import contextlib, io, json, time
clocks = time.perf_counter(), time.process_time()
from apportion.cli.app import run
with contextlib.redirect_stdout(io.StringIO()):
    run(["--help"])
print(json.dumps([[time.perf_counter() - clocks[0], time.process_time() - clocks[1]]]))
"""
MEANT = {"import and build a graph": 0.3, "the first run after it": 1.0, "apportion --help": 0.3}


def main() -> None:
    """Prints a line for each."""
    runs = [_measured(PROGRAM) + _measured(HELP) for _ in range(TIMES)]
    print(f"median of {TIMES} fresh processes; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for place, (what, meant) in enumerate(MEANT.items()):
        clock, processor = (median(run[place][kind] for run in runs) for kind in (0, 1))
        print(f"{what:<26}{clock:.2f} s ({processor:.2f} s of the processor); meant to stay below {meant:g} s")


def _measured(program: str) -> list[list[float]]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found: list[list[float]] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
