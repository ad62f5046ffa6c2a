"""The fields of a task in a file, and the names under which they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from ..errors import DevSetError, UnknownName, UsageError
from ..records.files import JsonFault, parse_json
from .chat_question import is_chat

__all__ = ["FIELDS", "OTHER_NAMES", "Naming", "cell_value"]

FIELDS = ("question", "gold", "family", "context", "instructions", "difficulty", "name", "cluster", "metadata")
"""The fields of a task in a file."""
OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {"answer": "gold", "id": "name", "messages": "question", "cluster_id": "cluster"}
)
"""Further names under which a field is read; `messages` are chat messages, see `chat_question`."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What a file calls the fields of a task.

    Args:
        columns: by our name, theirs. Where there are any, other names of the file that are none of ours are left out,
            and a field that has one is not read under its own name.

    Raises:
        UnknownName: one of our names is none.
        UsageError: one of theirs stands for two fields.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    _ours: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        ours: dict[str, str] = {}
        for name, theirs in self.columns.items():
            known = OTHER_NAMES.get(name, name)
            if known not in FIELDS:
                raise UnknownName("field of a task", name, (*FIELDS, *OTHER_NAMES))
            if theirs in ours or known in ours.values():
                raise UsageError(f"column {name}={theirs}: a column is one field, and a field has one column")
            ours[theirs] = known
        object.__setattr__(self, "_ours", ours)

    def field(self, name: str) -> str | None:
        """The field that a name in the file stands for; None where it stands for none."""
        if name in self._ours:
            return self._ours[name]
        known = OTHER_NAMES.get(name, name)
        return known if known in FIELDS and known not in self._ours.values() else None

    def theirs(self, field: str) -> str:
        """What the file calls a field."""
        return next((theirs for theirs, ours in self._ours.items() if ours == field), field)

    def fault_in(self, names: Sequence[str]) -> tuple[str, str] | None:
        """The first name that is no field, or names a field again, with what to do; None where all is well."""
        seen: dict[str, str] = {}
        for name in names:
            known = self.field(name)
            if known is None:
                if self._ours:
                    continue
                near = get_close_matches(name.lower(), (*FIELDS, *OTHER_NAMES), n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(FIELDS)}."
                remedy = "say what yours are called by --column OURS=THEIRS or columns={OURS: THEIRS}"
                return name, f"there is no such field; {hint} Fields of your own go into 'metadata'; or {remedy}"
            if known in seen:
                return name, f"{known!r} is given twice, as {seen[known]!r} and as {name!r}; keep one"
            seen[known] = name
        return None

    def missing(self, names: Sequence[str]) -> str | None:
        """The first column that was named and is not there; None where all are."""
        return next((theirs for theirs in self._ours if theirs not in names), None)


def cell_value(path: str, line: int, name: str, field: str, cell: str) -> Any:
    """What the text of a cell says for a field.

    Raises:
        DevSetError: it cannot be read; the error has the file's own name of the field.
    """
    if field == "difficulty":
        try:
            return int(cell)
        except ValueError:
            raise DevSetError(path, line, name, f"must be a whole number, not {cell[:40]!r}") from None
    if field == "metadata" or name == "messages":
        wanted = "object" if field == "metadata" else "list of messages"
        try:
            return parse_json(cell)
        except JsonFault as fault:
            raise DevSetError(path, line, name, f"must be a JSON {wanted}: {fault}") from None
    if field in ("context", "question") and cell.lstrip().startswith("["):
        try:
            value = parse_json(cell)
        except JsonFault:
            # Plain text may begin with a bracket too, as in "[1] Cf. page 3".
            return cell
        return value if field == "context" or is_chat(value) else cell
    return cell
