"""Records to JSON values and back, by the types of their fields.

===================  ====================================================
type of a field      its JSON value
===================  ====================================================
``Time``             text, UTC; see :mod:`.times`
``float``            number, rounded to a millionth
a word               text; see :mod:`.words`
a record             object with every field
``tuple[X, ...]``    array
``dict[word, X]``    object
``X | None``         the same, or null where nothing is known
===================  ====================================================

The name of a field is the key; one underscore at its end, for ``self`` and ``from``,
is left out.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from operator import methodcaller
from typing import (
    Any,
    Final,
    NamedTuple,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from tincd_compat.observe.times import Time, parse, utc

#: A value in the ``facts`` of an event or a check.
Fact: TypeAlias = str | int | float | bool | list[str] | None
Facts: TypeAlias = dict[str, Fact]

#: Turns a value of a field into a JSON value, or back.
Convert: TypeAlias = Callable[[Any], Any]

RecordT = TypeVar("RecordT", bound="Record")


class _Field(NamedTuple):
    name: str
    key: str
    encode: Convert | None
    decode: Convert | None
    required: bool


class Record:
    """The base of all records, each a frozen dataclass."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as an object for :func:`json.dumps`."""
        # A mesh has thousands of nodes, and a node's record has dozens of fields: so
        # the class gets a method of its own, which the next call finds in its place.
        made = type(self)
        written = _written(made)
        made.to_json = written  # type: ignore[method-assign,assignment]
        return written(self)

    @classmethod
    def from_json(cls: type[RecordT], value: Mapping[str, Any]) -> RecordT:
        """Read what another process has written.

        Unknown fields are left out, since others may have added them; ValueError for a
        missing one that has no default, or for one that cannot be read.
        """
        try:
            given = (f for f in plan(cls) if f.required or f.key in value)
            return cls(
                **{field.name: _read(field, value[field.key]) for field in given}
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a {cls.__name__}: {error}") from error


def _read(field: _Field, value: Any) -> Any:
    return value if field.decode is None else field.decode(value)


_plans: Final[dict[type, tuple[_Field, ...]]] = {}


def _written(record: type) -> Callable[[Any], dict[str, Any]]:
    """Return ``to_json`` of a record class: one expression, with all fields in it."""
    scope: dict[str, Any] = {}
    pairs = []
    for field in plan(record):
        value = f"self.{field.name}"
        if field.encode is not None:
            # Nothing has an encoder of its own: it is null.
            scope[f"encode_{field.name}"] = field.encode
            encoded = f"encode_{field.name}(value)"
            value = f"None if (value := {value}) is None else {encoded}"
        pairs.append(f"    {field.key!r}: {value},\n")
    exec(f"def to_json(self):\n  return {{\n{''.join(pairs)}  }}", scope)
    method: Callable[[Any], dict[str, Any]] = scope["to_json"]
    method.__qualname__ = f"{record.__qualname__}.to_json"
    method.__module__ = record.__module__
    return method


def plan(record: type) -> tuple[_Field, ...]:
    """Return the fields of a record class; worked out when first asked for."""
    found = _plans.get(record)
    if found is None:
        hints = get_type_hints(record)
        found = _plans[record] = tuple(
            _Field(
                field.name,
                field.name.removesuffix("_"),
                *_converters(hints[field.name]),
                field.default is MISSING and field.default_factory is MISSING,
            )
            for field in fields(record)
        )
    return found


def _converters(hint: Any) -> tuple[Convert | None, Convert | None]:
    """Return how values of a type are written and read; None: as they are.

    What is written is never None.
    """
    if hint is Time:
        return utc, parse
    if hint is float:
        return _rounded, float
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return None, hint
    if isinstance(hint, type) and issubclass(hint, Record):
        return methodcaller("to_json"), hint.from_json
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union) and type(None) in inner:
        write, read = _converters(inner[0])
        return write, _optional(read)
    if origin is tuple:
        write, read = _converters(inner[0])
        return _listing(write), _collecting(read)
    if origin is dict and hint != Facts:
        write, read = _converters(inner[1])
        return _mapping(None, write), _mapping(_converters(inner[0])[1], read)
    return None, None


def _rounded(value: float) -> float:
    return round(value, 6)


def _optional(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


def _listing(convert: Convert | None) -> Convert:
    if convert is None:
        return list
    return lambda values: [convert(value) for value in values]


def _collecting(convert: Convert | None) -> Convert:
    if convert is None:
        return tuple
    return lambda values: tuple(convert(value) for value in values)


def _mapping(key: Convert | None, value: Convert | None) -> Convert:
    return lambda found: {
        (k if key is None else key(k)): (v if value is None else value(v))
        for k, v in found.items()
    }
