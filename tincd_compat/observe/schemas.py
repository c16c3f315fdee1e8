"""The JSON Schemas of the records, which lie beside this module as files.

The daemon does not load them: they are for ``tincd-compat schema`` and for tests.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from tincd_compat.observe.answers import Failure
from tincd_compat.observe.codec import Record
from tincd_compat.observe.endpoints import ENDPOINTS

#: Every record that is an answer by itself.
RECORDS = tuple(dict.fromkeys((*(e.record for e in ENDPOINTS), Failure)))


def name(record: type[Record]) -> str:
    """Return the name of a record's schema, as ``node`` for NodeRecord."""
    return record.__name__.removesuffix("Record").lower()


def names() -> list[str]:
    """Return the names of all schemas."""
    return sorted(map(name, RECORDS))


def load(which: str) -> dict[str, Any]:
    """Return the schema of that name; KeyError if there is none."""
    if which not in names():
        raise KeyError(which)
    place = resources.files(__package__) / "schema" / f"{which}.json"
    schema: dict[str, Any] = json.loads(place.read_text("utf-8"))
    return schema
