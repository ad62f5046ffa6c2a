"""Objects by the place from which they can be imported, `module:name`: what a person names, and what a file may name.

A person who writes `my_app:graph` on the command line, or in Python, has it imported. A file that names a module has
nothing imported unless the caller admits that module: a graph, a policy or a dev set is data. So it is with commands.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from shlex import quote
from types import ModuleType
from typing import Any

from .errors import ApportionError, UnknownName, UsageError

__all__ = [
    "APP_COMMAND",
    "COMMANDS",
    "MCP_COMMAND",
    "check_admitted",
    "check_command",
    "imported",
    "imported_module",
    "is_reference",
    "outside",
    "reference_to",
]

_MODULE = re.compile(r"[^\W\d][\w-]*(\.[^\W\d][\w-]*)*")
"""A file that is run by its name may have a dash in it."""
_REFERENCE = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")

MCP_COMMAND = "mcp:"
"""What begins the command of an MCP server among what a caller admits, where modules stand too."""
APP_COMMAND = "app:"
"""What begins the command that is an app."""
COMMANDS = (MCP_COMMAND, APP_COMMAND)


def is_reference(text: str) -> bool:
    """Whether a text is of the form `module:name`; one letter and a colon is a drive of Windows, not a module."""
    found = _REFERENCE.fullmatch(text)
    return found is not None and len(found["module"]) > 1


def imported(
    reference: str,
    what: str,
    *,
    allow: Collection[str] | None = None,
    fits: Callable[[object], bool] = callable,
) -> Any:
    """The object that a reference names.

    Args:
        reference: `module:name`; the name may have dots.
        what: what it is to be, for messages, for example "metric".
        allow: where a file names it, the modules that the caller admits; None where a person names it.
        fits: which of a module's objects a mistyped name may have meant.

    Raises:
        UsageError: it is not written so, is not admitted, or its module cannot be imported; place and remedy are named.
        UnknownName: the module has no such name.
    """
    module_name, _, path = reference.partition(":")
    if not _MODULE.fullmatch(module_name) or not path:
        raise UsageError(f"{what} {reference!r} must be written module:name, for example my_app:{what.split()[-1]}")
    place = f"{what} {reference!r}"
    if allow is not None:
        check_admitted(reference, allow, place)
    module = imported_module(module_name, place)
    found: Any = module
    for step in path.split("."):
        if not hasattr(found, step):
            public = (n for n, value in vars(module).items() if not n.startswith("_") and fits(value))
            raise UnknownName(f"{what} in module {module_name!r}:", path, public)
        found = getattr(found, step)
        if allow is not None:
            _check_home(found, allow, place)
    return found


def check_admitted(reference: str, allow: Collection[str], place: str) -> None:
    """Refuses a module that a file names and the caller has not admitted; imports nothing.

    Args:
        reference: `module:name`, or a module.
        allow: modules that are admitted with all that is below them: "my_app" admits `my_app.sub`, not `my_apple`.
        place: where the file names it, for the message.

    Raises:
        UsageError: it is not admitted; the message has the option that admits it.
    """
    module, _, name = reference.partition(":")
    admitted = (allow,) if isinstance(allow, str) else tuple(allow)
    if any(step.startswith("__") for step in name.split(".")):
        raise UsageError(f"{place}: a file cannot name what begins with two underscores")
    if module == "__main__" and module not in admitted:
        raise UsageError(
            f"{place} is of the script that wrote the file, which cannot be imported; define it in a module of its "
            "own and write the file again"
        )
    if not any(f"{module}.".startswith(f"{each}.") for each in admitted):
        raise UsageError(
            f"{place} is of the module {module!r}, and a file is only data: what it names is imported where the module "
            f"is admitted. If you trust it, add --allow {module} on the command line, or allow=({module!r},) in Python"
        )


def check_command(command: str, allow: Collection[str], place: str) -> None:
    """Refuses a command that a file names and the caller has not admitted, word for word; starts nothing.

    Args:
        command: as one text, with one of `COMMANDS` before it.
        allow: what is admitted.
        place: what the file wants it for, for the message.

    Raises:
        UsageError: it is not admitted; the message has the option that admits it.
    """
    if command not in ((allow,) if isinstance(allow, str) else tuple(allow)):
        # What a terminal would not show, or obey, is not written to one.
        option = f"--allow {quote(command)} on the command line, or " if command.isprintable() else ""
        raise UsageError(
            f"{place} is started by the command {command.partition(':')[2]!r}, and a file is only data: it is started "
            f"where the command is admitted. If you trust it, add {option}allow=({command!r},) in Python"
        )


def reference_to(value: object, homes: Iterable[str] | None = None) -> str | None:
    """The name under which a module holds an object at its top, as `module:name`; None where none does.

    Args:
        value: the object.
        homes: modules to look at, in this order; all that are loaded where it is left out.
    """
    for home in tuple(sys.modules) if homes is None else homes:
        held = getattr(sys.modules.get(home), "__dict__", {})
        for name, found in tuple(held.items()):
            if found is value and not name.startswith("__"):
                return f"{home}:{name}"
    return None


def outside(reference: str) -> str:
    """A reference as other processes can import it: the script that runs is `__main__` to itself alone."""
    module, _, name = reference.partition(":")
    script = sys.modules["__main__"]
    file = getattr(script, "__file__", None)
    if module != "__main__" or file is None:
        return reference
    spec = getattr(script, "__spec__", None)
    return f"{Path(file).stem if spec is None else spec.name}:{name}"


def _check_home(found: object, allow: Collection[str], place: str) -> None:
    """Refuses what an admitted module merely imported from elsewhere, such as `my_app:os.system`."""
    if isinstance(found, ModuleType):
        check_admitted(found.__name__, allow, place)
    elif hasattr(found, "__qualname__"):
        check_admitted(str(getattr(found, "__module__", None) or "builtins"), allow, place)


def imported_module(name: str, place: str) -> ModuleType:
    """A module, by its name.

    Raises:
        UsageError: there is none, or it fails when it is imported; the message has `place`, file and line.
    """
    try:
        return import_module(name)
    except UsageError as error:
        raise UsageError(f"{place}: {_where(name, error)}") from error
    except ApportionError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise UsageError(
                f"{place}: there is no module {error.name!r}; install it, put its folder on PYTHONPATH, or run the "
                "command from the folder that holds it"
            ) from None
        raise UsageError(f"{place}: {_where(name, error)}") from error
    except Exception as error:
        raise UsageError(f"{place}: {_where(name, error)}") from error


def _where(name: str, error: Exception) -> str:
    """Where in a module an import failed, and with what."""
    stem = name.rpartition(".")[2]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).stem == stem]
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: SyntaxError: {error.msg}"
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"module {name!r}"
    return f"{place}: {'; '.join(_said(error))}"


def _setting(place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """A setting and the number of its item; what follows may be the name of a form that was tried."""
    return place[:2] if len(place) > 1 and isinstance(place[1], int) else place[:1]


def _said(error: Exception) -> Iterator[str]:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        yield str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
        return
    faults = error.errors(include_url=False)
    # Of a setting with several forms, each that does not fit is a fault of its own; one line names the setting once.
    by_field = {_setting(fault["loc"]): fault for fault in reversed(faults)}
    for place, fault in reversed(by_field.items()):
        field = ".".join(map(str, place))
        said = "there is no such setting" if fault["type"] == "extra_forbidden" else fault["msg"]
        yield f"{error.title}: {f'field {field!r}: ' if field else ''}{said}; it is {fault['input']!r:.200}"
