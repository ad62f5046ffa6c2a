"""Tables of what is chosen by name: node kinds, policies, optimizers, metrics. A new one from outside is one line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import UnknownName, UsageError
from .imports import imported

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Things of one sort by name. Immutable; each is imported when it is first asked for.

    The package's own come first, in their order, then what installed distributions offer as entry points of the
    table's group. A distribution registers one by a line in its `pyproject.toml`::

        [project.entry-points."apportion.kinds"]
        shout = "my_package.shouting:KIND"

    Args:
        what: what one is, for messages, for example "node kind".
        group: of the entry points.
        checked: makes what was imported fit for use, from its name and itself; raises UsageError where it is not one.
        own: names with `module:name`, the module counted from this package.
        given: what a caller adds, by name.
    """

    def __init__(
        self,
        what: str,
        group: str,
        checked: Callable[[str, Any], T],
        own: Mapping[str, str],
        given: Mapping[str, T] = MappingProxyType({}),
    ) -> None:
        self.what = what
        self.group = group
        self._checked = checked
        self._own = MappingProxyType(dict(own))
        self._given = MappingProxyType(dict(given))
        self._loaded: dict[str, T] = {}

    def adding(self, given: Iterable[tuple[str, T]]) -> Registry[T]:
        """A table that has these as well, by name.

        Raises:
            UsageError: a name is taken.
        """
        more = dict(self._given)
        for name, thing in given:
            if (more[name] if name in more else self.get(name, thing)) is not thing:
                raise UsageError(f"there is another {self.what} named {name!r}; give yours a name of its own")
            more[name] = thing
        return Registry(self.what, self.group, self._checked, self._own, more)

    def named(self, name: str) -> T:
        """The one of that name.

        Raises:
            UnknownName: there is none; the message names the nearest, or all.
            UsageError: an installed one cannot be used; the message names its distribution.
        """
        if name not in self:
            raise UnknownName(self.what, name, self)
        return self[name]

    def resolve(self, name: str) -> T:
        """The one that a person names: by its name, or by `module:name` where it is not in the table.

        Raises:
            UnknownName: there is none; the message names the nearest, or all.
            UsageError: it cannot be imported, or is none.
        """
        return self.load(name) if ":" in name else self.named(name)

    def load(self, reference: str, allow: Collection[str] | None = None, name: str = "") -> T:
        """The one that `module:name` names; see `imported` for `allow`.

        Raises:
            UnknownName, UsageError: it cannot be imported, is not admitted, is none, or not the one of that name.
        """
        return self._checked(name, imported(reference, self.what, allow=allow, fits=self._fits))

    @cached_property
    def references(self) -> frozenset[str]:
        """Where the package's own and installed ones are, `module:name`."""
        installed = (f"{entry.module}:{entry.attr}" for entry in self._installed.values())
        return frozenset((*(f"{__package__}.{own}" for own in self._own.values()), *installed))

    def __getitem__(self, name: str) -> T:
        if name in self._given:
            return self._given[name]
        if name not in self._loaded:
            self._loaded[name] = self._checked(name, self._imported(name))
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._given or name in self._installed

    def __iter__(self) -> Iterator[str]:
        return iter({**self._own, **self._installed, **self._given})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @cached_property
    def _installed(self) -> Mapping[str, EntryPoint]:
        """The entry points by name, read once."""
        from importlib.metadata import entry_points  # here, because only names that are not its own need it

        found: dict[str, EntryPoint] = {}
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, _distribution(entry))):
            if entry.name in self._own or entry.name in found:
                other = _distribution(found[entry.name]) if entry.name in found else "apportion itself"
                raise UsageError(
                    f"{_distribution(entry)} registers a {self.what} {entry.name!r} ({self.group}), and so does "
                    f"{other}; rename or uninstall one"
                )
            found[entry.name] = entry
        return MappingProxyType(found)

    def _imported(self, name: str) -> object:
        if name in self._own:
            return imported(f"{__package__}.{self._own[name]}", self.what)
        entry = self._installed[name]
        return imported(f"{entry.module}:{entry.attr or ''}", f"{self.what} of {_distribution(entry)}", fits=self._fits)

    def _fits(self, thing: object) -> bool:
        try:
            self._checked("", thing)
        except UsageError:
            return False
        return True


def _distribution(entry: EntryPoint) -> str:
    return "an installed package" if entry.dist is None else f"the installed package {entry.dist.name!r}"
