"""The closed vocabularies of the records: every word that stands for a kind of thing.

A word is a code for programs and never changes its meaning; sentences for people stand
beside it.  Within one number of ``schema`` words are only ever added.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class PathKind(StrEnum):
    """How packets for a node leave this host."""

    #: Straight to the node, by UDP.
    UDP = "udp"
    #: Straight to the node, over our meta connection with it.
    TCP = "tcp"
    #: By UDP to another node, ``via``, which passes them on.
    RELAY_UDP = "relay_udp"
    #: Over the meta connection with another node, ``nexthop``, which passes them on.
    RELAY_TCP = "relay_tcp"
    #: No way at all: the node is unreachable.
    NONE = "none"
    #: The node is this one.
    SELF = "self"


class AddressSource(StrEnum):
    """Where an address is known from."""

    #: An authentic datagram came from there.
    UDP = "udp"
    #: An edge of the node's neighbour says so.
    EDGE = "edge"
    #: An ANS_KEY brought what another node sees.
    REFLEXIVE = "reflexive"
    #: We have dialled it.
    DIALLED = "dialled"
    #: The peer has called from there.
    ACCEPTED = "accepted"


class PathOption(StrEnum):
    """The option bits of a path, as tinc names the variables."""

    INDIRECT = "indirect_data"
    TCPONLY = "tcp_only"
    PMTU_DISCOVERY = "pmtu_discovery"
    CLAMP_MSS = "clamp_mss"


class LinkProtocol(StrEnum):
    """The protocol of a meta connection."""

    #: RSA keys and stream ciphers, as in tinc 1.0.
    LEGACY = "17.0"
    #: Ed25519 keys and SPTPS, as in tinc 1.1; forward secret.
    SPTPS = "17.7"


class ProbePhase(StrEnum):
    """What path MTU discovery is doing for a node; see ``tunnel/pmtu.py``."""

    OFF = "off"
    SEARCH = "search"
    IDLE = "idle"
    CHECK = "check"


class EventKind(StrEnum):
    """What has happened."""

    START = "start"
    RELOAD = "reload"
    LINK_UP = "link-up"
    LINK_DOWN = "link-down"
    DIAL = "dial"
    PATH = "path"
    MTU = "mtu"
    KEY = "key"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    SUBNET = "subnet"
    ADDRESS = "address"
    SCRIPT = "script"
    GRAPH = "graph"
    DROP = "drop"
    PROBLEM = "problem"
    #: Events of one node that were counted and not kept: it had a quarter of the ring.
    COUNTED = "counted"
    #: Events that a follower has missed because it was slow, or asked for too late.
    GAP = "gap"


class LinkEnd(StrEnum):
    """Why a meta connection has ended."""

    #: The peer has closed it.
    CLOSED = "closed"
    #: The peer or something on the way has reset it.
    RESET = "reset"
    #: Reading or writing failed in another way; the text has the system's words.
    IO_ERROR = "io-error"
    #: No PONG within PingTimeout.
    PING_TIMEOUT = "ping-timeout"
    #: The handshake took longer than PingTimeout.
    AUTH_TIMEOUT = "auth-timeout"
    #: The peer could not prove that it has the private key to hosts/NAME.
    WRONG_KEY = "wrong-key"
    #: The peer is not who was dialled, or has no usable host file.
    IDENTITY = "identity"
    #: Cipher, digest or version of the meta protocol do not suit.
    INCOMPATIBLE = "incompatible"
    #: A message was not one of the protocol.
    PROTOCOL = "protocol"
    #: The peer did not read for PingTimeout.
    NOT_FLUSHED = "not-flushed"
    #: More than 32 MiB waited for the peer.
    OVERFLOW = "overflow"
    #: Ed25519 keys were exchanged; the next connection is of protocol 17.7.
    UPGRADED = "upgraded"
    #: A newer connection with the same node took its place.
    REPLACED = "replaced"
    #: A reload found the host file changed or gone.
    RELOADED = "reloaded"
    #: An operator has asked for it.
    ASKED = "asked"
    #: Too many callers were in the handshake.
    CROWDED = "crowded"
    #: An unforeseen error of ours.
    INTERNAL = "internal"
    #: The daemon stops.
    STOP = "stop"


class DialResult(StrEnum):
    """What has become of one attempt at a ConnectTo."""

    #: The connection became active.
    OK = "ok"
    #: Nobody listens there.
    REFUSED = "refused"
    #: No answer to the attempt to connect.
    TIMEOUT = "timeout"
    #: The kernel or a router knows no way there.
    UNREACHABLE = "unreachable"
    #: The name of the Address does not resolve.
    NAME = "name"
    #: The host file cannot be read or has no Address.
    HOST_FILE = "host-file"
    #: The proxy refused, or cannot be reached.
    PROXY = "proxy"
    #: The peer ended the connection in the handshake.
    CLOSED = "closed"
    #: The handshake took longer than PingTimeout.
    AUTH_TIMEOUT = "auth-timeout"
    #: The keys of both sides do not fit: one of both host files has another key.
    WRONG_KEY = "wrong-key"
    #: The other end is somebody else, or speaks another protocol or cipher.
    INCOMPATIBLE = "incompatible"
    #: Another error of the system; the text has its words.
    ERROR = "error"


class PathReason(StrEnum):
    """Why the path to a node is another one."""

    #: The node became reachable or unreachable.
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    #: UDP was tried and works.
    PROBES_ANSWERED = "probes-answered"
    #: UDP probes were not answered any more.
    NO_ANSWER = "no-answer"
    #: The node has given us a key that we can use.
    KEY = "key"
    #: We have no key of the node any more, or none that we can use.
    NO_KEY = "no-key"
    #: The graph leads another way: nexthop or via have changed.
    GRAPH = "graph"
    #: TCPOnly was set or unset on one of both sides.
    OPTIONS = "options"


class Unreachable(StrEnum):
    """Why a node became unreachable."""

    #: Our own connection with the node ended, and there is no other way.
    LINK_DOWN = "link-down"
    #: The node's neighbour has told that their connection ended.
    EDGE_GONE = "edge-gone"
    #: Another node on the only way to it became unreachable.
    CUT_OFF = "cut-off"


class KeyReason(StrEnum):
    """What has become of the key by which we seal for a node."""

    #: The node has given us one that we can use.
    GIVEN = "given"
    #: The node has given us one that we cannot or will not use.
    UNUSABLE = "unusable"
    #: The node has said that it is void, or its numbers are used up.
    VOID = "void"


class SubnetReason(StrEnum):
    """What has become of a subnet."""

    ADDED = "added"
    REMOVED = "removed"
    #: StrictSubnets or TunnelServer keeps it out.
    REFUSED = "refused"


class DropReason(StrEnum):
    """Why a packet went nowhere, as counted.

    ``DropReason.of(text)`` returns the word for the text in the daemon's own tables.
    """

    # Routing.
    TOO_SHORT = "too-short"
    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_DESTINATION = "unknown-destination"
    UNREACHABLE = "unreachable"
    PROHIBITED = "prohibited"
    LOOPING_BACK = "looping-back"
    ROUTING_LOOP = "routing-loop"
    TTL_EXPIRED = "ttl-expired"
    TOO_BIG = "too-big"
    LENGTH_MISMATCH = "length-mismatch"
    BEYOND_LONGEST = "beyond-the-longest-packet"
    FRAGMENTATION_WITH_OPTIONS = "fragmentation-with-options"
    BAD_CHECKSUM = "bad-checksum"
    NOT_FROM_DEVICE = "not-from-the-device"
    ASKS_FOR_US = "asks-for-us"
    # Super-packets of the device.
    BEYOND_TURN = "beyond-a-turn"
    BROKEN_SUPER_PACKET = "broken-super-packet"
    # Sending.
    NO_VALID_KEY = "no-valid-key"
    LARGER_THAN_MTU = "larger-than-the-path-mtu"
    META_FULL = "meta-connection-is-full"
    NO_META = "no-meta-connection"
    SEND_BUFFER_FULL = "send-buffer-is-full"
    # Receiving.
    UNAUTHENTICATED = "unauthenticated"
    UNDECRYPTABLE = "undecryptable"
    LATE = "late-or-replayed"
    FUTURE = "far-in-the-future"
    UNCOMPRESSABLE = "uncompressable"
    UNKNOWN_SOURCE = "unknown-source"
    NO_KEY_FROM_US = "has-no-key-from-us"
    TOO_LONG = "too-long"
    INVALID_SIZE = "invalid-size"
    PROBE_BY_TCP = "probe-over-tcp"
    UNASKED_REPLY = "unasked-probe-reply"

    @classmethod
    def of(cls, text: str) -> DropReason:
        """Return the word for a text under which the data plane counts."""
        return cls(text.lower().replace(" ", "-"))


class ScriptResult(StrEnum):
    """What has become of a script."""

    OK = "ok"
    #: It ended with another status than 0.
    FAILED = "failed"
    #: A signal ended it.
    SIGNALLED = "signalled"
    #: It could not be started.
    NOT_STARTED = "not-started"
    #: Its patience was over while it ran; others run beside it now.
    OVERDUE = "overdue"
    #: There was no room for it to wait.
    LEFT_OUT = "left-out"


class Severity(StrEnum):
    """How bad a problem is."""

    CRITICAL = "critical"
    WARNING = "warning"


class ProblemCode(StrEnum):
    """Everything that can be wrong, each with a paragraph in tincd-compat(8)."""

    ISOLATED = "isolated"
    NO_LINK = "no-link"
    NAME_CONFLICT = "name-conflict"
    DEVICE = "device"
    CONNECT_TO_DOWN = "connect-to-down"
    DATA_OVER_TCP = "data-over-tcp"
    MTU_SHRUNK = "mtu-shrunk"
    NO_DATA = "no-data"
    FLAPPING = "flapping"
    RELOAD_FAILED = "reload-failed"
    PLAINTEXT = "plaintext"
    WEAK_CIPHER = "weak-cipher"
    OLD_PEER = "old-peer"
    DUPLICATE_SUBNET = "duplicate-subnet"
    SUBNET_REFUSED = "subnet-refused"
    ONE_WAY_EDGE = "one-way-edge"
    ONLY_WAY = "only-way"
    STORM = "storm"
    QUEUE = "queue"
    AUTH_FAILS = "auth-fails"
    SCRIPT_FAILED = "script-failed"
    SCRIPT_SLOW = "script-slow"
    UDP_BUFFER = "udp-buffer"
    PYTHON_PATH = "python-path"
    CLOCK = "clock"
    LOG_SUPPRESSED = "log-suppressed"

    @property
    def severity(self) -> Severity:
        """How bad the problem is, whenever it is there."""
        return Severity.CRITICAL if self in CRITICAL else Severity.WARNING


CRITICAL: Final = frozenset(
    {
        ProblemCode.ISOLATED,
        ProblemCode.NO_LINK,
        ProblemCode.NAME_CONFLICT,
        ProblemCode.DEVICE,
    }
)


class CheckName(StrEnum):
    """The checks of an explanation, in the order of the packet's way.

    The daemon makes all but the first two, which are of the host: the command adds
    those.
    """

    #: The kernel's route for the address leads to our device.
    KERNEL_ROUTE = "kernel-route"
    #: The device is there and up.
    DEVICE = "device"
    #: A node has announced a subnet that contains the address.
    SUBNET = "subnet"
    #: One node alone owns it.
    OWNER = "owner"
    #: Neither StrictSubnets nor TunnelServer keeps out what the node announces.
    POLICY = "policy"
    #: The node is known and reachable.
    REACHABLE = "reachable"
    #: The next hop and the relay on the way.
    ROUTE = "route"
    #: Both sides allow UDP: no TCPOnly, no IndirectData.
    OPTIONS = "options"
    #: The next UDP hop has given us a key that encrypts and that we can use.
    KEY = "key"
    #: An address of the next UDP hop is known.
    ADDRESS = "address"
    #: Its probes are answered, which says that UDP works in both directions.
    PROBES = "probes"
    #: Its datagrams arrive here.
    ARRIVES = "arrives"
    #: The path carries packets of the usual size.
    MTU = "mtu"
    #: What waits for the next hop over TCP is taken.
    QUEUE = "queue"


class CheckResult(StrEnum):
    """The result of a check."""

    OK = "ok"
    #: Here is the cause, or a further one after the first.
    HERE = "here"
    #: Does not apply, or cannot be told because of an earlier finding.
    SKIPPED = "skipped"


class Cause(StrEnum):
    """What an explanation names as the cause."""

    KERNEL_ROUTE = "kernel-route"
    DEVICE_DOWN = "device-down"
    NO_SUBNET = "no-subnet"
    DUPLICATE_SUBNET = "duplicate-subnet"
    SUBNET_REFUSED = "subnet-refused"
    NO_SUCH_NODE = "no-such-node"
    #: A ConnectTo fails: see :class:`DialResult` for the words.
    NAME_UNRESOLVED = "name-unresolved"
    PORT_CLOSED = "port-closed"
    DIAL_TIMEOUT = "dial-timeout"
    HOST_FILE = "host-file"
    WRONG_KEY = "wrong-key"
    DIAL_FAILED = "dial-failed"
    #: Another node on the only way is gone.
    HUB_LOST = "hub-lost"
    ONE_WAY_EDGE = "one-way-edge"
    NOT_CONNECTED = "not-connected"
    TCPONLY_HERE = "tcponly-here"
    TCPONLY_THERE = "tcponly-there"
    INDIRECT_HERE = "indirect-here"
    INDIRECT_THERE = "indirect-there"
    NO_KEY = "no-key"
    UNUSABLE_KEY = "unusable-key"
    PLAINTEXT = "plaintext"
    NO_ADDRESS = "no-address"
    #: Ours do not reach the node; the node's do reach us.
    UDP_LOST_OUTWARD = "udp-lost-outward"
    #: Nothing comes from the node by UDP; ours may or may not reach it.
    UDP_LOST = "udp-lost"
    PROBING = "probing"
    MTU_BLACK_HOLE = "mtu-black-hole"
    QUEUE_FULL = "queue-full"


class DataPlaneKind(StrEnum):
    """Who moves ordinary packets."""

    COMPILED = "compiled"
    PYTHON = "python"


class PythonReason(StrEnum):
    """Why Python moves ordinary packets, and not compiled code."""

    #: The compiled half was not built, or the system has no OpenSSL 3 for it.
    NOT_BUILT = "not-built"
    #: TINCD_COMPAT_PURE is set in the environment of tincd.
    SWITCHED_OFF = "switched-off"
    #: The device is none of /dev/net/tun, or a tap in router mode.
    DEVICE = "device"
    #: Mode is hub.
    MODE = "mode"


class Direction(StrEnum):
    """Seen from this host."""

    SENT = "sent"
    RECEIVED = "received"


class OpenedBy(StrEnum):
    """Who has opened a meta connection: we have dialled, or the peer."""

    US = "us"
    PEER = "peer"


class Carrier(StrEnum):
    """How the bytes of packets have left or reached this host."""

    UDP = "udp"
    TCP = "tcp"


class PingResult(StrEnum):
    """What became of a ping."""

    ANSWERED = "answered"
    #: No answer has come in time.
    LOST = "lost"
    #: Nothing was sent: the node cannot be reached.
    UNREACHABLE = "unreachable"
    #: Nothing was sent: others pass packets on to the node, but no probe.
    RELAYED = "relayed"
    #: No probe was sent: the node has given no key yet, and is asked for one.
    NO_KEY = "no-key"
    #: Nothing was sent: the node is this one.
    SELF = "self"


class FailureCode(StrEnum):
    """Why a request on the socket was not answered with a record."""

    BAD_REQUEST = "bad-request"
    NOT_FOUND = "not-found"
    NOT_ALLOWED = "not-allowed"
    WRONG_METHOD = "wrong-method"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    TOO_SLOW = "too-slow"
    NOT_READY = "not-ready"
    #: A fault of tincd itself, about which its log says more.
    INTERNAL = "internal"
