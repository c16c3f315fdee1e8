"""What to do with a frame, as values: the answer of :class:`routing.route.Router`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeAlias

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Node


class Reason(StrEnum):
    """Why a frame goes nowhere; the names under which drops are counted."""

    TOO_SHORT = "too short"
    UNKNOWN_TYPE = "unknown type"
    UNKNOWN_DESTINATION = "unknown destination"
    UNREACHABLE = "unreachable"
    PROHIBITED = "prohibited"
    LOOPING_BACK = "looping back"
    ROUTING_LOOP = "routing loop"
    TTL_EXPIRED = "ttl expired"
    TOO_BIG = "too big"
    BAD_LENGTH = "length mismatch"
    BAD_OFFSET = "beyond the longest packet"
    HAS_OPTIONS = "fragmentation with options"
    BAD_CHECKSUM = "bad checksum"
    NOT_FROM_DEVICE = "not from the device"
    ASKS_FOR_US = "asks for us"


@dataclass(frozen=True, slots=True)
class Deliver:
    """Write the frame to our device."""

    frame: bytearray


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send the frame to ``node``, the owner of its destination.

    ``tos`` is for the outer header, 0 unless priorities are inherited.
    """

    node: Node
    frame: bytearray
    tos: int = 0


@dataclass(frozen=True, slots=True)
class SendToAll:
    """Hand the frame to our device, unless it came from there, and to everybody."""

    frame: bytearray


@dataclass(frozen=True, slots=True)
class AnswerFrames:
    """Return these frames to where the original came from; the original is dropped.

    ``reason`` says why the original did not pass; None if it was a question.  ``tos``
    is for the outer header.
    """

    frames: Sequence[bytearray]
    reason: Reason | None = None
    tos: int = 0


@dataclass(frozen=True, slots=True)
class Fragments:
    """Send these pieces of a packet to ``node``, not the owner but the next stop."""

    node: Node
    frames: Sequence[bytearray]
    tos: int = 0


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget the frame."""

    reason: Reason


Verdict: TypeAlias = Deliver | SendTo | SendToAll | AnswerFrames | Fragments | Discard
