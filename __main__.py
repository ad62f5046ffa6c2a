"""`python -m apportion` and the `apportion` command."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command line; its exit code is 0, 2 (usage), 3 (infeasible) or 4 (budget breach)."""
    from .cli.app import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
