"""PriorityInheritance: datagrams carry the priority of what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.harness.bench import DEVICE, Row, Setup, compare
from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.neighbourhood import HID, S, X, Y, around, at, at6
from conformance.harness.packets import (
    DONT_FRAGMENT,
    PAYLOAD,
    Ipv4,
    Ipv6,
    frame4,
    frame6,
)
from conformance.harness.scenario import Scenario

#: Low delay, expedited forwarding, congestion seen, everything; nothing.
_PRIORITIES: Final = (0x10, 0xB8, 0x03, 0xFF, 0x00)


def _rows() -> Iterator[Row]:
    for side, own, name, other in (
        *((DEVICE, S, "x", X), (DEVICE, S, "y", Y), (DEVICE, S, "hid", HID)),
        *(("x", X, "y", Y), ("y", Y, "x", X), ("x", X, "s", S)),
    ):
        for tos in _PRIORITIES:
            packet = frame4(at(own), at(other), PAYLOAD[:64], Ipv4(tos=tos))
            yield Row(f"{tos:02x}, {side} to {name}", side, (packet,))
            header = Ipv6(traffic_class=tos)
            packet = frame6(at6(own), at6(other), PAYLOAD[:64], header)
            yield Row(f"{tos:02x}, {side} to {name}, IPv6", side, (packet,))
    packets = [
        frame4(at(S), at(Y), bytes([index]), Ipv4(tos=tos))
        for index, tos in enumerate(_PRIORITIES * 4)
    ]
    yield Row("each in turn", DEVICE, tuple(packets))
    for side, own in ((DEVICE, S), ("x", X)):
        packet = frame4(at(own), at(Y), PAYLOAD[:1400], Ipv4(tos=0xB8))
        yield Row(f"in pieces, from {side}", side, (packet,))
        packet = frame4(at(own), "224.0.0.251", b"all", Ipv4(tos=0xB8))
        yield Row(f"to all, from {side}", side, (packet,))
        packet = frame6(at6(own), "ff02::fb", b"all", Ipv6(traffic_class=0xB8))
        yield Row(f"to all, from {side}, IPv6", side, (packet,))


def _errors() -> Iterator[Row]:
    header = Ipv4(tos=0xB8, field=DONT_FRAGMENT)
    packet = frame4(at(X), at(Y), PAYLOAD[:1400], header)
    yield Row("too big", "x", (packet,))
    packet = frame4(at(X), at(99), PAYLOAD[:64], header)
    yield Row("unknown", "x", (packet,))


def play(lab: Lab, placement: Placement) -> None:
    for word, rows in (("yes", [*_rows(), *_errors()]), ("no", [*_rows()][::7])):
        setup = Setup(
            neighbours=around(y=("PMTU = 1000",), y_ipv6=True),
            server=(f"PriorityInheritance = {word}",),
        )
        compare(lab, placement[0], setup, rows, part=f"{word}-", datagrams=True)


SCENARIO: Final = Scenario(
    name="tos",
    summary="PriorityInheritance: outer headers of datagrams, over both families",
    placements=ONE,
    play=play,
    needs_c=True,
)
