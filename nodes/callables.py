"""Functions and objects of the user's own that a node is given: by the place that holds them, or as they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

from pydantic import ValidationInfo

from ..errors import UsageError
from ..imports import imported, is_reference, reference_to
from .base import Node
from .knob import options
from .tool_costs import is_priced

__all__ = ["FUNCTION", "CallableSort", "Given", "Imported", "callable_json", "callables_of", "is_async", "waited"]


@dataclass(frozen=True, slots=True)
class CallableSort:
    """What a node wants of a callable: what it is called in messages, and what may stand in for a function."""

    what: str
    """For example "retriever"."""
    remedy: str
    """What to give instead of something that is none, for messages."""
    method: str = ""
    """The method by which an object serves in place of a function; empty where only callables do."""
    paid: bool = False
    """Whether what its calls cost is paid, see `priced`."""
    known: Callable[[], Collection[str]] = tuple
    """What files may name without its module being admitted, as `module:name`."""

    def fits(self, source: object) -> bool:
        """Whether an object is one; a text is none, though it has methods."""
        if isinstance(source, str | bytes | bytearray):
            return False
        return callable(getattr(source, self.method, source) if self.method else source)

    def function(self, name: str, source: Any) -> Callable[..., Any]:
        """The object as a function.

        Raises:
            UsageError: it is none, or has a price that nobody would pay.
        """
        if not self.fits(source):
            raise UsageError(f"{self.what} {name!r} is a {type(source).__name__}; {self.remedy}")
        function: Callable[..., Any] = getattr(source, self.method, source) if self.method else source
        if not self.paid and is_priced(function):
            raise UsageError(
                f"{self.what} {name!r} has a price, and only tools of an Agent are paid for; give it to one, or "
                "write a node kind that pays by Context.spend"
            )
        return function

    def parts(self, source: Any) -> tuple[Any, ...]:
        """What its code is written in, from what `function` gave."""
        return (source,)

    def named(self, value: Any, info: ValidationInfo) -> Imported | None:
        """What a setting names in the form of a file or of a text; None where it names nothing.

        Raises:
            UsageError: a file names it, and its module is not admitted.
        """
        if isinstance(value, dict) and set(value) == {"import"} and isinstance(value["import"], str):
            value = Imported(value["import"], self)
        elif isinstance(value, str) and is_reference(value) and not Path(value).exists():
            value = Imported(value, self)
        if not isinstance(value, Imported):
            return None
        if info.context is not None and info.context["allow"] is not None:  # it is from a file
            value.check(info.context["allow"])
        return value

    def given(self, value: Any) -> Imported | Given | None:
        """An object of the program's, by its name where it has one; None where it is none of this sort."""
        if isinstance(value, Given):
            return value
        if not self.fits(value):
            return None
        name = _name_of(value)
        try:
            if is_reference(name) and imported(name, self.what) is value:
                return Imported(name, self)
        except UsageError:  # what is named so in its own words need not be found there
            pass
        return Given(value, name, self)


FUNCTION = CallableSort("function", "name a function, or an object that can be called")


@dataclass(frozen=True, slots=True)
class Imported:
    """A function or an object by the place from which it can be imported: its name in JSON and in a hash."""

    name: str
    """`module:qualified.name`."""
    sort: CallableSort = FUNCTION

    @property
    def known(self) -> bool:
        """Whether a file may name it without its module being admitted."""
        return self.name in self.sort.known()

    def check(self, allow: Collection[str]) -> None:
        """Imports it for a file that names it.

        Raises:
            UsageError: there is no such thing, or its module is not admitted; see `imported`.
        """
        imported(self.name, self.sort.what, allow=None if self.known else allow)

    def function(self) -> Callable[..., Any]:
        """Imports it: the function, or the method by which the object serves.

        Raises:
            UsageError: there is no such thing, or it is of another sort.
        """
        return self.sort.function(self.name, imported(self.name, self.sort.what, fits=self.sort.fits))


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A function or an object that no module holds at its top: a lambda, a closure, a method of an object.

    A graph that holds one runs as any other, and cannot be written to a file.
    """

    source: Any
    name: str
    """For people and for the graph's hash, such as `my_app:make.<locals>.inner`; several may have the same."""
    sort: CallableSort = FUNCTION

    def function(self) -> Callable[..., Any]:
        """The function, or the method by which the object serves."""
        return self.sort.function(self.name, self.source)

    @property
    def captured(self) -> str:
        """The plain data that a closure has captured, which tells those of one source apart."""
        cells = getattr(self.source, "__closure__", None) or ()
        names = getattr(getattr(self.source, "__code__", None), "co_freevars", ())
        held = ((name, _held(cell)) for name, cell in zip(names, cells, strict=False))
        return ", ".join(f"{name}={value}" for name, value in held if value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Given) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> object:
        """Each look at a method makes a new object; two are equal where they are one method of one object."""
        if isinstance(self.source, MethodType):
            return id(self.source.__self__), id(self.source.__func__)
        return id(self.source)


def callable_json(value: Any) -> Any:
    """A setting as JSON values."""
    if isinstance(value, tuple):
        return [callable_json(each) for each in value]
    return {"import": value.name} if isinstance(value, Imported | Given) else value


def callables_of(node: Node) -> Iterator[tuple[str, Imported | Given]]:
    """What a node's settings name or hold, with the name of the setting."""
    for name in type(node).model_fields:
        value = getattr(node, name)
        for each in options(value):
            if isinstance(each, Imported | Given):
                yield name, each
            elif isinstance(each, tuple):
                yield from ((f"{name}[{n}]", one) for n, one in enumerate(each) if isinstance(one, Imported | Given))


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it makes something to be awaited, as far as can be seen without a call."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def waited(result: Any) -> Any:
    """What a function returned; a function that is not async may return what is to be awaited."""
    return await result if inspect.isawaitable(result) else result


def _name_of(source: Any) -> str:
    """`module:qualified.name` of a function, or of an object that a module holds at its top."""
    qualified = getattr(source, "__qualname__", "")
    if not qualified:
        found = reference_to(source)
        if found is not None:
            return found
        source = type(source)
        qualified = source.__qualname__
    return f"{getattr(source, '__module__', None) or 'builtins'}:{qualified}"


def _held(cell: Any) -> str:
    try:
        value = cell.cell_contents
    except ValueError:  # nothing was put into it yet
        return ""
    return repr(value) if isinstance(value, str | bytes | int | float | bool | None) else ""
