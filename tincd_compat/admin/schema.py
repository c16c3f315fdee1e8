"""The verb ``schema``: the JSON Schema of every record, of the daemon and of ours."""

from __future__ import annotations

import argparse
import json
from importlib import resources
from typing import Any, Final

from tincd_compat.admin.session import FINE, Session
from tincd_compat.errors import TincError
from tincd_compat.observe import schemas

#: Records that the command makes out of the daemon's.
OWN: Final = ("audit", "cut", "health", "keys", "name", "rate", "wait")


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument("record", nargs="?", metavar="RECORD", help="of this one alone")


def run(session: Session) -> int:
    """Print one schema, or all in one document."""
    name = session.options.record
    session.say(json.dumps(whole() if name is None else load(name), indent=2))
    return FINE


def names() -> list[str]:
    """Return the names of all records."""
    return sorted([*OWN, *schemas.names()])


def load(name: str) -> dict[str, Any]:
    """Return the schema of a record; TincError names those that there are."""
    if name in OWN:
        place = resources.files(__package__) / "schema" / f"{name}.json"
        own: dict[str, Any] = json.loads(place.read_text("utf-8"))
        return own
    if name not in schemas.names():
        raise TincError(f"there is no record {name!r}, but: {', '.join(names())}")
    return schemas.load(name)


def whole() -> dict[str, Any]:
    """Return all schemas as definitions of one; each keeps its own references."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {name: {"$id": f"{name}.json", **load(name)} for name in names()},
    }
