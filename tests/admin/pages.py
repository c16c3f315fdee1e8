"""Makes tincd-compat-records(5) from the schemas; ``python -m tests.admin.pages``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tincd_compat
from tincd_compat.admin import schema
from tincd_compat.observe.endpoints import ENDPOINTS
from tincd_compat.observe.schemas import name as name_of

PAGE = Path(tincd_compat.__file__).parent.parent / "man" / "tincd-compat-records.5"

_HEAD = r""".Dd December 1, 2026
.Dt TINCD-COMPAT-RECORDS 5
.Os tincd-compat
.Sh NAME
.Nm tincd-compat-records
.Nd what a running tincd tells its operator, field by field
.Sh DESCRIPTION
.Xr tincd 8
answers HTTP/1.1 on a socket beside its pid file, and
.Xr tincd-compat 8
passes on what it says:
.Bd -literal -offset indent
curl --unix-socket /run/tinc.vpn.sock http://localhost/v1/status
tincd-compat -n vpn status --json
.Ed
.Pp
A record is one JSON object.
A list has one a line.
Seconds and bytes are the units; times are UTC, with Z.
What is not known is null, and never 0.
Within one number of
.Li schema
fields and words are only added; whoever reads leaves out what it does not know.
.Sh REQUESTS
"""

_FOOT = r""".Sh SEE ALSO
.Xr tinc.conf 5 ,
.Xr tincd 8 ,
.Xr tincd-compat 8
"""


def page() -> str:
    """Return the text of the page."""
    lines = [
        *_requests(),
        ".Sh RECORDS OF THE DAEMON",
        *_records([name for name in schema.names() if name not in schema.OWN]),
        ".Sh RECORDS OF THE COMMAND",
        "These are made by",
        ".Xr tincd-compat 8 ,",
        "and have their name in",
        ".Li record .",
        *_records(schema.OWN),
    ]
    return _HEAD + "\n".join(lines) + "\n" + _FOOT


def _requests() -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    for endpoint in ENDPOINTS:
        query = [*endpoint.required, *(f"[{each}]" for each in endpoint.optional)]
        words = f" with {', '.join(query)}" if query else ""
        kind = "a list of" if endpoint.listing else "one"
        yield f".It Li {endpoint.method} {endpoint.path}"
        yield f"Yields {kind} {name_of(endpoint.record)}{words}."
        if endpoint.changes:
            yield "This takes root, or the user that the daemon runs as."
    yield ".El"


def _records(names: Any) -> Iterator[str]:
    for name in names:
        found = schema.load(name)
        yield f".Ss {name}"
        yield from _object(found)
        for inner, below in found.get("$defs", {}).items():
            yield ".Pp"
            yield f"{inner.removesuffix('Record')} within it:"
            yield from _object(below)


def _object(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(found.get("description", ""))
    yield ".Bl -tag -width Ds"
    for field, below in found["properties"].items():
        yield f".It Li {field}"
        yield from _text(below.get("description", ""))
        if words := _words(below):
            yield from _text(f"One of: {', '.join(words)}.")
    yield ".El"


def _words(found: Mapping[str, Any]) -> list[str]:
    """Return the words of a closed list, wherever the field has them."""
    for part in (found, found.get("items", {}), *found.get("anyOf", ())):
        if "enum" in part:
            return [str(word) for word in part["enum"] if word is not None]
    keys = found.get("propertyNames", {})
    return [str(word) for word in keys.get("enum", ())]


def _text(text: str) -> Iterator[str]:
    """Yield lines of a page: a new sentence begins a new one, and none is a macro."""
    plain = re.sub(r":\w+:`~?([^`]+)`|``([^`]+)``", r"\1\2", text)
    for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", plain):
        for line in textwrap.wrap(sentence, 78, break_on_hyphens=False):
            escaped = line.replace("\\", "\\e")
            yield f"\\&{escaped}" if escaped[0] in ".'" else escaped


if __name__ == "__main__":
    PAGE.write_text(page())
