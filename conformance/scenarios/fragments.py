"""IPv4 packets cut to fit narrow paths: every piece as C cuts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.harness.bench import DEVICE, Row, Setup, compare
from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.neighbourhood import HID, S, X, Y, around, at
from conformance.harness.packets import (
    DONT_FRAGMENT,
    MACS,
    MORE_FRAGMENTS,
    PAYLOAD,
    TCP,
    Ipv4,
    frame4,
    tcp,
)
from conformance.harness.scenario import Scenario

_RESERVED: Final = 0x8000
#: Where 1480 bytes end the longest packet.
_LAST: Final = (65535 - 20 - 1480) // 8
#: PMTU of x and of y; a path of less than 590 is one of 590.
_PATHS: Final = ((1400, 500), (1001, 777))


def _rows(to_x: int, to_y: int) -> Iterator[Row]:
    for side, own, name, other, limit in (
        (DEVICE, S, "x", X, to_x),
        (DEVICE, S, "y", Y, to_y),
        ("x", X, "hid", HID, to_y),
        ("y", Y, "x", X, to_x),
    ):
        whole = max(limit, 590) - 34
        for size in (whole, whole + 1, whole + 8, 2 * whole - 15, 1480):
            size = min(size, 1480)
            header = Ipv4(tos=0xB8, ttl=7, macs=MACS)
            packet = frame4(at(own), at(other), PAYLOAD[:size], header)
            yield Row(f"{size} bytes, {side} to {name}", side, (packet,))
        header = Ipv4(field=DONT_FRAGMENT)
        for size in (whole, whole + 1):
            packet = frame4(at(own), at(other), PAYLOAD[:size], header)
            yield Row(f"{size} bytes whole, {side} to {name}", side, (packet,))


def _special() -> Iterator[Row]:
    """Pieces cut again, odd flags, headers that cannot be cut."""
    for title, field in (
        ("a first piece", MORE_FRAGMENTS),
        ("a middle piece", MORE_FRAGMENTS | 100),
        ("a last piece", 100),
        ("the last piece of all", _LAST),
        ("a reserved flag", _RESERVED),
    ):
        packet = frame4(at(X), at(Y), PAYLOAD[:1480], Ipv4(field=field))
        yield Row(title, "x", (packet,))
    packet = frame4(at(X), at(Y), PAYLOAD[:1480], Ipv4(field=_LAST + 1))
    yield Row("a piece of an impossible packet", "x", (packet,), ours=())
    for length in (1400, 1499, 1501, 20, 0, 0xFFFF):
        packet = frame4(at(X), at(Y), PAYLOAD[:1480], Ipv4(length=length))
        yield Row(f"1500 bytes that state {length}", "x", (packet,))
    options = Ipv4(options=b"\x94\4\0\0" + b"\1" * 4)
    packet = frame4(at(X), at(Y), PAYLOAD[:1400], options)
    yield Row("with options", "x", (packet,))
    packet = frame4(at(X), at(Y), PAYLOAD[:500], options)
    yield Row("with options, small enough", "x", (packet,))
    segment = tcp(at(X), at(Y), b"\2\4\x05\xb4") + PAYLOAD[:1400]
    packet = frame4(at(X), at(Y), segment, Ipv4(protocol=TCP))
    yield Row("with an MSS", "x", (packet,))


def play(lab: Lab, placement: Placement) -> None:
    for number, (to_x, to_y) in enumerate(_PATHS):
        around_it = around(x=(f"PMTU = {to_x}",), y=(f"PMTU = {to_y}",))
        rows = [*_rows(to_x, to_y), *_special()]
        setup = Setup(neighbours=around_it)
        compare(lab, placement[0], setup, rows, part=f"{number}-")


SCENARIO: Final = Scenario(
    name="fragments",
    summary="packets cut to fit narrow paths, every piece as C cuts it",
    placements=ONE,
    play=play,
    needs_c=True,
)
