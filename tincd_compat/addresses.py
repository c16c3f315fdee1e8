"""Value types: node names, socket addresses, MAC addresses and subnets, in tinc's text.

The text forms are those of tinc 1.0.36, which writes subnets in full: prefix and weight
always, IPv6 as eight groups (tinc.conf(5), Subnet).
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import field, replace
from enum import IntEnum
from typing import Final

from tincd_compat.dataclass import dataclass

_NAME = re.compile(r"[A-Za-z0-9_]+")
_DECIMAL = re.compile(r"[ \t]*([+-]?\d+)")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")

DEFAULT_WEIGHT: Final = 10

#: Bytes of an interface name, its final NUL not counted (IFNAMSIZ - 1).
MAX_INTERFACE_NAME: Final = 15

# A name in UTF-8 can have the last of these bytes, which is a blank to the kernel.
_NOT_IN_INTERFACES: Final = frozenset(b"/: \t\n\v\f\r\xa0")


def valid_name(name: str) -> bool:
    """Tell whether ``name`` may name a node: ASCII letters, digits, underscore."""
    return _NAME.fullmatch(name) is not None


def interface_fault(name: str) -> str | None:
    """Return why the kernel takes ``name`` for no interface; None if it does take it.

    What is too long is cut, by tincd itself.
    """
    encoded = os.fsencode(name)[:MAX_INTERFACE_NAME]
    if _NOT_IN_INTERFACES.intersection(encoded):
        return "the name of an interface has no slash, blank or colon"
    if encoded in (b".", b".."):
        return f"`{name}' cannot be the name of an interface"
    if b"%" in encoded and (encoded.count(b"%") > 1 or b"%d" not in encoded):
        return "a `%' in the name of an interface must be the only one, and be `%d'"
    return None


def format_host(packed: bytes) -> str:
    """Return the text of a packed IPv4 or IPv6 address, as inet_ntop writes it."""
    if len(packed) == 4:
        return f"{packed[0]}.{packed[1]}.{packed[2]}.{packed[3]}"
    mapped = packed[:10] == bytes(10) and packed[10:12] in (b"\xff\xff", b"\0\0")
    if mapped and packed[12:14] != b"\0\0":
        prefix = "::ffff:" if packed[10] else "::"
        return prefix + format_host(packed[12:])
    return str(ipaddress.IPv6Address(packed))


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A numeric host and a port.

    What is known of the path there is carried but not compared: the IPv6 scope with the
    name of its interface, and the address of ours that was spoken to from there.
    """

    host: str
    port: int
    scope: int = field(default=0, compare=False)
    interface: str = field(default="", compare=False)
    local: str = field(default="", compare=False)

    @classmethod
    def parse(cls, host: str, port: str) -> SocketAddress | None:
        """Read numeric text, or return None: names and services are not looked up."""
        if not (port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
            return None
        if _IPV4.fullmatch(host):
            # As it should be, and ten times faster than by the library.
            return cls(host, int(port))
        try:
            packed = ipaddress.ip_address(host.partition("%")[0]).packed
        except ValueError:
            return None
        return cls(format_host(packed), int(port))

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    @property
    def packed(self) -> bytes:
        """The host as 4 or 16 bytes."""
        return ipaddress.ip_address(self.host).packed

    @property
    def network(self) -> bytes:
        """What one customer has to himself: the host, or 64 bits of an IPv6 address."""
        return self.packed[:8]

    def with_port(self, port: int) -> SocketAddress:
        return replace(self, port=port)

    def agrees_with(self, known: SocketAddress | None) -> bool:
        """Tell whether a known address is this one, and this names no other path."""
        if known is None or self != known:
            return False
        path = self.scope, self.local
        return path in ((0, ""), (known.scope, known.local))

    def unmapped(self) -> SocketAddress:
        """Return the IPv4 form of an IPv4-mapped IPv6 address, else the same."""
        if self.host.startswith("::ffff:") and "." in self.host:
            return SocketAddress(self.host[7:], self.port)
        return self

    def __str__(self) -> str:
        """The form of tinc's log lines and dumps: ``HOST[%INTERFACE] port PORT``."""
        zone = f"%{self.interface}" if self.interface else ""
        return f"{self.host}{zone} port {self.port}"


def format_mac(mac: bytes) -> str:
    """Return six bytes as tinc 1.0.36 prints them: ``0:1a:2b:3c:4d:5e``."""
    return ":".join(f"{byte:x}" for byte in mac)


class SubnetKind(IntEnum):
    """Address families in tinc's sorting order."""

    MAC = 0
    IPV4 = 1
    IPV6 = 2


@dataclass(frozen=True, slots=True)
class Subnet:
    """A range of addresses with a weight; the owner is kept by whoever stores it.

    ``address`` has 6, 4 or 16 bytes, ``prefix`` counts bits (48 for a MAC address).
    """

    kind: SubnetKind
    address: bytes
    prefix: int
    weight: int = DEFAULT_WEIGHT

    @classmethod
    def parse(cls, text: str) -> Subnet | None:
        """Read ``ADDRESS[/PREFIX][#WEIGHT]``; None if it is not a subnet.

        Bits beyond the prefix are kept: only the configuration refuses them
        (:attr:`has_host_bits`), the wire does not.
        """
        body, mark, weight_text = text.partition("#")
        weight = _whole_number(weight_text) if mark else DEFAULT_WEIGHT
        if weight is None:
            return None
        host, slash, prefix_text = body.partition("/")
        prefix = _whole_number(prefix_text) if slash else None
        if slash and (prefix is None or prefix < 0):
            return None
        return cls._build(host, prefix, _wrap32(weight))

    @classmethod
    def _build(cls, host: str, prefix: int | None, weight: int) -> Subnet | None:
        if (mac := _parse_mac(host)) is not None:
            return None if prefix is not None else cls(SubnetKind.MAC, mac, 48, weight)
        kind, address = SubnetKind.IPV4, _parse_ipv4(host)
        if address is None:
            kind, address = SubnetKind.IPV6, _parse_ipv6(host)
        if address is None:
            return None
        longest = len(address) * 8
        if prefix is None:
            prefix = longest
        return cls(kind, address, prefix, weight) if prefix <= longest else None

    @property
    def has_host_bits(self) -> bool:
        """Whether an address bit beyond the prefix is set."""
        spare = len(self.address) * 8 - self.prefix
        return bool(int.from_bytes(self.address, "big") & ((1 << spare) - 1))

    @property
    def without_host_bits(self) -> Subnet:
        """The subnet that has the address and keeps to its prefix."""
        spare = len(self.address) * 8 - self.prefix
        number = int.from_bytes(self.address, "big") >> spare << spare
        return replace(self, address=number.to_bytes(len(self.address), "big"))

    def contains(self, address: bytes) -> bool:
        """Tell whether a packed address of the same family lies in this subnet."""
        if len(address) != len(self.address):
            return False
        spare = len(address) * 8 - self.prefix
        ours = int.from_bytes(self.address, "big") >> spare
        return int.from_bytes(address, "big") >> spare == ours

    @property
    def sort_key(self) -> tuple[int, int, bytes, int]:
        """tinc's order: family, longer prefix first, address, weight."""
        return (self.kind, -self.prefix, self.address, self.weight)

    @property
    def net(self) -> str:
        """The text without the weight, as scripts get it in ``SUBNET``."""
        if self.kind is SubnetKind.MAC:
            return format_mac(self.address)
        if self.kind is SubnetKind.IPV4:
            return f"{format_host(self.address)}/{self.prefix}"
        groups = (self.address[i : i + 2] for i in range(0, 16, 2))
        text = ":".join(f"{int.from_bytes(group, 'big'):x}" for group in groups)
        return f"{text}/{self.prefix}"

    def __str__(self) -> str:
        return f"{self.net}#{self.weight}"


def _wrap32(value: int) -> int:
    """Reduce to a signed 32-bit number, as the C type does."""
    return (value + 0x80000000) % 0x100000000 - 0x80000000


def _whole_number(text: str) -> int | None:
    """Read C's ``%d`` with nothing after it."""
    match = _DECIMAL.fullmatch(text)
    return int(match[1]) if match and len(text) < 64 else None


def _parse_mac(text: str) -> bytes | None:
    groups = text.split(":")
    if len(groups) != 6 or not all(
        re.fullmatch(r"[0-9A-Fa-f]{1,4}", group) for group in groups
    ):
        return None
    return bytes(int(group, 16) & 0xFF for group in groups)


def _parse_ipv4(text: str) -> bytes | None:
    groups = text.split(".")
    if len(groups) != 4 or not all(
        re.fullmatch(r"\+?[0-9]{1,9}", group) for group in groups
    ):
        return None
    values = [int(group) for group in groups]
    return bytes(values) if max(values) <= 255 else None


def _parse_ipv6(text: str) -> bytes | None:
    if "%" in text:
        return None
    try:
        return ipaddress.IPv6Address(text).packed
    except ValueError:
        return None
