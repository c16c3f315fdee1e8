"""Records of what there is and what happens: nodes, links, edges, subnets, events.

Those about the daemon as a whole are in :mod:`.summary`, answers to a question in
:mod:`.answers`.  Rules for all: seconds and bytes; times are UTC with Z; what is not
known is null, never 0 or 1970; a fact is a field and never stands in a sentence only.
Within one number of ``schema`` fields are only ever added, and whoever reads ignores
what it does not know.

Which endpoint yields which record is in :mod:`.endpoints`, the words are in
:mod:`.words`.  The comment above a field is its description in the JSON Schema, too.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final

from tincd_compat.dataclass import dataclass
from tincd_compat.observe.codec import Facts, Record
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import (
    AddressSource,
    EventKind,
    LinkProtocol,
    OpenedBy,
    PathKind,
    PathOption,
    ProbePhase,
    ProblemCode,
    Severity,
)

#: The number of this contract.
SCHEMA: Final = 1
#: Subnets that a node's own record lists at most; ``/v1/subnets`` has them all.
LISTED_SUBNETS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Record):
    """A socket address, and how it is known."""

    #: Numeric IPv4 or IPv6 address, or the name that only a proxy resolves.
    host: str
    #: UDP or TCP port.
    port: int
    #: Where the address is known from; null where nobody has noted that.
    from_: AddressSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRecord(Record):
    """What has gone one way since the daemon started, however often keys changed."""

    #: Packets; for UDP datagrams, probes and their answers among them.
    packets: int
    #: Bytes of the frames in them, before compression and encryption.
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRecord(Record):
    """How packets in one direction are sealed, as its receiver has asked for."""

    #: OpenSSL's name of the cipher; ``none`` is plaintext.
    cipher: str
    #: OpenSSL's name of the digest; ``none`` is without authentication.
    digest: str
    #: Bytes of the authentication code in each packet; 0 is without authentication.
    mac_length: int
    #: Compression level of tinc.conf(5); 0 is none.
    compression: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Record):
    """The key that a node has given us: we seal packets for it so."""

    #: When the node's last ANS_KEY with a key that we use arrived.
    since: Time | None
    #: OpenSSL's name of the cipher; ``none`` is plaintext.
    cipher: str
    #: OpenSSL's name of the digest; ``none`` is without authentication.
    digest: str
    #: Bytes of the authentication code in each packet.
    mac_length: int
    #: Compression level of tinc.conf(5); 0 is none.
    compression: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes(Record):
    """Path MTU discovery for one node, which is what proves that UDP works."""

    #: What discovery is doing.
    phase: ProbePhase
    #: Longest frame in bytes that is proved to get through; 0 if none is.
    min_mtu: int
    #: Longest frame in bytes that is not proved impossible.
    max_mtu: int
    #: Probes sent since the node became reachable.
    sent: int | None = None
    #: Those of them that were answered.
    answered: int | None = None
    #: When the last probe left.
    last_sent: Time | None = None
    #: When the last answer came.
    last_answer: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord(Record):
    """A node of the mesh, known or reachable; ``/v1/nodes`` has this one, too.

    Traffic, key, probes and times of packets are those of the node as the next UDP hop:
    what it relays for others is counted here, and what another relays for it is not.
    """

    #: The name of the node.
    name: str
    #: Whether this is the node that answers.
    self_: bool = False
    #: Whether a way to the node is known.
    reachable: bool
    #: Since when ``path`` is what it is; for a lost node: since when it is lost.
    since: Time | None = None
    #: How packets for the node leave this host; null if none has been sent there since
    #: its key is void: then the first one finds the way.
    path: PathKind | None
    #: The neighbour over which messages and packets by TCP go to the node.
    nexthop: str | None = None
    #: The node to which our datagrams go: the node itself, or a relay.
    via: str | None = None
    #: Links between us and the node; null if there is no path, or one of more than 256.
    distance: int | None = None
    #: Sum of the weights of those links, null as above; a weight is about its round
    #: trip in ms.
    weight: int | None = None
    #: Where our datagrams for the node go, if any go straight to it.
    address: Address | None = None
    #: Longest frame in bytes that the path by UDP carries; null until it is known.
    mtu: int | None = None
    #: Round trip of MTU probes in seconds, smoothed after RFC 6298, and the last one.
    rtt_udp: float | None = None
    #: The last round trip of an MTU probe in seconds.
    rtt_udp_last: float | None = None
    #: Round trip of PING and PONG in seconds, smoothed; only where there is a link.
    rtt_link: float | None = None
    #: The last round trip of a PING in seconds.
    rtt_link_last: float | None = None
    #: When the last datagram came that passed the MAC and the replay window.
    last_packet: Time | None = None
    #: What we have sent to the node by UDP; null if there never was a key.
    sent: TrafficRecord | None = None
    #: What we have received from it by UDP; null if there never was a key.
    received: TrafficRecord | None = None
    #: The key by which we seal for the node.
    key: Key | None = None
    #: When the key was made by which the node seals for us.
    own_key_since: Time | None = None
    #: How that key is asked to be used, which is our own configuration.
    own_suite: SuiteRecord | None = None
    #: Path MTU discovery; null while the node has no tunnel.
    probes: Probes | None = None
    #: Options of the path to the node: the last edge's, whoever of its ends set them.
    options: tuple[PathOption, ...] = ()
    #: The node's subnets in tinc's order, the first 64 of them.
    subnets: tuple[str, ...] = ()
    #: How many subnets the node has.
    subnet_count: int = 0
    #: Whether we have a ConnectTo for the node.
    connect_to: bool = False
    #: Whether there is an active link with the node.
    linked: bool = False
    #: How often the node became reachable or unreachable since the daemon started.
    changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord(Record):
    """A meta connection, from its beginning to its end."""

    #: The peer's node; null until it has said its name.
    name: str | None
    #: Where the connection goes or comes from.
    address: Address
    #: Who has opened it.
    opened: OpenedBy
    #: Whether it is one of our ConnectTo, whoever has opened it.
    connect_to: bool
    #: Whether the handshake is complete.
    active: bool
    #: When it became active; while it is not, when it began.
    since: Time | None
    #: Round trip of PING and PONG in seconds, smoothed after RFC 6298.
    rtt: float | None = None
    #: The last round trip of a PING in seconds.
    rtt_last: float | None = None
    #: The weight of the edge; about the round trip of the handshake in ms.
    weight: int | None = None
    #: Options of the link, by what both sides have said.
    options: tuple[PathOption, ...] = ()
    #: What our ACK asked for; who of both has set TCPOnly shows here and below.
    own_options: tuple[PathOption, ...] | None = None
    #: What the peer's ACK asked for.
    peer_options: tuple[PathOption, ...] | None = None
    #: Bytes that wait because the peer does not take them.
    queued: int = 0
    #: The most bytes that have waited.
    queued_most: int = 0
    #: Since when the system takes nothing more for the peer; null if it does.
    blocked_since: Time | None = None
    #: Frames that went over the link as PACKET.
    sent: TrafficRecord | None = None
    #: Frames that came over the link as PACKET.
    received: TrafficRecord | None = None
    #: Bytes of the connection as a whole, sent and received.
    meta_sent: int | None = None
    #: Bytes received.
    meta_received: int | None = None
    #: Whether broadcasts go over the link.
    broadcast: bool = False
    #: The protocol of the connection; null until the handshake is complete.
    protocol: LinkProtocol | None = None
    #: Bits of the peer's RSA key; null where protocol 17.7 does without.
    rsa_bits: int | None = None
    #: OpenSSL's name of the cipher of what we send; null before it is agreed on.
    cipher: str | None = None
    #: OpenSSL's name of the cipher of what the peer sends.
    peer_cipher: str | None = None
    #: OpenSSL's name of the digest that the peer has asked for in the handshake.
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRecord(Record):
    """A directed edge of the graph; it counts only together with its reverse."""

    #: The node that announces the edge.
    from_: str
    #: The node at its other end.
    to: str
    #: Where ``from`` reaches ``to``.
    address: Address
    #: Options of the edge.
    options: tuple[PathOption, ...] = ()
    #: About the round trip in ms when the link came up.
    weight: int
    #: Whether the reverse edge is known, too; without it the edge is no way.
    both: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetRecord(Record):
    """A subnet of a node."""

    #: tinc's text: address, prefix length and weight.
    subnet: str
    #: The same without the weight.
    net: str
    #: Of several for one address the lowest wins, among those that are reachable.
    weight: int
    #: The node that has it.
    owner: str
    #: Whether that node is reachable.
    reachable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Record):
    """Something that has happened; the ring of ``EventHistory`` keeps the last ones.

    The vocabulary of ``reason`` and the keys of ``facts`` follow from the kind: see
    :data:`.wording.SHAPES`.
    """

    #: Counts from 1 since the daemon started; a gap shows what was not kept.
    seq: int
    #: When it happened.
    at: Time
    #: What happened.
    kind: EventKind
    #: The node that it is about.
    node: str | None = None
    #: Why, as a word.
    reason: str | None = None
    #: What and why, in words.
    text: str
    #: The facts in the text, and more.
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Record):
    """Something that an operator should do something about."""

    #: What is wrong.
    code: ProblemCode
    #: How bad that is; follows from the code.
    severity: Severity
    #: The node that it is about; null for the mesh or this host.
    node: str | None = None
    #: Since when it is so; it is told of when HealthHoldOff has passed.
    since: Time
    #: In words.
    text: str
    #: The facts in the text, and more.
    facts: Facts = field(default_factory=dict)
