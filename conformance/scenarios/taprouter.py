"""A tap device in router mode: whom the kernel asks for, and to whom frames are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.harness.bench import DEVICE, TAP_MAC, Row, Setup, compare
from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.neighbourhood import (
    DEAD,
    FAR,
    NOBODY,
    S,
    X,
    Y,
    around,
    at,
    at6,
)
from conformance.harness.packets import (
    ICMPV6,
    MACS,
    NO_MACS,
    PAYLOAD,
    Ipv4,
    Ipv6,
    frame4,
    frame6,
    icmpv6,
    pack,
)
from conformance.harness.scenario import Scenario

_HOST: Final = TAP_MAC
_BRIDGED: Final = bytes.fromhex("0600000000fe")
_ALL: Final = b"\xff" * 6
_REQUEST: Final = bytes.fromhex("0001 0800 0604 0001")
_ASKED: Final = (("s", S), ("y", Y), ("far", FAR), ("dead", DEAD), ("nobody", NOBODY))


def _arp(
    asker: bytes, own: str, target: str, head: bytes = _REQUEST, padding: int = 0
) -> bytes:
    body = head + asker + pack(own) + bytes(6) + pack(target)
    return _ALL + asker + b"\x08\x06" + body + bytes(padding)


def _solicitation(
    asker: bytes, target: str, option: bytes = b"\1\1", *, own: str = at6(S)
) -> bytes:
    source_mac = option + asker if option else b""
    message = b"\x87" + bytes(7) + pack(target) + source_mac
    group = "ff02::1:ff00:9"
    macs = b"\x33\x33\xff\0\0\x09" + asker
    header = Ipv6(protocol=ICMPV6, hops=255, macs=macs)
    return frame6(own, group, icmpv6(own, group, message), header)


def _deliveries(when: str, mac: bytes) -> Iterator[Row]:
    """Frames from the mesh are for the MAC address that asked last."""
    packet = frame4(at(X), at(S), PAYLOAD[:64])
    yield Row(f"x to s {when}", "x", (packet,))
    packet = frame6(at6(X), at6(S), PAYLOAD[:64], Ipv6(macs=MACS))
    yield Row(f"x to s {when}, IPv6, with addresses", "x", (packet,))
    packet = frame4(at(X), "224.0.0.251", b"all")
    # C lets y have our device's address, too.
    ours = ((DEVICE, mac + packet[6:]), ("y", packet))
    yield Row(f"x to all {when}", "x", (packet,), ours=ours)
    packet = frame4(at(S), at(NOBODY), b"unknown", Ipv4(macs=_ALL + _BRIDGED))
    yield Row(f"an error {when}", DEVICE, (packet,))


def _questions() -> Iterator[Row]:
    for name, number in _ASKED:
        ask = _arp(_HOST, at(S), at(number))
        yield Row(f"ARP for {name}", DEVICE, (ask,))
        ask = _solicitation(_HOST, at6(number))
        yield Row(f"solicitation for {name}", DEVICE, (ask,))
    ask = _arp(_HOST, at(S), at(Y), padding=18)
    yield Row("ARP, padded", DEVICE, (ask,))
    ask = _solicitation(_HOST, at6(Y), b"")
    yield Row("solicitation without its MAC address", DEVICE, (ask,))
    ask = _solicitation(_HOST, at6(Y), own="::")
    yield Row("solicitation from nobody", DEVICE, (ask,))


def _odd_questions() -> Iterator[Row]:
    for title, head in (
        ("an ARP answer", "0001 0800 0604 0002"),
        ("ARP of operation 3", "0001 0800 0604 0003"),
        ("ARP of another hardware", "0006 0800 0604 0001"),
        ("ARP for another protocol", "0001 86dd 0604 0001"),
        ("ARP of other lengths", "0001 0800 0804 0001"),
    ):
        ask = _arp(_BRIDGED, at(S), at(Y), bytes.fromhex(head))
        yield Row(title, DEVICE, (ask,))
    yield Row("short ARP", DEVICE, (_arp(_HOST, at(S), at(Y))[:41],))
    ask = _solicitation(_HOST, at6(Y), b"\x05\1")
    yield Row("solicitation with another option", DEVICE, (ask,))
    ask = _solicitation(_HOST, at6(Y))
    yield Row("short solicitation", DEVICE, (ask[:77],))
    ask = ask[:-1] + b"\xff"
    yield Row("solicitation with a wrong checksum", DEVICE, (ask,))
    message = icmpv6(at6(S), at6(Y), b"\x88" + bytes(7) + pack(at6(S)))
    header = Ipv6(protocol=ICMPV6, macs=NO_MACS)
    packet = frame6(at6(S), at6(Y), message, header)
    yield Row("an advertisement", DEVICE, (packet,))


def _traffic() -> Iterator[Row]:
    macs = Ipv4(macs=bytes.fromhex("0200000000fe") + _HOST)
    packet = frame4(at(S), at(Y), PAYLOAD[:64], macs)
    yield Row("s to y", DEVICE, (packet,))
    tagged = packet[:12] + b"\x81\0\0\5" + packet[12:]
    yield Row("s to y behind a tag", DEVICE, (tagged,))
    packet = frame4(at(S), at(Y), PAYLOAD[:10], macs) + bytes(8)
    yield Row("s to y, padded", DEVICE, (packet,))
    yield Row("LLDP", DEVICE, (_ALL + _HOST + b"\x88\xcc" + PAYLOAD[:60],))


def play(lab: Lab, placement: Placement) -> None:
    rows = [
        *_deliveries("at first", _HOST),
        *_questions(),
        *_odd_questions(),
        *_deliveries("after odd questions", _HOST),
        Row("ARP of another", DEVICE, (_arp(_BRIDGED, at(S), at(Y)),)),
        *_deliveries("after ARP of another", _BRIDGED),
        Row("solicitation of the host", DEVICE, (_solicitation(_HOST, at6(Y)),)),
        *_deliveries("after its solicitation", _HOST),
        *_traffic(),
    ]
    setup = Setup(neighbours=around(y=("PMTU = 1000",)), tap=True)
    compare(lab, placement[0], setup, rows)


SCENARIO: Final = Scenario(
    name="tap-router",
    summary="ARP and neighbour solicitations answered, frames addressed as by C",
    placements=ONE,
    play=play,
    needs_c=True,
)
