"""Requests and answers of operators as values, without the connection they come by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from enum import Enum
from typing import Final, TypeAlias

from tincd_compat.dataclass import dataclass

#: Records that are made in a turn of the loop at most.
RECORDS_AT_ONCE: Final = 64

JSON: Final = "application/json"
#: One JSON object a line.
NDJSON: Final = "application/x-ndjson"


class Pause(Enum):
    """The value that a source of records yields in place of a record."""

    #: The next record comes in another turn of the loop.
    TURN = "turn"
    #: The next record comes after an event; see :meth:`HttpSession.wake`.
    EVENT = "event"


#: Lines of an answer, each made when the client can take it.
Records: TypeAlias = Iterator[bytes | Pause]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request of a client."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer to a client; its records are made as the client takes them.

    A status that is a function is called when the first record is there, or the last.
    """

    status: int | Callable[[], int]
    content: bytes | Records
    content_type: str = JSON


def refusal(status: int, code: str, text: str) -> HttpAnswer:
    """Return the answer about an error; its code is for programs."""
    record = {"schema": 1, "error": code, "text": text}
    return HttpAnswer(status, json.dumps(record).encode() + b"\n")
