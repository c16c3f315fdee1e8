"""What the daemon hands in: plain values, and callables only where a table is large.

``daemon/`` makes a :class:`Views` for each look.  All of :mod:`.tables`,
:mod:`.problems`, :mod:`.paths` and :mod:`.explain` are functions of it.  The mesh is
only read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.modes import Mode
from tincd_compat.observe.records import (
    Event,
    Key,
    LinkRecord,
    SuiteRecord,
    TrafficRecord,
)
from tincd_compat.observe.summary import ConnectTo, Counters
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import (
    AddressSource,
    DataPlaneKind,
    ProbePhase,
    PythonReason,
    ScriptResult,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelView:
    """The tunnel of one node; a node without a tunnel has no view.

    All about UDP straight to that node; times by the wall clock.
    """

    #: A frame can be sealed for the node: it has given us a key, not used up.
    valid_key: bool
    #: The key that its last ANS_KEY brought, also where we cannot use it.
    key: Key | None = None
    #: Why that key cannot be used, in words; None if it can, or there is none.
    unusable: str | None = None
    #: When we have asked for a key without an answer yet; None if we have not.
    requested: Time | None = None
    #: When we have made the key that the node seals with.
    own_key_since: Time | None = None
    #: Path MTU discovery, as in ``tunnel/pmtu.py``.
    phase: ProbePhase = ProbePhase.OFF
    min_mtu: int = 0
    max_mtu: int = 1518
    probes_sent: int | None = None
    probes_answered: int | None = None
    last_probe: Time | None = None
    last_answer: Time | None = None
    #: Round trip of probes in seconds, smoothed and last.
    rtt: float | None = None
    rtt_last: float | None = None
    #: When the last datagram came that passed MAC and replay window.
    last_packet: Time | None = None
    sent: TrafficRecord | None = None
    received: TrafficRecord | None = None
    #: Where ``Node.address`` is known from.
    address_from: AddressSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSubnet:
    """A subnet that a node announces and that does not count here."""

    owner: str
    #: tinc's text, with weight.
    subnet: str
    #: The variable that keeps it out: ``StrictSubnets`` or ``TunnelServer``.
    by: str
    since: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptView:
    """A script by its file's name, as ``host-up``: the last run, or the present one."""

    name: str
    #: None while the first run goes on.
    result: ScriptResult | None = None
    #: When the last run ended.
    ended: Time | None = None
    #: What it ended with, in words: ``exit status 3``.
    text: str = ""
    #: Since when one goes on; None if none does.
    running_since: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What the daemon knows of itself."""

    net: str | None
    name: str
    version: str
    pid: int
    mode: Mode
    data_plane: DataPlaneKind
    started: Time
    reloaded: Time | None = None
    reload_ok: bool | None = None
    reload_error: str | None = None
    interface: str | None = None
    #: The folder of the configuration, as commands for the administrator name it.
    folder: str = "/etc/tinc"
    port: int | None = None
    debug_level: int | None = None
    #: Cipher, Digest, MACLength and Compression of our own configuration.
    suite: SuiteRecord | None = None
    rsa_bits: int | None = None
    #: The option bits of our own configuration, see ``options.py``.
    options: int = 0
    strict_subnets: bool = False
    tunnel_server: bool = False
    ping_interval: float = 60.0
    ping_timeout: float = 5.0
    #: HealthHoldOff.
    hold_off: float = 60.0
    #: Since when another node uses our name; None if none seems to.
    name_conflict: Time | None = None
    #: Why the device does not work, in words; None if it does.
    device_error: str | None = None
    #: Why Python moves packets; None if it does not, or as long as nobody does.
    python_why: PythonReason | None = None
    #: Bytes of the receive buffers of UDP sockets, as asked for and as granted.
    udp_buffer_wanted: int | None = None
    udp_buffer_granted: int | None = None
    #: Datagrams that the kernel had no room for; None if it does not say.
    udp_lost: int | None = None
    #: Seconds by which the wall clock was set last, and when; None if it was not.
    clock_step: float | None = None
    clock_set: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHistory:
    """What is remembered of a node; see :class:`.paths.Paths`."""

    #: Since when its path is what it is.
    since: Time | None = None
    #: How often it became reachable or unreachable.
    changes: int = 0
    #: How often lately, and since when that is counted.
    lately: int = 0
    lately_since: Time | None = None
    #: The longest frame that its path has carried since the node is reachable.
    best_mtu: int = 0
    #: Packets sent to the node, straight and by UDP or TCP, since the last one came
    #: from it, and when the first of them was seen; 0 and None if it has answered.
    unanswered: int = 0
    unanswered_since: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """One look at the daemon."""

    #: The time of the look.
    now: Time
    own: Own
    mesh: Mesh
    #: The tunnel of a node, None if it has none; makes none.
    tunnel: Callable[[Node], TunnelView | None]
    #: What is remembered of a node.
    history: Callable[[Node], NodeHistory]
    #: The active link with a node.
    link: Callable[[Node], LinkRecord | None]
    #: All links, also those in the handshake, one by one.
    links: Callable[[], Iterable[LinkRecord]]
    #: How many active links there are.
    active_links: int
    #: Each ConnectTo in the order of tinc.conf, made from the dialer's tasks.
    connect_to: Sequence[ConnectTo]
    #: Makes the counters, in steps.
    count: Callable[[], Generator[None, None, Counters]]
    #: The last events of a node, the newest first, at most so many.
    events: Callable[[str, int], Sequence[Event]]
    #: The number of the last event.
    last_event: int = 0
    #: Subnets that do not count here, a bounded number.
    refused: Sequence[RefusedSubnet] = ()
    #: Scripts that have run or run, by name.
    scripts: Sequence[ScriptView] = ()
