"""Which frames the compiled pumps take for plain, beside the rules of the short cuts.

A pump is told a way to each address that could be in a frame, to a peer of its own
each.  Whose number has grown afterwards tells what it read; all that it does not take
for plain comes back.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.samples import DEFAULT, KEY
from tincd_compat._fast import core
from tincd_compat.tunnel.codec import _suite_for_core
from tincd_compat.tunnel.plain import plain_destination, plain_station

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

MODES = pytest.mark.parametrize("switching", [False, True], ids=["router", "switch"])
#: Where a frame can have its destination: MAC, IPv4, IPv6.
PLACES: Final = (slice(0, 6), slice(30, 34), slice(38, 54))

IPV4, IPV6, VLAN = b"\x08\0", b"\x86\xdd", b"\x81\0"
TCP, UDP, ICMPV6 = 6, 17, 58
TIMESTAMPS = b"\1\1\x08\x0a" + bytes(8)


class Decider:
    """A pump between a device without a kernel and a socket that nobody reads."""

    def __init__(self, switching: bool) -> None:
        kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK
        self._ours, self._kernel = socket.socketpair(socket.AF_UNIX, kind)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._switching = switching
        self._count = 0
        fd = self._ours.fileno()
        self._pump = core.Pump(fd, True, False, switching, False, False)

    def close(self) -> None:
        for sock in (self._ours, self._kernel, self._udp):
            sock.close()

    def destination(self, frame: bytes) -> bytes | None:
        """Return what alone decides about a frame, None if the pump hands it back."""
        self._pump.clear()
        self._count = 0
        self._pump.clear_stations()
        self._pump.add_station(frame[6:12].ljust(6, b"\0"))
        keys = [frame[place] for place in PLACES]
        sealers = [self._add(key) for key in keys if key]
        self._kernel.send(frame)
        outcome = self._pump.out(1)
        used = [
            key for key, sealer in zip(keys, sealers, strict=False) if sealer.sequence
        ]
        if outcome is not None:
            assert outcome[0] == [bytearray(frame)]
            assert used == []
            return None
        (key,) = used
        return key

    def _add(self, key: bytes) -> core.Sealer:
        sealer = core.Sealer(*_suite_for_core(DEFAULT), KEY)
        host, port = self._udp.getsockname()
        place = self._udp.fileno(), host, port, 0, False
        number = self._count = self._count + 1
        self._pump.set_peer(number, object(), sealer, *place)
        self._pump.set_way(number, number, number, 1518)
        self._pump.add_destination(key, number)
        return sealer


@pytest.fixture(scope="module")
def deciders() -> Iterator[tuple[Decider, Decider]]:
    both = Decider(False), Decider(True)
    yield both
    for decider in both:
        decider.close()


def rule(frame: bytes, switching: bool) -> bytes | None:
    return plain_station(frame) if switching else plain_destination(frame)


options = st.one_of(
    st.just(b""),
    st.just(TIMESTAMPS),
    st.just(b"\2\4\5\xb4"),
    st.just(b"\1\1\1\1\2\4\5\xb4"),
    st.just(b"\3\3\7\0"),
    st.just(b"\0\0\0\0\2\4\5\xb4"),
    st.just(b"\4\2\1\1" + TIMESTAMPS),
)
#: Options that do not fit in themselves or in the header.
broken = st.sampled_from([b"\2\1\0\0", b"\x08\0\0\0", b"\2\x20\0\0", b"\1\1\1\2"])


def tcp(words: int, options: bytes) -> bytes:
    return bytes(12) + bytes([words << 4 & 0xFF, 0x10]) + bytes(6) + options


@st.composite
def sound_tcp(draw: st.DrawFn) -> bytes:
    chosen = draw(options)
    return tcp(5 + len(chosen) // 4, chosen) + draw(st.binary(max_size=9))


@st.composite
def odd_tcp(draw: st.DrawFn) -> bytes:
    chosen = draw(options | broken | st.binary(max_size=12))
    words = draw(st.just(5 + len(chosen) // 4) | st.integers(0, 15))
    return tcp(words, chosen) + draw(st.binary(max_size=9))


@st.composite
def ip_packets(draw: st.DrawFn, payload: st.SearchStrategy[bytes]) -> bytes:
    """Return ethertype and packet; ``payload`` makes what follows as TCP."""
    ipv6 = draw(st.booleans())
    # With extension headers of IPv6, fragments and what nobody has heard of.
    protocol = draw(st.sampled_from([TCP, TCP, UDP, ICMPV6, 1, 0, 43, 44, 60, 255]))
    body = draw(payload if protocol == TCP else st.binary(max_size=30))
    first = draw(st.sampled_from([10, 127, 192, 223, 224, 239, 240, 255, 0xFE]))
    if ipv6:
        target = bytes([first]) + draw(st.binary(min_size=15, max_size=15))
        head = bytes([0x60, 0, 0, 0, 0, len(body), protocol, 64])
        return IPV6 + head + bytes(16) + target + body
    target = bytes([first]) + draw(st.binary(min_size=3, max_size=3))
    flags = draw(st.sampled_from([0x4000, 0, 0x2000, 0x0010])).to_bytes(2, "big")
    head = bytes([0x45, 0, 0, 20 + len(body), 0, 7]) + flags
    return IPV4 + head + bytes([64, protocol, 0, 0]) + bytes(4) + target + body


macs = st.sampled_from([bytes(12), b"\2\0\0\0\0\1\2\0\0\0\0\2", b"\xff" * 6 + bytes(6)])
sound = st.tuples(macs, ip_packets(sound_tcp())).map(b"".join)


@st.composite
def odd(draw: st.DrawFn) -> bytes:
    """Return frames with a tag, cut short, with bytes changed, or of any other type."""
    tags = draw(st.sampled_from([b"", b"", b"", VLAN + b"\0\1", VLAN + b"\0\1" * 3]))
    packet = draw(ip_packets(odd_tcp()))
    other = draw(st.sampled_from([b"", b"", b"\x08\6", b"\0\0", b"\x88\xcc"]))
    frame = bytearray(draw(macs) + tags + (other or packet[:2]) + packet[2:])
    if draw(st.booleans()) and len(frame) > 14:
        # Options of IPv4, and versions that the type does not promise.
        frame[14] = draw(st.sampled_from([0x46, 0x4F, 0x44, 0x65, 0x60, 0x40]))
    for place in draw(st.lists(st.integers(12, 60), max_size=2)):
        if place < len(frame):
            frame[place] = draw(st.integers(0, 255))
    length = draw(st.just(len(frame)) | st.integers(1, len(frame)))
    return bytes(frame[:length])


@settings(max_examples=300)
@given(frame=sound)
def test_sound_packets_are_judged_alike(
    deciders: tuple[Decider, Decider], frame: bytes
) -> None:
    for switching in (False, True):
        assert deciders[switching].destination(frame) == rule(frame, switching)


@settings(max_examples=300)
@given(frame=odd() | st.binary(min_size=1, max_size=80))
def test_others_are_handed_back_or_judged_alike(
    deciders: tuple[Decider, Decider], frame: bytes
) -> None:
    for switching in (False, True):
        assert deciders[switching].destination(frame) in (None, rule(frame, switching))


@MODES
@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("options", [b"", TIMESTAMPS])
def test_every_cut_of_a_segment(
    deciders: tuple[Decider, Decider], switching: bool, ipv6: bool, options: bytes
) -> None:
    ip = b"\x60" + bytes(5) + b"\6\x40" + bytes(32) if ipv6 else b"\x45" + bytes(8)
    ip += b"" if ipv6 else b"\6" + bytes(10)
    whole = bytes(range(12)) + (IPV6 if ipv6 else IPV4) + ip
    whole += tcp(5 + len(options) // 4, options)
    judged = [
        deciders[switching].destination(whole[:length])
        for length in range(1, len(whole) + 1)
    ]
    expected = [rule(whole[:length], switching) for length in range(1, len(whole) + 1)]
    # Without the whole header nobody can tell, so the fewer are plain the better.
    assert judged[-1] == expected[-1] is not None
    assert not any(judged[:-1])
    assert all(one in (None, two) for one, two in zip(judged, expected, strict=True))
