"""Who routes what is not for the daemon itself: every destination from every side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.harness.bench import DEVICE, Row, Setup, compare
from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.neighbourhood import (
    DEAD,
    FAR,
    HID,
    NOBODY,
    XHID,
    S,
    X,
    Y,
    around,
    at,
    at6,
)
from conformance.harness.packets import (
    DONT_FRAGMENT,
    ICMP,
    ICMPV6,
    MACS,
    PAYLOAD,
    Ipv4,
    Ipv6,
    frame4,
    frame6,
    icmp,
    icmpv6,
)
from conformance.harness.scenario import Scenario

_SIDES: Final = ((DEVICE, S), ("x", X))
_OTHERS: Final = (
    *(("s", S), ("x", X), ("y", Y), ("far", FAR), ("hid", HID)),
    *(("xhid", XHID), ("dead", DEAD), ("nobody", NOBODY)),
)
#: For the kernel to answer from, where it has no route to the author of a packet.
_UNROUTED: Final = "10.66.6.6"


def _destinations() -> Iterator[Row]:
    for side, own in _SIDES:
        for name, other in _OTHERS:
            packet = frame4(at(own), at(other), PAYLOAD[:64], Ipv4(macs=MACS))
            yield Row(f"{side} to {name}", side, (packet,))
            packet = frame6(at6(own), at6(other), PAYLOAD[:64], Ipv6(macs=MACS))
            yield Row(f"{side} to {name}, IPv6", side, (packet,))
    yield from _multicast()
    packet = frame4(at(X), at(Y, 70), PAYLOAD[:8])
    yield Row("a dead owner's part of y's subnet", "x", (packet,))
    yield Row("of an unknown type", "x", (MACS + b"\x88\xcc" + PAYLOAD[:60],))


def _multicast() -> Iterator[Row]:
    for side, own in _SIDES:
        for target in ("224.0.0.251", "255.255.255.255", "172.30.3.255", "240.0.0.1"):
            yield Row(f"{side} to {target}", side, (frame4(at(own), target, b"all"),))
        packet = frame6(at6(own), "ff02::fb", b"all")
        yield Row(f"{side} to ff02::fb", side, (packet,))


def _big() -> Iterator[Row]:
    """Packets that y, whose path takes 1000 bytes, could not take."""
    for field in (0, DONT_FRAGMENT):
        packet = frame4(at(X), at(HID), PAYLOAD[:1400], Ipv4(field=field))
        yield Row(f"a big one to hid, field {field:x}", "x", (packet,))


def _hops() -> Iterator[Row]:
    """TTLs and hop limits; our own packets keep theirs, and so do those for us."""
    for left in (0, 1, 2, 255):
        for side, own, name, other in (
            *(("x", X, "s", S), ("x", X, "y", Y), ("x", X, "hid", HID)),
            *(("x", X, "dead", DEAD), (DEVICE, S, "y", Y), (DEVICE, S, "hid", HID)),
        ):
            if left != 1 and (side, name) not in (("x", "s"), ("x", "y")):
                continue
            title = f"{left} hops left, {side} to {name}"
            packet = frame4(at(own), at(other), PAYLOAD[:64], Ipv4(ttl=left))
            yield Row(title, side, (packet,))
            packet = frame6(at6(own), at6(other), PAYLOAD[:64], Ipv6(hops=left))
            yield Row(f"{title}, IPv6", side, (packet,))
    for left in (1, 2):
        for side, own in _SIDES:
            title = f"{left} hops left, {side} to all"
            packet = frame4(at(own), "224.0.0.251", b"all", Ipv4(ttl=left))
            yield Row(title, side, (packet,))
            packet = frame6(at6(own), "ff02::fb", b"all", Ipv6(hops=left))
            yield Row(f"{title}, IPv6", side, (packet,))


def _last_hops() -> Iterator[Row]:
    packet = frame4(_UNROUTED, at(Y), PAYLOAD[:64], Ipv4(ttl=1))
    yield Row("the last hop of an author without a route", "x", (packet,))
    packet = frame6("fd66::6", at6(Y), PAYLOAD[:64], Ipv6(hops=1))
    yield Row("the last hop of an author without a route, IPv6", "x", (packet,))
    inner = frame4(at(Y), at(X), PAYLOAD[:64])[14:]
    for kind in (3, 8, 11):
        message = icmp(bytes([kind]) + bytes(7) + inner[:28])
        packet = frame4(at(X), at(Y), message, Ipv4(protocol=ICMP, ttl=1))
        wanted = None if kind == 8 else ()
        yield Row(f"the last hop of ICMP {kind}", "x", (packet,), ours=wanted)
    inner = frame6(at6(Y), at6(X), PAYLOAD[:64])[14:]
    for kind in (1, 3, 128):
        message = icmpv6(at6(X), at6(Y), bytes([kind]) + bytes(7) + inner)
        packet = frame6(at6(X), at6(Y), message, Ipv6(protocol=ICMPV6, hops=1))
        wanted = () if kind == 1 else None
        yield Row(f"the last hop of ICMPv6 {kind}", "x", (packet,), ours=wanted)
    yield from _checksums()


def _checksums() -> Iterator[Row]:
    """TTL and carry; C writes the other zero than RFC 1624 and Linux do."""
    for before, after in ((0xFEFF, 0), (0xFF00, None), (0xFFFF, None), (0, None)):
        packet = bytearray(frame4(at(X), at(Y), PAYLOAD[:64], Ipv4(ttl=2)))
        packet[24:26] = before.to_bytes(2, "big")
        wanted = None
        if after is not None:
            passed = bytearray(packet)
            passed[22], passed[24:26] = 1, after.to_bytes(2, "big")
            wanted = (("y", bytes(passed)),)
        yield Row(f"checksum {before:04x}", "x", (bytes(packet),), ours=wanted)


def _scenario(name: str, summary: str, *server: str, rows: tuple[Row, ...]) -> Scenario:
    setup = Setup(neighbours=around(y=("PMTU = 1000",)), server=server)

    def play(lab: Lab, placement: Placement) -> None:
        compare(lab, placement[0], setup, rows)

    return Scenario(name=name, summary=summary, placements=ONE, play=play, needs_c=True)


INTERNAL: Final = _scenario(
    "forwarding-internal",
    "every destination from every side",
    rows=(*_destinations(), *_big()),
)
OFF: Final = _scenario(
    "forwarding-off",
    "no packet for others passes",
    "Forwarding = off",
    rows=(*_destinations(), *_big()),
)
KERNEL: Final = _scenario(
    "forwarding-kernel",
    "whatever comes from the mesh is the kernel's",
    "Forwarding = kernel",
    rows=(*_destinations(), *_big()),
)
DIRECT_ONLY: Final = _scenario(
    "directonly",
    "nothing goes through others",
    "DirectOnly = yes",
    rows=(*_destinations(), *_big()),
)
TTL: Final = _scenario(
    "ttl",
    "DecrementTTL: hops counted, and the last one told",
    "DecrementTTL = yes",
    rows=(*_hops(), *_last_hops()),
)
NO_BROADCAST: Final = _scenario(
    "router-broadcast-no",
    "multicast packets are like others",
    "Broadcast = no",
    rows=tuple(_multicast()),
)
