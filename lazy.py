"""Names of a package that are loaded when they are first used, so that importing the package costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's `__init__` needs for names from its modules: `__getattr__`, `__dir__` and `__all__` (PEP 562).

    Args:
        package: its name.
        homes: names by module, counted from the package; `own as name` where the module calls it otherwise.
    """
    places = {
        alias or own: (module, own)
        for module, names in homes.items()
        for own, _, alias in (name.partition(" as ") for name in names)
    }

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, own = places[name]
        value = getattr(import_module(f"{package}.{module}"), own)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted({*vars(sys.modules[package]), *places}), sorted(places)
