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
from operator import attrgetter
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


class _RecordWriter(NamedTuple):
    """How a record is written: most fields are copied, all in one call.

    A mesh has thousands of nodes, and a node's record has dozens of fields.
    """

    values: Callable[[Any], tuple[Any, ...]]
    keys: tuple[str, ...]
    encoders: tuple[tuple[str, Convert], ...]


class Record:
    """The base of all records, each a frozen dataclass."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as an object for :func:`json.dumps`."""
        values, keys, encoders = _writer(type(self))
        found = dict(zip(keys, values(self), strict=True))
        for key, encode in encoders:
            value = found[key]
            # Nothing has an encoder of its own: it is null.
            if value is not None:
                found[key] = encode(value)
        return found

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
_writers: Final[dict[type, _RecordWriter]] = {}


def _writer(record: type) -> _RecordWriter:
    found = _writers.get(record)
    if found is None:
        known = plan(record)
        names = [field.name for field in known]
        # With one name alone the value would come without a tuple around it.
        assert len(names) > 1, record
        found = _writers[record] = _RecordWriter(
            attrgetter(*names),
            tuple(field.key for field in known),
            tuple((f.key, f.encode) for f in known if f.encode is not None),
        )
    return found


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
        return hint.to_json, hint.from_json
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
