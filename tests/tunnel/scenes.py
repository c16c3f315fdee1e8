"""Meshes in all states that matter to a short cut, and frames to send through them."""

from __future__ import annotations

import dataclasses
import ipaddress
import struct

from tests.tunnel.world import DEFAULT, World
from tincd_compat.modes import BroadcastMode, Forwarding, Mode
from tincd_compat.routing.headers import Buffer
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import DeliveryPolicy

MSS = b"\x02\x04\x05\xb4"
TIMESTAMPS = b"\x01\x01\x08\x0a\x02\x04\x05\xb4\x02\x04\x05\xb4"

#: The stations of a, b, c and d, one behind nobody, one that b and c own, everybody.
STATIONS = [
    bytes.fromhex(f"0200000000{number}")
    for number in ("01", "02", "03", "04", "09", "23")
]
STATIONS.append(b"\xff" * 6)
VLAN = b"\x81\0\0\5"


def tcp(options: bytes = b"", words: int | None = None) -> bytes:
    offset = 5 + len(options) // 4 if words is None else words
    fixed = struct.pack("!HHIIBBHHH", 80, 81, 1, 2, offset << 4, 0x10, 99, 0, 0)
    return fixed + options + b"data"


def ipv6(target: str, payload: bytes = b"payload", protocol: int = 17) -> bytearray:
    header = b"\x60\0\0\0" + struct.pack("!HBB", len(payload), protocol, 64)
    ends = (ipaddress.IPv6Address(text).packed for text in ("fd00:1::1", target))
    return bytearray(bytes(12) + b"\x86\xdd" + header + b"".join(ends) + payload)


def switched(frame: Buffer, target: bytes, source: bytes, tag: bool) -> bytes:
    return target + source + (VLAN if tag else b"") + bytes(frame[12:])


@dataclasses.dataclass(frozen=True)
class Scene:
    """A mesh of a next to b and c, and d behind c, in some state."""

    options: tuple[int, int, int] = (DEFAULT, DEFAULT, DEFAULT)
    own: int = DEFAULT
    keys: frozenset[str] = frozenset("bcd")
    proved: tuple[int, int, int] = (1451, 1451, 1451)
    direct_only: bool = False
    priority: bool = False
    broadcast: bool = True
    forwarding: Forwarding = Forwarding.INTERNAL
    gone: bool = False
    fixed: bool = True
    mode: Mode = Mode.ROUTER
    decrement_ttl: bool = False

    def build(self) -> World:
        route = RouteOptions(
            mode=self.mode,
            direct_only=self.direct_only,
            priority_inheritance=self.priority,
            broadcast=self.broadcast,
            forwarding=self.forwarding,
            decrement_ttl=self.decrement_ttl,
        )
        mode = BroadcastMode.MST if self.broadcast else BroadcastMode.NO
        policy = DeliveryPolicy(options=self.own, broadcast=mode, route=route)
        world = World(policy, route)
        world.subnet("a", "fd00:1::/64")
        world.subnet("b", "128.0.0.0/1")
        world.subnet("b", "::/0")
        owners = zip("abcd", STATIONS[:4], strict=True)
        for name, station in (*owners, ("b", STATIONS[5]), ("c", STATIONS[5])):
            world.subnet(name, station.hex(":"))
        ends = (("a", "b"), ("a", "c"), ("c", "d"))
        for number, (place, options) in enumerate(zip(ends, self.options, strict=True)):
            world.link(*place, options)
            world.subnet(place[1], f"10.0.{number + 2}.0/24")
            world.subnet(place[1], f"fd00:{number + 2}::/64")
            world.give_key(place[1])
        for name in sorted(self.keys):
            world.take_key(name)
        for name, length in zip("bcd", self.proved, strict=True):
            world.proved(name, length)
            if not self.fixed:
                world.tunnel(world.node(name)).pmtu.mtu = 1518
        if self.gone:
            world.unlink("c", "d")
        return world
