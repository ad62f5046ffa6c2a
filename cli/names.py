"""Help that ends with the names that a command's options take, those of installed packages too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from ..registry import Registry

__all__ = ["FitCommand", "OptimizeCommand"]


class _Named(TyperCommand):
    """A command whose options take names from tables."""

    def tables(self) -> dict[str, Registry[Any]]:
        """By option."""
        raise NotImplementedError

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Lists the names; here and not in the options, because only help needs the tables loaded."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Names"):
            formatter.write_dl([(option, ", ".join(table)) for option, table in self.tables().items()])


class FitCommand(_Named):
    """`apportion fit`."""

    def tables(self) -> dict[str, Registry[Any]]:
        """By option."""
        from ..optimizers.policies.registry import POLICIES

        return {"--policy": POLICIES}


class OptimizeCommand(_Named):
    """`apportion optimize`."""

    def tables(self) -> dict[str, Registry[Any]]:
        """By option."""
        from ..optimizers.policies.registry import POLICIES
        from ..optimizers.search.registry import OPTIMIZERS
        from ..tasks.metrics import METRICS

        return {"--metric": METRICS, "--optimizer": OPTIMIZERS, "--policies": POLICIES}
