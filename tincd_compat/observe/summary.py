"""Records of the daemon as a whole: its state and its counters."""

from __future__ import annotations

from dataclasses import field

from tincd_compat.dataclass import dataclass
from tincd_compat.modes import Mode
from tincd_compat.observe.codec import Record
from tincd_compat.observe.records import (
    SCHEMA,
    Address,
    Problem,
    SuiteRecord,
)
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import (
    Carrier,
    DataPlaneKind,
    DialResult,
    Direction,
    DropReason,
    ProblemCode,
    PythonReason,
    ScriptResult,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable(Record):
    """How many other nodes there are, by path; this node is not counted."""

    #: All of them.
    known: int
    #: Straight by UDP.
    udp: int
    #: Straight by TCP.
    tcp: int
    #: By UDP through a relay.
    relay_udp: int
    #: By TCP through others.
    relay_tcp: int
    #: Not reachable.
    none: int
    #: Reachable, but no packet has gone there, so the path is not known.
    idle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectTo(Record):
    """A ConnectTo of tinc.conf, and what becomes of it."""

    #: The node to connect to.
    node: str
    #: Whether there is an active link with it.
    up: bool
    #: Since when it is up, or fails; null before the first attempt is over.
    since: Time | None = None
    #: The result of the last attempt.
    last: DialResult | None = None
    #: The last failure in words; null if the last attempt went well.
    error: str | None = None
    #: Where the last attempt went.
    address: Address | None = None
    #: When the last attempt ended.
    last_at: Time | None = None
    #: When the next one is planned; null while it is up or one is under way.
    next_at: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRecord(Record):
    """The daemon and its mesh in one object."""

    #: The number of this contract.
    schema: int = SCHEMA
    #: The name of the net; null for the one without a name.
    net: str | None
    #: The name of this node.
    name: str
    #: The version of tincd-compat.
    version: str
    #: The process ID of the daemon.
    pid: int
    #: The Mode variable.
    mode: Mode
    #: Who moves ordinary packets.
    data_plane: DataPlaneKind
    #: Why Python does; null where compiled code does.
    python_why: PythonReason | None = None
    #: When the daemon started.
    started: Time
    #: When the configuration in force was read.
    reloaded: Time | None = None
    #: Whether the last reload went well; null before the first.
    reload_ok: bool | None = None
    #: What was wrong with it.
    reload_error: str | None = None
    #: The interface of the device, or its path where it has none.
    interface: str | None = None
    #: The port that we say to others.
    port: int | None = None
    #: The debug level in force.
    debug_level: int | None = None
    #: How packets to us are to be sealed: Cipher, Digest, MACLength, Compression.
    suite: SuiteRecord | None = None
    #: Bits of our own RSA key.
    rsa_bits: int | None = None
    #: StrictSubnets.
    strict_subnets: bool = False
    #: TunnelServer.
    tunnel_server: bool = False
    #: Other nodes by path.
    nodes: Reachable
    #: Active links.
    links: int
    #: Directed edges of the graph.
    edges: int
    #: Subnets of all nodes.
    subnets: int
    #: Each ConnectTo, in the order of tinc.conf.
    connect_to: tuple[ConnectTo, ...] = ()
    #: What is wrong, the worst first.
    problems: tuple[Problem, ...] = ()
    #: How many problems there are by code; of each 64 at most are listed.
    problem_counts: dict[ProblemCode, int] = field(default_factory=dict)
    #: The number of the last event, to follow from there.
    last_event: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Record):
    """A distribution of seconds, as Prometheus counts: each bucket has those below."""

    #: Upper bounds in seconds, in ascending order; the last bucket has no bound.
    bounds: tuple[float, ...]
    #: How many were at most the bound, one more number than bounds.
    counts: tuple[int, ...]
    #: Sum of all in seconds.
    sum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRuns(Record):
    """How often scripts of a kind have ended in a way."""

    #: The kind: ``tinc-up``, ``host-up``, ``hosts/NAME-up`` and so on.
    script: str
    #: What has become of them.
    result: ScriptResult
    #: How often.
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DialAttempts(Record):
    """How often attempts at a ConnectTo have ended in a way."""

    #: The node that was to be connected to.
    node: str
    #: What has become of them.
    result: DialResult
    #: How often.
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Record):
    """The daemon as a process; null where the system does not say, as in a chroot."""

    #: Seconds of processor time.
    cpu_seconds: float | None = None
    #: Bytes in memory.
    resident_bytes: int | None = None
    #: Bytes of address space.
    virtual_bytes: int | None = None
    #: Open descriptors.
    open_fds: int | None = None
    #: How many there may be.
    max_fds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters(Record):
    """Everything that is counted since the daemon started; no number ever shrinks.

    Exceptions, which are of the moment: ``queue_bytes`` and ``process``.
    """

    #: The number of this contract.
    schema: int = SCHEMA
    #: When the numbers were read.
    at: Time
    #: Since when they are counted.
    started: Time
    #: Packets that went nowhere, by reason; each reason is there, 0 or not.
    dropped: dict[DropReason, int]
    #: Messages of active links by direction and name of the request, as ``ADD_EDGE``.
    meta_messages: dict[Direction, dict[str, int]]
    #: Bytes of meta connections by direction.
    meta_bytes: dict[Direction, int]
    #: Flooded messages that were known already.
    meta_duplicates: int
    #: Runs of the graph search, and those of them that a storm has put off.
    graph_runs: int
    #: Runs put off.
    graph_runs_deferred: int
    #: Bytes that wait for peers now, all together.
    queue_bytes: int
    #: The most that have waited for one peer.
    queue_bytes_most: int
    #: How late the loop was at what it had planned.
    loop_lag: Histogram
    #: Ends of scripts.
    script_runs: tuple[ScriptRuns, ...]
    #: Ends of attempts at each ConnectTo.
    connect_attempts: tuple[DialAttempts, ...]
    #: Bytes of packets that left or reached this host, by direction and carrier.
    data_bytes: dict[Direction, dict[Carrier, int]]
    #: Packets, likewise.
    data_packets: dict[Direction, dict[Carrier, int]]
    #: Callers whose handshake failed, by the reason as a word of LinkEnd.
    failed_handshakes: dict[str, int]
    #: Lines of the log that were left out: repetitions and floods, or nobody read them.
    log_suppressed: int | None = None
    #: Whether the last reload went well; null before the first.
    reload_ok: bool | None = None
    #: The process.
    process: Process = field(default_factory=Process)
