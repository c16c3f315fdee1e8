"""Settings of our own node, typed, defaulted and made consistent.

The collection behind them is that of tinc.conf, conf.d, hosts/NAME and ``-o`` together.
A reload reads everything again, our own host file included, and takes over what may
change while the daemon runs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from tincd_compat import logs
from tincd_compat.addresses import Subnet, valid_name
from tincd_compat.config import parser
from tincd_compat.config.parser import Config, Entry, Options, options_for
from tincd_compat.config.values import AddressFamily, ProcessPriority, Proxy, refusal
from tincd_compat.config.variables import VARIABLES, Scope, read_variables
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError
from tincd_compat.modes import BroadcastMode, Forwarding, Mode

#: Seconds that stand for "never" when PingInterval is below 1.
_PING_NEVER: Final = 86400
#: The byte order mark that some editors put in front of a file.
BYTE_ORDER_MARK: Final = "\ufeff"
_HIDDEN: Final = "a byte order mark hides it; save the file without that mark"
#: Longest host name that ``Name = $HOST`` accepts, in bytes.
_MAX_HOSTNAME: Final = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every variable that counts for our own node; None means "not set"."""

    name: str
    """The name of this node."""
    address_family: AddressFamily = AddressFamily.ANY
    """Address family of listening sockets and of all name lookups."""
    bind_to_address: tuple[tuple[str | None, str | None], ...] = ()
    """Address and port of each listening socket; None is any, or Port."""
    bind_to_interface: str | None = None
    """Network interface that sockets are bound to."""
    broadcast: BroadcastMode = BroadcastMode.MST
    """How broadcast packets reach the other nodes."""
    cipher: str = "aes-256-cbc"
    """Cipher of packets towards us, or ``none``."""
    clamp_mss: bool = True
    """Whether the MSS of TCP segments is lowered to what the path carries."""
    compression: int = 0
    """Level for packets towards us: 0 off, 1 to 9 zlib (fast to thorough), 10 LZO fast,
    11 LZO thorough, 12 to 33 zstd of level 1 to 22.  Nodes that do not know zstd, every
    tincd 1.0 among them, are asked for 10 in place of 12 to 14 and for 9 above that."""
    connect_to: tuple[str, ...] = ()
    """Nodes to keep a meta connection with."""
    control_group: str = "tinc"
    """Group whose members may look through the control socket, if there is one."""
    control_socket: str = "yes"
    """Where operators ask: ``yes`` is beside the pid file, ``no`` is nowhere."""
    decrement_ttl: bool = False
    """Whether the TTL of forwarded packets is decremented."""
    device: str | None = None
    """The virtual network device."""
    device_type: str | None = None
    """Kind of device; by default tun in router mode and tap otherwise."""
    digest: str = "sha256"
    """Digest that authenticates packets towards us, or ``none``."""
    direct_only: bool = False
    """Whether packets that another node would have to forward are dropped."""
    ed25519_private_key_file: str | None = None
    """File of the Ed25519 key; by default ed25519_key.priv."""
    event_history: int = 1000
    """Events that are remembered for operators."""
    experimental_protocol: bool | None = None
    """Whether protocol 17.7 is spoken; by default if there is an Ed25519 key."""
    forwarding: Forwarding = Forwarding.INTERNAL
    """Who forwards packets that are neither from nor for us."""
    free_bind: bool = False
    """Whether BindToAddress may name an address that no interface has yet."""
    graph_dump_file: str | None = None
    """File for the graph of the network, or ``|`` and a shell command."""
    health_hold_off: int = 60
    """Seconds that something has to last before it counts as a problem."""
    hostnames: bool = False
    """Whether addresses in log lines are resolved to names."""
    iff_one_queue: bool = False
    """A flag of the tun device without effect on current kernels."""
    indirect_data: bool = False
    """Whether only direct neighbours may send us packets without a detour."""
    interface: str | None = None
    """Name wanted for the virtual interface."""
    key_expire: int = 3600
    """Seconds after which packet keys are renewed."""
    learn_keys: bool = True
    """Whether a node may say its Ed25519 key over others, if its host file does not."""
    local_discovery: bool = False
    """Whether peers in the local network are looked for by broadcast."""
    mac_expire: int = 600
    """Seconds after which learned MAC addresses are forgotten."""
    maclength: int = 4
    """Bytes of the authentication code of packets towards us."""
    max_output_buffer_size: int = 15180
    """Queued bytes from which on packets tunnelled over TCP are dropped."""
    max_timeout: int = 900
    """Longest pause in seconds between two attempts to connect."""
    min_timeout: int = 0
    """Shortest pause in seconds between two attempts to connect."""
    mode: Mode = Mode.ROUTER
    """What packets are routed by."""
    ping_interval: int = 60
    """Seconds of silence after which a peer is asked for a sign of life."""
    ping_timeout: int = 5
    """Seconds a peer may take to answer; never more than the interval."""
    pmtu: int | None = None
    """Upper bound for the path MTU a link starts with."""
    pmtu_discovery: bool = True
    """Whether path MTUs are searched; off by default with TCPOnly."""
    port: str = "655"
    """Port to listen on: a number or the name of a service."""
    port_set: bool = False
    """Whether Port was given; otherwise BindToAddress may supply what is announced."""
    priority_inheritance: bool = False
    """Whether TOS and traffic class are copied to the outer packet."""
    private_key: str | None = field(default=None, repr=False)
    """Private exponent in hexadecimal (obsolete)."""
    private_key_file: str | None = None
    """File of the private key; by default rsa_key.priv."""
    process_priority: ProcessPriority | None = None
    """Scheduling priority of the daemon."""
    proxy: Proxy | None = None
    """Proxy for outgoing meta connections."""
    public_key: str | None = None
    """Modulus in hexadecimal that belongs to ``private_key`` (obsolete)."""
    replay_window: int = 16
    """Bytes of the window against replayed packets, 8 packets each; 0 is off."""
    scripts_interpreter: str | None = None
    """Program that runs the scripts."""
    strict_subnets: bool = False
    """Whether only the subnets in our own host files are believed."""
    subnets: tuple[Subnet, ...] = ()
    """Subnets this node serves."""
    tcp_only: bool = False
    """Whether packets travel over the meta connections only."""
    tun_gro: bool = True
    """Whether segments of one flow may go to the device in one piece."""
    tun_tso: bool | None = None
    """Whether segments of one flow may come from the device in one piece.

    None leaves it to us.
    """
    tunnel_server: bool = False
    """Whether knowledge about other nodes is kept from our peers."""
    udp_gro: bool = True
    """Whether datagrams of one peer may be received in one piece."""
    udp_gso: bool = True
    """Whether datagrams for one peer may be sent in one piece."""
    udp_keepalive: int | None = None
    """Seconds between keepalive probes on UDP; 0 is never, None leaves it to us."""
    udp_rcvbuf: int | None = None
    """Size of the receive buffer of UDP sockets in bytes."""
    udp_sndbuf: int | None = None
    """Size of the send buffer of UDP sockets in bytes."""
    vde_group: str | None = None
    """Group of a VDE switch; kept for completeness."""
    vde_port: int = 0
    """Port of a VDE switch; kept for completeness."""

    def reloaded(self, new: Settings) -> Settings:
        """Return these settings with what a SIGHUP makes effective from ``new``."""
        changed = {
            variable.field: getattr(new, variable.field)
            for variable in VARIABLES.values()
            if variable.reload
        }
        return dataclasses.replace(self, **changed)


@dataclass(frozen=True, slots=True)
class Suites:
    """Names of ciphers and digests, handed in by the daemon: config knows no algorithm.

    ``is_cipher`` tells whether a name is known; ``digest_size`` returns bytes, or None
    for an unknown name.  Neither is asked about ``none``.  ``warnings`` returns what an
    administrator should know of a cipher, digest and MACLength; it names ``none`` as it
    stands in the configuration.
    """

    is_cipher: Callable[[str], bool]
    digest_size: Callable[[str], int | None]
    warnings: Callable[[str, str, int], Sequence[str]] = lambda *suite: ()


def _from_environment(
    variable: str, environment: Mapping[str, str], hostname: str
) -> str | None:
    value = environment.get(variable)
    if value is None and variable == "HOST":
        value = hostname
        if len(value.encode("utf-8", "surrogateescape")) > _MAX_HOSTNAME:
            logs.always.error("Could not get hostname: File name too long")
            return None
    if value is None:
        text = "Invalid Name: environment variable %s does not exist"
        logs.always.error(text, variable)
        return None
    replaced = re.sub(rb"[^A-Za-z0-9]", b"_", value.encode("utf-8", "surrogateescape"))
    return replaced.decode("ascii")


def find_name(
    config: Config, environment: Mapping[str, str], hostname: str
) -> str | None:
    """Return the name of this node, or None after logging why there is none.

    ``Name = $VAR`` takes it from the environment, with ``_`` for what a name must not
    contain; ``$HOST`` falls back to the host name.
    """
    entry = config.first("Name")
    if entry is None:
        return None
    name: str | None = entry.value
    if entry.value.startswith("$"):
        name = _from_environment(entry.value[1:], environment, hostname)
    if name is not None and not valid_name(name):
        logs.always.error("Invalid name for myself!")
        return None
    return name


def resolve_name(config: Config, environment: Mapping[str, str], hostname: str) -> str:
    """Return the name of this node; ConfigError if there is none."""
    name = find_name(config, environment, hostname)
    if name is not None:
        return name
    message = "Name for tinc daemon required!"
    advice = "letters, digits and underscores make a name"
    entry = config.first("Name")
    if entry is None:
        entry = config.first(f"{BYTE_ORDER_MARK}Name")
        if entry is not None:
            entry = dataclasses.replace(entry, variable="Name")
            raise refusal(message, entry, _HIDDEN)
        raise ConfigError(f"{message} (put `Name = NAME' into tinc.conf: {advice})")
    raise refusal(message, entry, advice)


def _imply(values: dict[str, Any]) -> None:
    """Add what one variable says about another that may be unset."""
    values["port_set"] = "port" in values
    if values.get("tcp_only"):
        values["indirect_data"] = True
        values.setdefault("pmtu_discovery", False)
    if values.get("tunnel_server"):
        values["strict_subnets"] = True
    values["connect_to"] = tuple(dict.fromkeys(values.get("connect_to", ())))


def _checked_ping_timeout(settings: Settings, interval: int) -> int:
    timeout = settings.ping_timeout
    return timeout if 1 <= timeout <= interval else interval


def _checked_min_timeout(settings: Settings) -> int:
    shortest, longest = settings.min_timeout, settings.max_timeout
    if shortest > longest:
        logs.always.warning(
            "Minimum timeout (%d s) cannot be larger than maximum timeout (%d s). "
            "Correcting !",
            shortest,
            longest,
        )
    return min(shortest, longest)


def _refusal(message: str, entry: Entry | None, advice: str) -> ConfigError:
    """Return the error about a value that may also be the default."""
    return refusal(message, entry, advice) if entry else ConfigError(message)


def _checked_cipher(settings: Settings, config: Config, suites: Suites) -> str:
    cipher = settings.cipher
    if cipher.lower() == "none":
        return "none"
    if not suites.is_cipher(cipher):
        advice = f"`{cipher}' is neither `none' nor a cipher known here"
        raise _refusal("Unrecognized cipher type!", config.first("Cipher"), advice)
    return cipher


def _checked_digest(settings: Settings, config: Config, suites: Suites) -> str:
    digest, maclength = settings.digest, settings.maclength
    if digest.lower() == "none":
        # MACLength does not count without a digest, and any number is fine.
        return "none"
    size = suites.digest_size(digest)
    if size is None:
        advice = f"`{digest}' is neither `none' nor a digest known here"
        raise _refusal("Unrecognized digest type!", config.first("Digest"), advice)
    advice = f"{digest} allows 0 to {size} bytes"
    if maclength > size:
        message = "MAC length exceeds size of digest!"
        raise _refusal(message, config.first("MACLength"), advice)
    if maclength < 0:
        raise _refusal("Bogus MAC length!", config.first("MACLength"), advice)
    return digest


def load_settings(config: Config, name: str, suites: Suites) -> Settings:
    """Return the settings of node ``name`` from its complete collection.

    ConfigError for a value with which tincd does not start; any other bad value is
    logged and leaves the default in force.
    """
    values = read_variables(config, Scope.OWN)
    _imply(values)
    settings = Settings(name=name, **values)
    interval = settings.ping_interval if settings.ping_interval >= 1 else _PING_NEVER
    return dataclasses.replace(
        settings,
        ping_interval=interval,
        ping_timeout=_checked_ping_timeout(settings, interval),
        min_timeout=_checked_min_timeout(settings),
        cipher=_checked_cipher(settings, config, suites),
        digest=_checked_digest(settings, config, suites),
    )


def complete_settings(
    entries: Sequence[Entry],
    directory: Path,
    options: Options,
    suites: Suites,
    *,
    environment: Mapping[str, str],
    hostname: str,
) -> Settings:
    """Add our own host file to the ``entries`` of tinc.conf and read the whole.

    ConfigError if we cannot start with that.
    """
    name = resolve_name(Config(entries), environment, hostname)
    given = options_for(options, name)
    own = parser.read_own_host_config(directory, name, given)
    return load_settings(Config([*entries, *own]), name, suites)


def name_for_keys(
    directory: Path,
    options: Options,
    *,
    environment: Mapping[str, str],
    hostname: str,
) -> str | None:
    """Return our name if tinc.conf gives one; errors are logged and stop nothing."""
    try:
        entries = parser.read_server_config(directory, options_for(options, None))
    except parser.IncompleteConfigError as error:
        logs.always.error("%s", error)
        entries = error.entries
    return find_name(Config(entries), environment, hostname)
