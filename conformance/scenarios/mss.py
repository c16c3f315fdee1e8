"""ClampMSS: the MSS of TCP segments and their checksum, as after C."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.harness.bench import DEVICE, Row, Setup, compare
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.neighbourhood import FAR, HID, S, X, Y, around, at, at6
from conformance.harness.packets import TCP, Ipv4, Ipv6, frame4, frame6, tcp
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say

_SYN_ACK: Final = 0x12
_ACK: Final = 0x10
_X: Final = ("PMTU = 1300",)
_Y: Final = ("PMTU = 1001",)
_UNCLAMPED: Final = 0x4

_SIDES: Final = (
    *((DEVICE, S, "x", X), (DEVICE, S, "y", Y), (DEVICE, S, "hid", HID)),
    *((DEVICE, S, "far", FAR), ("x", X, "s", S), ("x", X, "y", Y)),
    *(("y", Y, "s", S), ("y", Y, "x", X)),
)


def _mss(value: int) -> bytes:
    return b"\2\4" + value.to_bytes(2, "big")


#: Options whose first is the MSS, or has its length, and options without a whole one.
_LAYOUTS: Final = (
    ("Linux", _mss(1460) + b"\4\2\x08\x0a" + bytes(8) + b"\1\3\3\7"),
    ("Windows", _mss(1460) + b"\1\3\3\x08\1\1\4\2"),
    ("alone", _mss(1460)),
    ("ended at once", b"\0" + _mss(1460)),
    ("five bytes", b"\2\5\x05\xb4\0"),
    ("three bytes", b"\2\3\x05"),
    ("no bytes", b"\2\0\x05\xb4"),
    ("too many bytes", b"\2\x28\x05\xb4"),
    ("twice", _mss(1460) + _mss(1400)),
    ("small, then large", _mss(500) + _mss(1460)),
    ("behind four bytes", b"\xfe\4\0\0" + _mss(1460)),
    ("behind a broken one", b"\x08\0" + _mss(1460)),
    ("cut", b"\1\1" + _mss(1460)[:2]),
    ("none", b"\4\2\1\1"),
    ("no options", b""),
)
#: Where C overlooks the MSS, since the first option has another length.
_OVERLOOKED: Final = (
    ("behind a padding", b"\1" + _mss(1460)),
    ("behind two", b"\1\1" + _mss(1460)),
    ("behind three", b"\1\1\1" + _mss(1460)),
    ("behind timestamps", b"\x08\x0a" + bytes(8) + _mss(1460)),
    ("behind SACK", b"\4\2" + _mss(1460)),
    ("behind two paddings and SACK", b"\1\1\4\2" + _mss(1460)),
)
#: What the path to y leaves, over IPv4 and over IPv6.
_TO_Y: Final = (1001 - 54, 1001 - 74)
#: Around every limit there is.
_VALUES: Final = (0, 536, 927, 928, 947, 948, 1226, 1227, 1246, 1247, 1460, 0xFFFF)


def _packets(
    own: int, other: int, options: bytes, options6: bytes, flags: int = 2
) -> tuple[bytes, bytes]:
    """Return a segment over IPv4 and one over IPv6."""
    segment = tcp(at(own), at(other), options, flags)
    segment6 = tcp(at6(own), at6(other), options6, flags)
    return (
        frame4(at(own), at(other), segment, Ipv4(protocol=TCP)),
        frame6(at6(own), at6(other), segment6, Ipv6(protocol=TCP)),
    )


def _segments(
    title: str, side: str, own: int, other: int, options: bytes, flags: int = 2
) -> Iterator[Row]:
    packet, packet6 = _packets(own, other, options, options, flags)
    yield Row(title, side, (packet,))
    yield Row(f"{title}, IPv6", side, (packet6,))


def _overlooked() -> Iterator[Row]:
    for title, options in _OVERLOOKED:
        asked = _packets(X, Y, options, options)
        clamped, clamped6 = (options.replace(_mss(1460), _mss(n)) for n in _TO_Y)
        wanted = _packets(X, Y, clamped, clamped6)
        for family, packet, passed in zip(("4", "6"), asked, wanted, strict=True):
            row = Row(f"{title}, IPv{family}", "x", (packet,), ours=(("y", passed),))
            yield row


def _sides() -> Iterator[Row]:
    for side, own, name, other in _SIDES:
        yield from _segments(f"{side} to {name}", side, own, other, _mss(1460))


def _layouts() -> Iterator[Row]:
    for name, options in _LAYOUTS:
        yield from _segments(name, "x", X, Y, options)
    for value in _VALUES:
        yield from _segments(f"MSS {value}", "x", X, S, _mss(value))
        yield from _segments(f"MSS {value} to y", DEVICE, S, Y, _mss(value))
    for flags in (_SYN_ACK, _ACK):
        yield from _segments(f"flags {flags:x}", "x", X, Y, _mss(1460), flags)


def _torsos() -> Iterator[Row]:
    """Segments in pieces, behind IP options, with headers that are not true."""
    whole = tcp(at(X), at(Y), _mss(1460))
    for title, segment, header in (
        ("behind IP options", whole, Ipv4(protocol=TCP, options=b"\1" * 8)),
        ("the first piece", whole, Ipv4(protocol=TCP, field=0x2000)),
        ("not TCP", whole, Ipv4(protocol=17)),
        ("without its last byte", whole[:-1], Ipv4(protocol=TCP)),
        ("without its options", whole[:20], Ipv4(protocol=TCP)),
        ("half a header", whole[:12], Ipv4(protocol=TCP)),
        ("a header of no words", _with_words(whole, 0), Ipv4(protocol=TCP)),
        ("a header of four words", _with_words(whole, 4), Ipv4(protocol=TCP)),
        ("a header of five words", _with_words(whole, 5), Ipv4(protocol=TCP)),
        ("a header of 15 words", _with_words(whole, 15), Ipv4(protocol=TCP)),
    ):
        yield Row(title, "x", (frame4(at(X), at(Y), segment, header),))
    # No header, whatever its bytes look like; C treats it as one.
    later = frame4(at(X), at(Y), whole, Ipv4(protocol=TCP, field=1))
    yield Row("a later piece", "x", (later,), ours=(("y", later),))
    whole = tcp(at6(X), at6(Y), _mss(1460))
    hops = bytes([TCP]) + bytes(7)
    packet = frame6(at6(X), at6(Y), hops + whole, Ipv6(protocol=0))
    yield Row("behind hop-by-hop options", "x", (packet,))
    packet = frame6(at6(X), at6(Y), whole[:12], Ipv6(protocol=TCP))
    yield Row("half a header, IPv6", "x", (packet,))


def _with_words(segment: bytes, words: int) -> bytes:
    return segment[:12] + bytes([words << 4]) + segment[13:]


def play(lab: Lab, placement: Placement) -> None:
    kind = placement[0]
    rows = [*_sides(), *_layouts(), *_overlooked(), *_torsos()]
    compare(lab, kind, Setup(neighbours=around(x=_X, y=_Y)), rows, part="on-")
    _compare_sides(lab, kind)


def _compare_sides(lab: Lab, kind: Kind) -> None:
    """Who says ClampMSS = no decides for itself, or for the link."""
    off = ("ClampMSS = no",)
    for title, setup in (
        ("off", Setup(neighbours=around(x=_X, y=_Y), server=off)),
        ("at y", Setup(neighbours=around(x=_X, y=_Y, y_options=_UNCLAMPED))),
        ("host", Setup(neighbours=around(x=(*_X, *off), y=_Y))),
    ):
        say(f"          ClampMSS = no, {title}")
        compare(lab, kind, setup, [*_sides()], part=f"{title[0]}-")


SCENARIO: Final = Scenario(
    name="mss",
    summary="MSS and TCP checksum after clamping, as after C",
    placements=ONE,
    play=play,
    seconds=15,
    needs_c=True,
)
