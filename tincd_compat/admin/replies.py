"""What the exporter answers a request with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from tincd_compat.admin.following import EventStream
from tincd_compat.admin.text import Record

JSON: Final = "application/json"


class HttpReply(NamedTuple):
    """An answer as HTTP has it: its body, or a stream that has to be closed."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = {}
    stream: EventStream | None = None


def json_reply(status: int, record: Record) -> HttpReply:
    """Return the answer that is one record."""
    return HttpReply(status, JSON, json.dumps(record).encode() + b"\n")


def failure(status: int, error: str, text: str) -> HttpReply:
    """Return the answer that says no, in the form of the daemon's own refusals."""
    return json_reply(status, {"error": error, "text": text})
