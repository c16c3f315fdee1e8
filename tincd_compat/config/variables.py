"""The table of configuration variables and how it is applied to a collection.

``OWN`` variables count in tinc.conf, conf.d, our own host file and on the command
line, ``PEER`` variables in the host file of the peer they describe.  A variable that is
not in the table is never an error: other versions and platforms know more of them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag
from typing import Any, Final, TypeVar

from tincd_compat import logs, modes
from tincd_compat.config import values
from tincd_compat.config.parser import Config, Entry
from tincd_compat.config.values import bounded, one_of
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

E = TypeVar("E", bound=Enum)

#: Values of DeviceType that a tincd for Linux without VDE knows.
DEVICE_TYPES: Final = ("tun", "tap", "dummy", "raw_socket", "multicast", "uml")

#: Events that are remembered for operators at most.
MAX_EVENT_HISTORY: Final = 100_000


class Scope(Flag):
    """Whose collection of settings a variable is looked up in."""

    OWN = 1
    PEER = 2


@dataclass(frozen=True, slots=True)
class Variable:
    """How one variable is read, and into which field.

    ``multiple`` variables collect all their values in a tuple.  ``reload`` marks those
    of our own that are looked up when used, so that SIGHUP makes a new value effective.
    """

    field: str
    setter: Callable[[Entry], object]
    scope: Scope = Scope.OWN
    multiple: bool = False
    reload: bool = False


#: Variables that describe one node, for its host file.  Copies of that file are kept by
#: all others, so those of them that only count for ourselves are at home there too.
HOST_VARIABLES: Final = frozenset(
    {
        "Address",
        "Cipher",
        "ClampMSS",
        "Compression",
        "Digest",
        "Ed25519PublicKey",
        "Ed25519PublicKeyFile",
        "IndirectData",
        "MACLength",
        "PMTU",
        "PMTUDiscovery",
        "Port",
        "PublicKey",
        "PublicKeyFile",
        "Subnet",
        "TCPOnly",
        "Weight",
    }
)


def _members(enum: type[E]) -> dict[str, E]:
    return {member.name.lower(): member for member in enum}


_BOTH: Final = Scope.OWN | Scope.PEER
_BROADCAST: Final = {**_members(modes.BroadcastMode), "yes": modes.BroadcastMode.MST}

# Name is missing: it is needed before the collection is complete (resolve_name).
VARIABLES: Final[dict[str, Variable]] = {
    "Address": Variable("addresses", values.host_and_port, Scope.PEER, multiple=True),
    "AddressFamily": Variable(
        "address_family",
        one_of("Invalid address family!", _members(values.AddressFamily)),
    ),
    "BindToAddress": Variable("bind_to_address", values.bind_address, multiple=True),
    "BindToInterface": Variable("bind_to_interface", values.string, reload=True),
    "Broadcast": Variable("broadcast", one_of("Invalid broadcast mode!", _BROADCAST)),
    "Cipher": Variable("cipher", values.string),
    "ClampMSS": Variable("clamp_mss", values.boolean, _BOTH),
    "Compression": Variable("compression", bounded("Bogus compression level!", 0, 33)),
    "ConnectTo": Variable("connect_to", values.node_name, multiple=True, reload=True),
    "ControlGroup": Variable("control_group", values.string, reload=True),
    "ControlSocket": Variable("control_socket", values.yes_no_or_path, reload=True),
    "DecrementTTL": Variable("decrement_ttl", values.boolean),
    "Device": Variable("device", values.string),
    "DeviceType": Variable(
        "device_type",
        one_of(
            "Unknown device type {value}!",
            {word: word for word in DEVICE_TYPES},
            {"vde": "VDE is not supported, neither here nor by Debian's tincd"},
        ),
    ),
    "Digest": Variable("digest", values.string),
    "DirectOnly": Variable("direct_only", values.boolean),
    "Ed25519PrivateKeyFile": Variable("ed25519_private_key_file", values.string),
    "Ed25519PublicKey": Variable("ed25519_public_key", values.string, Scope.PEER),
    "Ed25519PublicKeyFile": Variable(
        "ed25519_public_key_file", values.string, Scope.PEER
    ),
    "EventHistory": Variable(
        "event_history",
        bounded("Bogus event history!", 0, MAX_EVENT_HISTORY),
        reload=True,
    ),
    "ExperimentalProtocol": Variable("experimental_protocol", values.boolean),
    "Forwarding": Variable(
        "forwarding", one_of("Invalid forwarding mode!", _members(modes.Forwarding))
    ),
    "FreeBind": Variable("free_bind", values.boolean),
    "GraphDumpFile": Variable("graph_dump_file", values.string, reload=True),
    "HealthHoldOff": Variable(
        "health_hold_off",
        bounded("HealthHoldOff cannot be negative!", 0),
        reload=True,
    ),
    "Hostnames": Variable("hostnames", values.boolean),
    "IffOneQueue": Variable("iff_one_queue", values.boolean),
    "IndirectData": Variable("indirect_data", values.boolean, _BOTH),
    "Interface": Variable("interface", values.string),
    "KeyExpire": Variable("key_expire", values.integer),
    "LearnKeys": Variable("learn_keys", values.boolean),
    "LocalDiscovery": Variable("local_discovery", values.boolean),
    "MACExpire": Variable("mac_expire", values.integer),
    "MACLength": Variable("maclength", values.integer),
    "MaxOutputBufferSize": Variable("max_output_buffer_size", values.integer),
    "MaxTimeout": Variable("max_timeout", bounded("Bogus maximum timeout!", 1)),
    "MinTimeout": Variable("min_timeout", bounded("Bogus minimum timeout!", 0)),
    "Mode": Variable("mode", one_of("Invalid routing mode!", _members(modes.Mode))),
    "PMTU": Variable("pmtu", values.integer, _BOTH, reload=True),
    "PMTUDiscovery": Variable("pmtu_discovery", values.boolean),
    "PingInterval": Variable("ping_interval", values.integer),
    "PingTimeout": Variable("ping_timeout", values.integer),
    "Port": Variable("port", values.string, _BOTH),
    "PriorityInheritance": Variable("priority_inheritance", values.boolean),
    "PrivateKey": Variable("private_key", values.string),
    "PrivateKeyFile": Variable("private_key_file", values.string),
    "ProcessPriority": Variable(
        "process_priority",
        one_of("Invalid priority `{value}`!", _members(values.ProcessPriority)),
    ),
    "Proxy": Variable("proxy", values.proxy),
    "PublicKey": Variable("public_key", values.string, _BOTH),
    "PublicKeyFile": Variable("public_key_file", values.string, Scope.PEER),
    "ReplayWindow": Variable(
        "replay_window", bounded("ReplayWindow cannot be negative!", 0)
    ),
    "ScriptsInterpreter": Variable("scripts_interpreter", values.string, reload=True),
    "StrictSubnets": Variable("strict_subnets", values.boolean),
    "Subnet": Variable("subnets", values.subnet, _BOTH, multiple=True),
    "TCPOnly": Variable("tcp_only", values.boolean, _BOTH),
    "TunGRO": Variable("tun_gro", values.boolean),
    "TunTSO": Variable("tun_tso", values.boolean),
    "TunnelServer": Variable("tunnel_server", values.boolean),
    "UDPGRO": Variable("udp_gro", values.boolean),
    "UDPGSO": Variable("udp_gso", values.boolean),
    "UDPKeepalive": Variable(
        "udp_keepalive", bounded("UDPKeepalive cannot be negative!", 0)
    ),
    "UDPRcvBuf": Variable("udp_rcvbuf", bounded("UDPRcvBuf cannot be negative!", 1)),
    "UDPSndBuf": Variable("udp_sndbuf", bounded("UDPSndBuf cannot be negative!", 1)),
    "VDEGroup": Variable("vde_group", values.string),
    "VDEPort": Variable("vde_port", values.integer),
    "Weight": Variable("weight", values.integer, Scope.PEER),
}


def _apply(variable: Variable, entries: list[Entry], tolerant: bool) -> list[Any]:
    """Return the values of some entries without those that count as not set."""
    found: list[Any] = []
    for entry in entries:
        try:
            value = variable.setter(entry)
        except ConfigError as error:
            if not tolerant:
                raise
            logs.always.error("%s", error)
            continue
        if value is not None:
            found.append(value)
    return found


def read_variables(config: Config, scope: Scope) -> dict[str, Any]:
    """Return field → value for every variable of ``scope`` that is set and valid.

    A fatal value raises ConfigError in our own collection.  A peer's file must not stop
    us: there it is logged and skipped.
    """
    fields: dict[str, Any] = {}
    for name, variable in VARIABLES.items():
        entries = config.all(name)
        if scope not in variable.scope or not entries:
            continue
        # A bad first value does not let the second one in: the default applies.
        chosen = entries if variable.multiple else entries[:1]
        found = _apply(variable, chosen, tolerant=scope is Scope.PEER)
        if variable.multiple:
            fields[variable.field] = tuple(found)
        elif found:
            fields[variable.field] = found[0]
    return fields
