"""Makes the JSON Schemas from the records; ``python -m tests.observe.schemas`` writes.

A description is the comment above a field.  That way neither the daemon nor the command
has it in memory, and the schema cannot say anything else than the source.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema

from tincd_compat.observe import schemas
from tincd_compat.observe.codec import Facts, Record, plan
from tincd_compat.observe.explain import FACTS
from tincd_compat.observe.records import Event
from tincd_compat.observe.times import Time
from tincd_compat.observe.wording import SHAPES
from tincd_compat.observe.words import CheckName, EventKind

FOLDER = Path(schemas.__file__).parent / "schema"

_COMMENT = re.compile(r"((?:    #: .*\n)+)    (\w+): ")
_BASIC = {str: "string", int: "integer", float: "number", bool: "boolean"}
_TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
}
_FACT = {
    "type": ["string", "number", "boolean", "null", "array"],
    "items": {"type": "string"},
}


@functools.cache
def validator(name: str) -> Any:
    """Return what validates records of that name; to make one takes long."""
    return jsonschema.Draft202012Validator(schemas.load(name))


def comments(record: type[Record]) -> dict[str, str]:
    """Return what stands above each field of a record."""
    return {
        name: " ".join(line.strip()[3:] for line in text.splitlines())
        for text, name in _COMMENT.findall(inspect.getsource(record))
    }


def _first_line(thing: type) -> str:
    return (thing.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _of_kind(kind: EventKind) -> dict[str, Any]:
    """Say which reasons and facts an event of a kind has."""
    shape = SHAPES[kind]
    reasons = [None] if shape.reasons is None else [str(word) for word in shape.reasons]
    facts = {"required": [*shape.facts], "propertyNames": {"enum": [*shape.facts]}}
    return {
        "if": {"properties": {"kind": {"const": str(kind)}}},
        "then": {"properties": {"reason": {"enum": reasons}, "facts": facts}},
    }


def _of_check(name: CheckName) -> dict[str, Any]:
    """Say which facts a check has."""
    keys = [*FACTS[name]]
    facts = {"required": keys, "propertyNames": {"enum": keys}}
    return {
        "if": {"properties": {"check": {"const": str(name)}}},
        "then": {"properties": {"facts": facts}},
    }


class Maker:
    """Makes one schema, with the records within it under ``$defs``."""

    def __init__(self) -> None:
        self.inner: dict[str, Any] = {}

    def schema(self, record: type[Record]) -> dict[str, Any]:
        top = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": schemas.name(record),
            **self._object(record),
        }
        if record is Event:
            top["allOf"] = [*map(_of_kind, EventKind)]
        if "Event" in self.inner:
            self.inner["Event"]["allOf"] = [*map(_of_kind, EventKind)]
        if "Check" in self.inner:
            self.inner["Check"]["allOf"] = [*map(_of_check, CheckName)]
        return {**top, "$defs": self.inner} if self.inner else top

    def _object(self, record: type[Record]) -> dict[str, Any]:
        hints, said = get_type_hints(record), comments(record)
        fields = plan(record)
        return {
            "description": _first_line(record),
            "type": "object",
            "properties": {
                field.key: {
                    **self._type(hints[field.name]),
                    "description": said[field.name],
                }
                for field in fields
            },
            "required": [field.key for field in fields],
        }

    def _type(self, hint: Any) -> dict[str, Any]:
        if hint is Time:
            return dict(_TIME)
        if hint in _BASIC:
            return {"type": _BASIC[hint]}
        if hint == Facts:
            return {"type": "object", "additionalProperties": _FACT}
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return {"enum": [str(word) for word in hint]}
        if isinstance(hint, type) and issubclass(hint, Record):
            name = hint.__name__.removesuffix("Record")
            self.inner.setdefault(name, self._object(hint))
            return {"$ref": f"#/$defs/{name}"}
        return self._generic(get_origin(hint), get_args(hint))

    def _generic(self, origin: Any, inner: tuple[Any, ...]) -> dict[str, Any]:
        if origin in (types.UnionType, Union):
            some = self._type(inner[0])
            if isinstance(some.get("type"), str):
                return {**some, "type": [some["type"], "null"]}
            return {"anyOf": [some, {"type": "null"}]}
        if origin is tuple:
            return {"type": "array", "items": self._type(inner[0])}
        assert origin is dict
        shape: dict[str, Any] = {
            "type": "object",
            "additionalProperties": self._type(inner[1]),
        }
        if inner[0] is not str:
            shape["propertyNames"] = self._type(inner[0])
        return shape


def files() -> Iterator[tuple[Path, str]]:
    """Yield the file of each schema, and what has to be in it."""
    for record in schemas.RECORDS:
        text = json.dumps(Maker().schema(record), indent=2)
        yield FOLDER / f"{schemas.name(record)}.json", f"{text}\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in files():
        path.write_text(text)
