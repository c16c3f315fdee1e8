"""Records that answer a question: explanations, and what became of a request."""

from __future__ import annotations

from dataclasses import field

from tincd_compat.dataclass import dataclass
from tincd_compat.observe.codec import Facts, Record
from tincd_compat.observe.records import SCHEMA, Address, Event
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import (
    Carrier,
    Cause,
    CheckName,
    CheckResult,
    FailureCode,
    PathKind,
    PingResult,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Record):
    """One look of an explanation."""

    #: What was looked at.
    check: CheckName
    #: What was found.
    result: CheckResult
    #: In words.
    text: str
    #: The facts; each check has keys of its own.
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecord(Record):
    """The cause that an explanation names."""

    #: The check that has found it.
    check: CheckName
    #: What it is.
    cause: Cause
    #: In words.
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback(Record):
    """The way that packets would take without the link or relay of today."""

    #: The link whose end is imagined, between the names of its ends.
    without: tuple[str, ...]
    #: The neighbour over which they would go; null if there is no other way.
    nexthop: str | None
    #: Sum of the weights of that way, null if there is none.
    weight: int | None = None
    #: Links on that way.
    distance: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Record):
    """Why packets for a node or an address go as they go."""

    #: The number of this contract.
    schema: int = SCHEMA
    #: When it was made.
    at: Time
    #: The name of this node.
    name: str
    #: What was asked for: a node or an address.
    to: str
    #: The node that it leads to; null if it leads to none.
    node: str | None = None
    #: The subnet that the address lies in.
    subnet: str | None = None
    #: How packets for the node leave this host.
    path: PathKind | None = None
    #: Since when they do so.
    since: Time | None = None
    #: The best that is known of the round trip in seconds: measured.
    rtt: float | None = None
    #: The neighbour over which messages and packets by TCP go.
    nexthop: str | None = None
    #: The node to which our datagrams go.
    via: str | None = None
    #: The names of the nodes on the way, from this one to the other; empty if there is
    #: none, or one of more than 256 links.
    way: tuple[str, ...] = ()
    #: Sum of the weights on the way; null as above.
    weight: int | None = None
    #: The checks in the order of the packet's way.
    checks: tuple[Check, ...]
    #: The first thing that is wrong; null if nothing is.
    cause: FindingRecord | None = None
    #: One command for a shell that shows more about the cause.
    command: str | None = None
    #: What packets would do without the first link of the way; null if there is none.
    fallback: Fallback | None = None
    #: The last three events of the node, the newest first.
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord(Record):
    """What was done on behalf of a POST."""

    #: The number of this contract.
    schema: int = SCHEMA
    #: The request, as ``reload``.
    done: str
    #: In words.
    text: str
    #: The node that it was about.
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingRecord(Record):
    """What became of one question to a node: an MTU probe, or a PING over its link."""

    #: The number of this contract.
    schema: int = SCHEMA
    #: When this was known.
    at: Time
    #: The node that was asked.
    node: str
    #: What became of it.
    result: PingResult
    #: In words.
    text: str
    #: How packets for the node leave this host; null while none has.
    path: PathKind | None
    #: How question and answer have travelled: by UDP as a probe, or over the link,
    #: which is TCP, as PING and PONG; null if nothing was sent.
    carrier: Carrier | None = None
    #: Seconds from the question to the answer; null without one, or if a PING was
    #: under way already that cannot be told from another.
    rtt: float | None = None
    #: The address that was asked, and that the answer came from.
    address: Address | None = None
    #: The node that passes packets on to this one; null if none does.
    via: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Record):
    """Why a request was not answered; the body of every status of 400 and above."""

    #: The number of this contract.
    schema: int = SCHEMA
    #: What is wrong.
    error: FailureCode
    #: In words, with what to do.
    text: str
