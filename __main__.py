"""`python -m apportion` and the `apportion` command."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command line; `apportion --help` names its exit codes."""
    from .cli.app import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
