"""ICMP errors: the packets themselves, byte for byte as C's, and how many a second.

C sends three in each second of the clock, for which a row with more of them waits.
"""

from __future__ import annotations

import struct
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

_DF: Final = Ipv4(field=DONT_FRAGMENT)
_SIDES: Final = ((DEVICE, S), ("x", X))


def play_errors(lab: Lab, placement: Placement) -> None:
    rows = [*_unknown(), *_lies(), *_types(), *_too_big(), *_errors_about_errors()]
    setup = Setup(neighbours=around(y=("PMTU = 1000",)))
    compare(lab, placement[0], setup, rows)


def _unknown() -> Iterator[Row]:
    """What is quoted, of short packets and of long ones."""
    for size in (0, 1, 520, 521, 1400):
        packet = frame4(at(X), at(NOBODY), PAYLOAD[:size], Ipv4(tos=0xB8))
        yield Row(f"unknown, {size} bytes", "x", (packet,))
    for size in (0, 1, 488, 489, 1400):
        packet = frame6(at6(X), at6(NOBODY), PAYLOAD[:size], Ipv6(traffic_class=0xB8))
        yield Row(f"unknown, {size} bytes, IPv6", "x", (packet,))
    options = Ipv4(options=b"\x07\x07\x04" + bytes(5))
    packet = frame4(at(X), at(NOBODY), PAYLOAD[:8], options)
    yield Row("unknown, with options", "x", (packet,))


def _lies() -> Iterator[Row]:
    """Frames shorter than their headers, or of other sizes than these say."""
    packet = frame4(at(X), at(Y), PAYLOAD[:64])
    packet6 = frame6(at6(X), at6(Y), PAYLOAD[:64])
    solicitation = frame6(at6(X), at6(Y), PAYLOAD[:7], Ipv6(protocol=ICMPV6))
    for size in (0, 1, 13, 14, 33, 34):
        yield Row(f"the first {size} bytes", "x", (packet[:size],))
    for size in (53, 54):
        yield Row(f"the first {size} bytes, IPv6", "x", (packet6[:size],))
    yield Row("short ICMPv6", "x", (solicitation,))
    wrong = frame4(at(X), at(Y), PAYLOAD[:64], Ipv4(length=500))
    yield Row("a length that is not true", "x", (wrong,))
    wrong = frame4(at(X), at(NOBODY), PAYLOAD[:64], Ipv4(length=20))
    yield Row("a length that is not true, unknown", "x", (wrong,))
    wrong = packet[:24] + b"\0\0" + packet[26:]
    yield Row("a wrong header checksum", "x", (wrong,))
    yield Row("version 6 as IPv4", "x", (packet[:14] + b"\x65" + packet[15:],))


def _types() -> Iterator[Row]:
    for kind in (0x0000, 0x0001, 0x0800 - 1, 0x8100, 0x86DE, 0xFFFF):
        frame = MACS + struct.pack(">H", kind) + PAYLOAD[:60]
        yield Row(f"ethertype {kind:x}", "x", (frame,))
    tagged = MACS + b"\x81\0\0\5" + frame4(at(X), at(NOBODY), b"tagged")[12:]
    yield Row("an unknown destination behind a tag", "x", (tagged,))
    arp = MACS + bytes.fromhex("0806 0001 0800 0604 0001") + bytes(20)
    yield Row("ARP from the mesh", "x", (arp,))
    yield Row("short ARP", "x", (arp[:41],))
    message = icmpv6(at6(X), at6(Y), b"\x87" + bytes(31))
    ask = frame6(at6(X), at6(Y), message, Ipv6(protocol=ICMPV6, hops=255))
    yield Row("a solicitation from the mesh", "x", (ask,))
    yield Row("a short solicitation", "x", (ask[:77],))


def _too_big() -> Iterator[Row]:
    for side, own in _SIDES:
        for size in (966, 967, 1400):
            packet = frame4(at(own), at(Y), PAYLOAD[:size], _DF)
            yield Row(f"{side} to y, {size}, DF", side, (packet,))
        for size in (1240, 1241, 1440):
            packet = frame6(at6(own), at6(Y), PAYLOAD[:size])
            yield Row(f"{side} to y, {size}, IPv6", side, (packet,))
        for name, other in (("hid", HID), ("far", FAR)):
            packet = frame4(at(own), at(other), PAYLOAD[:967], _DF)
            yield Row(f"{side} to {name}, DF", side, (packet,))
            packet = frame6(at6(own), at6(other), PAYLOAD[:1241])
            yield Row(f"{side} to {name}, IPv6", side, (packet,))
    yield from _longer_than_any()
    # The longest frames there are, before anything is known of the path.
    packet = frame4(at(X), at(S), PAYLOAD[:1484], _DF)
    yield Row("1518 bytes to s", "x", (packet,))
    packet = frame4(at(S), at(X), PAYLOAD[:1480], _DF)
    yield Row("1514 bytes to x", DEVICE, (packet,))


def _longer_than_any() -> Iterator[Row]:
    """Frames that no path and no device takes, though a peer may send them."""
    for size in (1519, 1600):
        for name, other in (("s", S), ("far", FAR)):
            packet = frame4(at(X), at(other), PAYLOAD[: size - 34], _DF)
            yield Row(f"{size} bytes to {name}", "x", (packet,))
            packet = frame6(at6(X), at6(other), PAYLOAD[: size - 54])
            yield Row(f"{size} bytes to {name}, IPv6", "x", (packet,))
        packet = frame4(at(X), at(FAR), PAYLOAD[: size - 34])
        yield Row(f"{size} bytes to far, in pieces", "x", (packet,))


def _errors_about_errors() -> Iterator[Row]:
    """C answers them; RFC 1122 and RFC 4443 forbid that."""
    inner = frame4(at(NOBODY), at(X), PAYLOAD[:64])[14:]
    for kind in (3, 5, 11):
        error = icmp(bytes([kind]) + bytes(7) + inner[:28])
        packet = frame4(at(X), at(NOBODY), error, Ipv4(protocol=ICMP))
        yield Row(f"about an error of type {kind}", "x", (packet,), ours=())
    for kind in (8, 13):
        query = icmp(bytes([kind]) + bytes(7) + inner[:28])
        packet = frame4(at(X), at(NOBODY), query, Ipv4(protocol=ICMP))
        yield Row(f"about ICMP of type {kind}", "x", (packet,))
    later = frame4(at(X), at(NOBODY), b"\x08" + bytes(63), Ipv4(protocol=ICMP, field=8))
    yield Row("about a later piece of ICMP", "x", (later,), ours=())
    inner = frame6(at6(NOBODY), at6(X), PAYLOAD[:64])[14:]
    for kind in (1, 3, 127, 128):
        message = icmpv6(at6(X), at6(NOBODY), bytes([kind]) + bytes(7) + inner)
        packet = frame6(at6(X), at6(NOBODY), message, Ipv6(protocol=ICMPV6))
        wanted = () if kind < 128 else None
        yield Row(f"about ICMPv6 of type {kind}", "x", (packet,), ours=wanted)


def play_limit(lab: Lab, placement: Placement) -> None:
    """Three errors a second: of both families together, to all sides together."""
    unknown = frame4(at(X), at(NOBODY), PAYLOAD[:8])
    dead = frame4(at(X), at(DEAD), PAYLOAD[:8])
    unknown6 = frame6(at6(X), at6(NOBODY), PAYLOAD[:8])
    dead6 = frame6(at6(X), at6(DEAD), PAYLOAD[:8])
    rows = (
        Row("a dozen unknown", "x", (unknown,) * 12),
        Row("a dozen dead, IPv6", "x", (dead6,) * 12),
        Row("mixed", "x", (unknown, unknown6, dead, dead6) * 3),
        Row("mixed, from the other", "y", (dead6, unknown6, dead, unknown) * 3),
        Row("one again", "x", (unknown,)),
    )
    compare(lab, placement[0], Setup(neighbours=around()), rows)


ERRORS: Final = Scenario(
    name="icmp-errors",
    summary="errors about packets that cannot go on, byte for byte as C's",
    placements=ONE,
    play=play_errors,
    seconds=15,
    needs_c=True,
)
LIMIT: Final = Scenario(
    name="icmp-limit",
    summary="three errors a second, no more",
    placements=ONE,
    play=play_limit,
    needs_c=True,
)
