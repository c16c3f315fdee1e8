"""The same frames into C and into ours in switch and hub mode, tagged ones too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from conformance.harness.bench import DEVICE, Row, Setup, compare
from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.neighbourhood import (
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
    PAYLOAD,
    TCP,
    Ipv4,
    Ipv6,
    frame4,
    frame6,
    tcp,
)
from conformance.harness.played import Neighbour
from conformance.harness.port import EVERYBODY, EXPERIMENT, station
from conformance.harness.scenario import Scenario

_OWNED: Final = {
    "x": ((X, 10), (NOBODY + 1, 10), (NOBODY + 2, 5)),
    "xhid": ((XHID, 10),),
    "y": ((Y, 10), (NOBODY + 1, 10), (NOBODY + 2, 6), (NOBODY + 3, 10)),
    "far": ((FAR, 10),),
    "hid": ((HID, 10),),
    "dead": ((NOBODY + 1, 1), (NOBODY + 3, 1)),
}
_MULTICAST: Final = bytes.fromhex("01005e0000fb")
_TAG: Final = b"\x81\0\x20\5"

_TARGETS: Final = {
    "s": station(S),
    "x": station(X),
    "y": station(Y),
    "far": station(FAR),
    "hid": station(HID),
    "xhid": station(XHID),
    "nobody": station(NOBODY),
    "x or y": station(NOBODY + 1),
    "x before y": station(NOBODY + 2),
    "y for want of another": station(NOBODY + 3),
    "everybody": EVERYBODY,
    "a group": _MULTICAST,
}


def _stations(neighbours: Iterable[Neighbour]) -> tuple[Neighbour, ...]:
    """Let every node own its station too, said by whom it is behind."""
    behind = {"x": ("x", "xhid", "dead"), "y": ("y", "far", "hid")}
    result = []
    for each in neighbours:
        own = [
            ("10", f"{name} {station(number).hex(':')}#{weight}")
            for name in behind[each.name]
            for number, weight in _OWNED[name]
        ]
        result.append(replace(each, says=(*each.says, *own)))
    return tuple(result)


def _tagged(frame: bytes) -> bytes:
    return frame[:12] + _TAG + frame[12:]


def _both(title: str, origin: str, frame: bytes) -> Iterator[Row]:
    yield Row(title, origin, (frame,))
    yield Row(f"{title}, tagged", origin, (_tagged(frame),))


def _macs(origin: str, target: bytes) -> bytes:
    return target + station(S if origin == DEVICE else X)


def _destinations() -> Iterator[Row]:
    for origin in (DEVICE, "x"):
        for name, target in _TARGETS.items():
            frame = _macs(origin, target) + EXPERIMENT + PAYLOAD[:50]
            yield Row(f"{origin} to {name}", origin, (frame,))


def _learning() -> Iterator[Row]:
    """Whatever comes out of the device is the author's address."""
    first = station(Y) + station(70) + EXPERIMENT + PAYLOAD[:50]
    answer = station(70) + station(Y) + EXPERIMENT + PAYLOAD[:50]
    yield Row("y to a stranger", "y", (answer,))
    yield Row("the stranger to y, twice", DEVICE, (first, first))
    yield Row("y to the stranger", "y", (answer,))
    yield Row("x to the stranger", "x", (answer,))
    for name, source in (("zero", bytes(6)), ("everybody", EVERYBODY)):
        frame = station(Y) + source + EXPERIMENT + PAYLOAD[:50]
        yield Row(f"{name} to y", DEVICE, (frame,))
        answer = source + station(Y) + EXPERIMENT + PAYLOAD[:50]
        yield Row(f"y to {name}", "y", (answer,))
    # The station of a neighbour seen here: two own it, the first by name is asked.
    frame = station(X) + station(Y) + EXPERIMENT + PAYLOAD[:50]
    yield Row("from the station of y", DEVICE, (frame,))
    frame = station(Y) + station(X) + EXPERIMENT + PAYLOAD[:50]
    yield Row("x to the station of y", "x", (frame,))


def _sizes(to_x: int, to_y: int) -> Iterator[Row]:
    for origin, name, target, limit in (
        (DEVICE, "x", X, to_x),
        ("x", "hid", HID, to_y),
    ):
        macs = _macs(origin, station(target))
        ends = at(S), at(target)
        for size in sorted({590, 591, limit, limit + 1, 1514}):
            title = f"{size} bytes, {origin} to {name}"
            for field in (0, DONT_FRAGMENT):
                header = Ipv4(field=field, macs=macs)
                packet = frame4(*ends, PAYLOAD[: size - 34], header)
                yield from _both(f"{title}, field {field:x}", origin, packet)
            packet = macs + EXPERIMENT + PAYLOAD[: size - 14]
            yield from _both(f"{title}, no IP", origin, packet)
        for size in sorted({1294, 1295, limit, limit + 1}):
            ends6, header6 = (at6(S), at6(target)), Ipv6(macs=macs)
            packet = frame6(*ends6, PAYLOAD[: size - 54], header6)
            title = f"{size} bytes, {origin} to {name}, IPv6"
            yield from _both(title, origin, packet)


def _scraps() -> Iterator[Row]:
    for length in (0, 13, 14):
        scrap = (station(Y) + station(X) + EXPERIMENT)[:length]
        yield Row(f"{length} bytes", "x", (scrap,))
    for origin in (DEVICE, "x"):
        probe = _macs(origin, station(Y)) + bytes(2) + PAYLOAD[:50]
        yield Row(f"a probe's type, {origin} to y", origin, (probe,), ours=())


def _segments() -> Iterator[Row]:
    for origin, target in ((DEVICE, Y), ("x", Y), ("x", S)):
        macs = _macs(origin, station(target))
        segment = tcp(at(X), at(target), b"\2\4\x05\xb4")
        packet = frame4(at(X), at(target), segment, Ipv4(protocol=TCP, macs=macs))
        yield from _both(f"SYN, {origin} to {target}", origin, packet)
        segment = tcp(at6(X), at6(target), b"\2\4\x05\xa0")
        packet = frame6(at6(X), at6(target), segment, Ipv6(protocol=TCP, macs=macs))
        yield from _both(f"SYN, {origin} to {target}, IPv6", origin, packet)


def _hops() -> Iterator[Row]:
    for origin, name in (
        *((DEVICE, "y"), ("x", "y"), ("x", "s"), ("x", "hid")),
        *(("x", "everybody"), (DEVICE, "everybody"), ("x", "nobody")),
    ):
        macs = _macs(origin, _TARGETS[name])
        for ttl in (2, 1):
            title = f"TTL {ttl}, {origin} to {name}"
            packet = frame4(at(X), at(Y), PAYLOAD[:64], Ipv4(ttl=ttl, macs=macs))
            yield from _both(title, origin, packet)
            packet = frame6(at6(X), at6(Y), PAYLOAD[:64], Ipv6(hops=ttl, macs=macs))
            yield from _both(f"{title}, IPv6", origin, packet)
    frame = _macs("x", station(Y)) + EXPERIMENT + PAYLOAD[:50]
    yield Row("no IP", "x", (frame,))


def _priorities() -> Iterator[Row]:
    for origin, name, target in (
        *((DEVICE, "y", Y), (DEVICE, "hid", HID), ("x", "y", Y), ("x", "s", S)),
        ("x", "nobody", NOBODY),
    ):
        macs = _macs(origin, station(target))
        packet = frame4(at(S), at(Y), PAYLOAD[:64], Ipv4(tos=0xB8, macs=macs))
        yield from _both(f"TOS, {origin} to {name}", origin, packet)
        header = Ipv6(traffic_class=0xB8, macs=macs)
        packet = frame6(at6(S), at6(Y), PAYLOAD[:64], header)
        yield from _both(f"traffic class, {origin} to {name}", origin, packet)
        for field in (0, DONT_FRAGMENT):
            header4 = Ipv4(tos=0xB8, field=field, macs=macs)
            packet = frame4(at(X), at(Y), PAYLOAD[:1400], header4)
            title = f"TOS, {origin} to {name}, too big, field {field:x}"
            yield Row(title, origin, (packet,))


def _scenario(
    name: str,
    summary: str,
    *server: str,
    rows: tuple[Row, ...],
    paths: tuple[int, int],
    datagrams: bool = False,
) -> Scenario:
    x, y = ((f"PMTU = {mtu}",) for mtu in paths)
    setup = Setup(
        neighbours=_stations(around(x=x, y=y)),
        server=server,
        tap=True,
        stations=(station(S), station(X)),
    )

    def play(lab: Lab, placement: Placement) -> None:
        compare(lab, placement[0], setup, rows, datagrams=datagrams)

    return Scenario(name=name, summary=summary, placements=ONE, play=play, needs_c=True)


_SWITCH: Final = "Mode = switch"
_WIDE: Final = (1400, 1000)

RULES: Final = _scenario(
    "switch-rules",
    "every destination from every side, addresses learned, segments clamped",
    _SWITCH,
    rows=(*_destinations(), *_scraps(), *_segments(), *_learning()),
    paths=_WIDE,
)
SIZES: Final = _scenario(
    "switch-sizes",
    "cut, told to be smaller, or sent over TCP, with and without a VLAN tag",
    _SWITCH,
    rows=tuple(_sizes(500, 1444)),
    paths=(500, 1444),
)
TTL: Final = _scenario(
    "switch-ttl",
    "DecrementTTL in switch mode",
    _SWITCH,
    "DecrementTTL = yes",
    rows=tuple(_hops()),
    paths=_WIDE,
)
OFF: Final = _scenario(
    "switch-forwarding-off",
    "nothing passes through us, nothing goes through others",
    _SWITCH,
    "Forwarding = off",
    "DirectOnly = yes",
    rows=tuple(_destinations()),
    paths=_WIDE,
)
KERNEL: Final = _scenario(
    "switch-forwarding-kernel",
    "whatever comes from the mesh is the kernel's",
    _SWITCH,
    "Forwarding = kernel",
    "Broadcast = no",
    rows=tuple(_destinations()),
    paths=_WIDE,
)
HUB: Final = _scenario(
    "hub-rules",
    "everybody gets every frame, one hop older",
    "Mode = hub",
    "DecrementTTL = yes",
    rows=(*_destinations(), *_scraps(), *_hops(), *_segments()),
    paths=_WIDE,
)
TOS: Final = _scenario(
    "switch-tos",
    "PriorityInheritance in switch mode",
    _SWITCH,
    "PriorityInheritance = yes",
    rows=tuple(_priorities()),
    paths=_WIDE,
    datagrams=True,
)
