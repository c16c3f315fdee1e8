"""Frames into super-packets: what merges, what must not, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.segments.bursts import TIMESTAMPS, after, bursts
from tests.segments.offloads import Implementation, each_implementation
from tests.segments.samples import ACK, CWR, ECE, FIN, PAYLOAD, PSH, Segment, cut
from tincd_compat.checksums import Buffer
from tincd_compat.segments.superpacket import MAX_DATAGRAMS, MAX_MERGED, SuperPacket

SYN, RST, URG = 0x02, 0x04, 0x20

FIRST = Segment(payload=PAYLOAD[:100], options=TIMESTAMPS)
FLOWS = {
    "TCP": FIRST,
    "TCP over IPv6": replace(FIRST, ipv6=True),
    "UDP": replace(FIRST, udp=True),
    "UDP over IPv6": replace(FIRST, udp=True, ipv6=True),
}


def coalesced(
    implementation: Implementation, segments: Iterable[Segment], udp: bool = True
) -> list[Buffer | SuperPacket]:
    return implementation.coalesce([bytearray(s.frame()) for s in segments], udp)


def counts(items: list[Buffer | SuperPacket]) -> list[int]:
    return [item.segments if isinstance(item, SuperPacket) else 1 for item in items]


@each_implementation
@pytest.mark.parametrize("first", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize("length", [200, 250, 300])
def test_merging_undoes_splitting(
    implementation: Implementation, first: Segment, length: int
) -> None:
    whole = replace(first, payload=PAYLOAD[:length], flags=ACK | PSH)
    piece = whole.piece(100)
    frames = implementation.split(*piece)
    assert implementation.coalesce(frames, True) == [piece]


@each_implementation
def test_the_largest_piece(implementation: Implementation) -> None:
    whole = replace(FIRST, payload=PAYLOAD[: 65535 - 52])
    frames = implementation.split(*whole.piece(1000))
    assert implementation.coalesce(frames, False) == [whole.piece(1000)]
    longer = replace(FIRST, payload=PAYLOAD[:65500])
    items = coalesced(implementation, cut(longer, 1000))
    assert counts(items) == [65, 1]


@each_implementation
@pytest.mark.parametrize("ipv6", [False, True])
def test_the_smallest_segments(implementation: Implementation, ipv6: bool) -> None:
    whole = replace(FIRST, ipv6=ipv6, payload=PAYLOAD[: MAX_MERGED + 3])
    items = coalesced(implementation, cut(whole, 1))
    assert counts(items) == [MAX_MERGED, 3]


@each_implementation
@pytest.mark.parametrize("ipv6", [False, True])
def test_datagrams_in_a_piece(implementation: Implementation, ipv6: bool) -> None:
    datagram = Segment(udp=True, ipv6=ipv6, payload=b"x" * 10)
    items = coalesced(implementation, [datagram] * (MAX_DATAGRAMS + 3))
    assert counts(items) == [MAX_DATAGRAMS, 3]


@each_implementation
def test_udp_is_left_alone_unless_asked_for(implementation: Implementation) -> None:
    frames = [bytearray(FLOWS["UDP"].frame())] * 3
    assert implementation.coalesce(frames, False) == frames


@each_implementation
def test_single_frames_are_the_same_objects(implementation: Implementation) -> None:
    frames: list[Buffer] = [
        bytearray(FIRST.frame()),
        bytearray(replace(FIRST, ports=(1, 2)).frame()),
        b"",
        bytes(60),
    ]
    items = implementation.coalesce(frames, True)
    assert all(a is b for a, b in zip(items, frames, strict=True))


TCP_DIFFERENCES = {
    "gap": {"number": FIRST.number + 101},
    "repeated": {"number": FIRST.number},
    "ack": {"ack": 2001},
    "window": {"window": 501},
    "options": {"options": TIMESTAMPS[:-1] + b"\3"},
    "no options": {"options": b""},
    "urgent pointer": {"urgent": 1},
    "reserved bits": {"reserved": 1},
    "FIN": {"flags": ACK | FIN},
    "SYN": {"flags": ACK | SYN},
    "RST": {"flags": ACK | RST},
    "URG": {"flags": ACK | URG},
    "ECE": {"flags": ACK | ECE},
    "CWR": {"flags": ACK | CWR},
    "no ACK": {"flags": 0},
    "no payload": {"payload": b""},
}
DIFFERENCES = {
    "tos": {"tos": 4},
    "congestion": {"tos": 3},
    "ttl": {"ttl": 63},
    "source": {"source": 3},
    "target": {"target": 3},
    "source port": {"ports": (4001, 5201)},
    "target port": {"ports": (4000, 5202)},
    "VLAN": {"tags": b"\x81\0\0\5"},
    "MAC addresses": {"macs": bytes(11) + b"\1"},
}
IPV4_DIFFERENCES = {
    "may be fragmented": {"fragment": 0},
    "more fragments": {"fragment": 0x2000},
    "later fragment": {"fragment": 1},
    "reserved flag": {"fragment": 0xC000},
    "IP options": {"ip_options": b"\x94\x04\0\0"},
}


def differing() -> Iterable[tuple[Segment, dict[str, object]]]:
    for first in FLOWS.values():
        tables: list[dict[str, dict[str, object]]] = [DIFFERENCES]  # type: ignore[list-item]
        if not first.udp:
            tables.append(TCP_DIFFERENCES)  # type: ignore[arg-type]
        if not first.ipv6:
            tables.append(IPV4_DIFFERENCES)  # type: ignore[arg-type]
        else:
            tables.append({"label": {"label": 6}})
        for table in tables:
            yield from ((first, changes) for changes in table.values())


@each_implementation
@pytest.mark.parametrize(("first", "changes"), [*differing()])
def test_what_differs_does_not_merge(
    implementation: Implementation, first: Segment, changes: dict[str, object]
) -> None:
    other = replace(after(first), **changes)  # type: ignore[arg-type]
    for pair in ([first, other], [other, first]):
        frames = [bytearray(segment.frame()) for segment in pair]
        assert implementation.coalesce(frames, True) == frames


@each_implementation
@pytest.mark.parametrize("first", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize("beyond", [{"stops": (8, 9)}, {"padding": 1}])
def test_routes_and_extension_headers_stay_alone(
    implementation: Implementation, first: Segment, beyond: dict[str, Any]
) -> None:
    """Where the last stop is not in the IP header, a piece would get a wrong seed."""
    first = replace(first, ip_options=b"\x94\x04\0\0", **beyond)
    frames = [bytearray(s.frame()) for s in (first, after(first))]
    assert implementation.coalesce(frames, True) == frames


@each_implementation
def test_flags_that_no_piece_has(implementation: Implementation) -> None:
    for flags in set(range(256)) - {ACK, ACK | PSH, ACK | ECE, ACK | ECE | PSH}:
        first = replace(FIRST, flags=flags)
        assert counts(coalesced(implementation, [first, after(first)])) == [1, 1]


@each_implementation
def test_reserved_bits_that_no_piece_has(implementation: Implementation) -> None:
    for reserved in range(2, 16):
        first = replace(FIRST, reserved=reserved)
        assert counts(coalesced(implementation, [first, after(first)])) == [1, 1]


@each_implementation
@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("counter", range(8))
def test_the_counter_of_accurate_ecn(
    implementation: Implementation, ipv6: bool, counter: int
) -> None:
    """AE, CWR and ECE count (RFC 9768); whoever cuts a piece says CWR only once."""
    accurate, reduced, echo = counter >> 2, counter >> 1 & 1, counter & 1
    flags = ACK | reduced * CWR | echo * ECE
    first = replace(FIRST, ipv6=ipv6, reserved=accurate, flags=flags)
    second = after(first)
    third = after(second, flags=flags | PSH)
    items = coalesced(implementation, [first, second, third])
    assert counts(items) == ([1, 1, 1] if reduced else [3])
    if isinstance(items[0], SuperPacket):
        cut_again = implementation.split(*items[0])
        assert cut_again == [s.frame() for s in (first, second, third)]


@each_implementation
def test_another_count_of_accurate_ecn_begins_a_piece(
    implementation: Implementation,
) -> None:
    segments = [FIRST, after(FIRST)]
    for change in ({"flags": ACK | ECE}, {"reserved": 1}, {"flags": ACK}):
        segments.append(after(segments[-1], **change))
        segments.append(after(segments[-1]))
    items = coalesced(implementation, segments)
    assert counts(items) == [2, 2, 2, 2]


@each_implementation
def test_a_push_ends_the_piece(implementation: Implementation) -> None:
    second = after(FIRST, flags=ACK | PSH)
    third = after(second, flags=ACK)
    items = coalesced(implementation, [FIRST, second, third, after(third)])
    assert counts(items) == [2, 2]
    assert [item.frame[47] for item in items if isinstance(item, SuperPacket)] == [
        ACK | PSH,
        ACK,
    ]
    first = replace(FIRST, flags=ACK | PSH)
    assert counts(coalesced(implementation, [first, after(first)])) == [1, 1]


@each_implementation
@pytest.mark.parametrize("first", FLOWS.values(), ids=FLOWS)
def test_a_short_segment_ends_the_piece(
    implementation: Implementation, first: Segment
) -> None:
    second = after(first, payload=b"short")
    third = after(second, payload=b"short")
    assert counts(coalesced(implementation, [first, second, third])) == [2, 1]


@each_implementation
@pytest.mark.parametrize("first", FLOWS.values(), ids=FLOWS)
def test_a_longer_segment_begins_a_piece(
    implementation: Implementation, first: Segment
) -> None:
    second = after(first, payload=PAYLOAD[:101])
    assert counts(coalesced(implementation, [first, second, after(second)])) == [1, 2]


@each_implementation
def test_numbers_wrap(implementation: Implementation) -> None:
    first = replace(FIRST, number=2**32 - 100)
    assert counts(coalesced(implementation, [first, after(first)])) == [2]


@each_implementation
@pytest.mark.parametrize("first", [FLOWS["TCP"], FLOWS["UDP"]], ids=["TCP", "UDP"])
@pytest.mark.parametrize("fragment", [0, 0x4000])
def test_names_of_what_may_be_fragmented(
    implementation: Implementation, first: Segment, fragment: int
) -> None:
    """Whoever cuts a piece counts names on: such that fragments need have to fit."""
    first = replace(first, ident=0xFFFF, fragment=fragment)
    second = after(first)
    third = after(second, fragment=fragment)
    items = coalesced(implementation, [first, second, third])
    assert counts(items) == [3]
    for wrong in (0, 3, 0x8001):
        alone = replace(third, ident=wrong)
        items = coalesced(implementation, [first, second, alone, after(alone)])
        assert counts(items) == ([4] if fragment else [2, 2])


@each_implementation
@pytest.mark.parametrize("first", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_wrong_transport_checksums_stay_wrong(
    implementation: Implementation, first: Segment, wrong: int
) -> None:
    segments = [first, after(first), after(after(first))]
    frames = [bytearray(segment.frame()) for segment in segments]
    frames[wrong][-1] ^= 1
    items = implementation.coalesce(frames, True)
    assert frames[wrong] in items
    assert counts(items) == (
        [1, 2] if wrong == 0 else [1, 1, 1] if wrong == 1 else [2, 1]
    )


@each_implementation
@pytest.mark.parametrize("wrong", [0, 1])
def test_wrong_header_checksums_stay_wrong(
    implementation: Implementation, wrong: int
) -> None:
    frames = [bytearray(segment.frame()) for segment in (FIRST, after(FIRST))]
    frames[wrong][25] ^= 1
    assert implementation.coalesce(frames, True) == frames


@each_implementation
@pytest.mark.parametrize("first", [FLOWS["UDP"], FLOWS["UDP over IPv6"]])
@pytest.mark.parametrize("bare", [0, 1])
def test_datagrams_without_checksum_get_none(
    implementation: Implementation, first: Segment, bare: int
) -> None:
    frames = [bytearray(first.frame()) for _ in range(2)]
    frames[bare][first.start + 6 : first.start + 8] = bytes(2)
    assert implementation.coalesce(frames, True) == frames


@each_implementation
@pytest.mark.parametrize("first", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize("padded", [0, 1])
def test_frames_with_a_tail_stay_alone(
    implementation: Implementation, first: Segment, padded: int
) -> None:
    frames = [bytearray(first.frame()), bytearray(after(first).frame())]
    frames[padded] += bytes(3)
    assert implementation.coalesce(frames, True) == frames


@each_implementation
def test_the_length_of_udp_counts_too(implementation: Implementation) -> None:
    frames = [bytearray(FLOWS["UDP"].frame()) for _ in range(2)]
    frames[1][38:40] = (50).to_bytes(2, "big")
    assert implementation.coalesce(frames, True) == frames


# Order.


@each_implementation
def test_flows_do_not_disturb_each_other(implementation: Implementation) -> None:
    one, other = FIRST, replace(FIRST, ports=(4001, 5201))
    segments = [one, other, after(one), after(other), after(after(one))]
    items = coalesced(implementation, segments)
    assert counts(items) == [3, 2]


@each_implementation
@pytest.mark.parametrize(
    "between",
    [
        after(FIRST, payload=b""),
        after(FIRST, payload=b"", ack=2001),
        after(FIRST, flags=ACK | FIN),
        after(FIRST, ttl=3),
    ],
)
def test_nothing_overtakes_a_segment_of_its_flow(
    implementation: Implementation, between: Segment
) -> None:
    segments = [FIRST, between, after(FIRST)]
    assert counts(coalesced(implementation, segments)) == [1, 1, 1]


@each_implementation
def test_nothing_overtakes_a_fragment(implementation: Implementation) -> None:
    fragment = after(FIRST, fragment=1)
    segments = [FIRST, fragment, after(FIRST)]
    assert counts(coalesced(implementation, segments)) == [1, 1, 1]


@each_implementation
def test_tcp_and_udp_of_the_same_ports(implementation: Implementation) -> None:
    segments = [FIRST, replace(FIRST, udp=True), after(FIRST)]
    items = coalesced(implementation, segments, udp=False)
    assert counts(items) == [2, 1]


def flow(frame: bytes) -> bytes:
    """Return the MAC addresses, ethertype, protocol, addresses and ports."""
    if frame[13] == 0:
        return frame[:14] + frame[23:24] + frame[26:38]
    return frame[:14] + frame[20:21] + frame[22:58]


def nameless(frame: bytes) -> bytes:
    """A frame without the name and checksum of IPv4, which a piece renews.

    Unless there may be fragments of it, which need that name.
    """
    may_be_fragmented = len(frame) > 20 and not frame[20] & 0x40
    if frame[12:14] != b"\x08\x00" or may_be_fragmented:
        return frame
    return frame[:18] + bytes(2) + frame[20:24] + bytes(2) + frame[26:]


def parts_of(
    implementation: Implementation, frames: Sequence[bytes], udp: bool
) -> list[bytes]:
    """Merge frames and cut the pieces again."""
    parts: list[bytes] = []
    for item in implementation.coalesce(frames, udp):
        if isinstance(item, SuperPacket):
            parts += implementation.split(*item)
        else:
            parts.append(bytes(item))
    return parts


@each_implementation
@settings(max_examples=60)
@given(frames=bursts, udp=st.booleans())
def test_splitting_undoes_merging(
    implementation: Implementation, frames: list[bytes], udp: bool
) -> None:
    parts = parts_of(implementation, frames, udp)
    for name in {flow(frame) for frame in frames}:
        assert [nameless(part) for part in parts if flow(part) == name] == [
            nameless(frame) for frame in frames if flow(frame) == name
        ]
    assert len(parts) == len(frames)


@each_implementation
@settings(max_examples=60)
@given(frames=bursts, place=st.integers(0, 20))
def test_nothing_overtakes_what_has_no_clear_flow(
    implementation: Implementation, frames: list[bytes], place: int
) -> None:
    odd = replace(FIRST, fragment=1).frame()
    before, behind = frames[:place], frames[place:]
    parts = parts_of(implementation, [*before, odd, *behind], True)
    assert len(parts) == len(frames) + 1
    assert parts[len(before)] == odd
    # Flows may stand in another order, each for itself.
    for some, others in (
        (before, parts[: len(before)]),
        (behind, parts[len(before) + 1 :]),
    ):
        assert sorted(map(nameless, some)) == sorted(map(nameless, others))


@each_implementation
@given(frames=st.lists(st.binary(max_size=90), max_size=5), udp=st.booleans())
def test_any_bytes(
    implementation: Implementation, frames: list[bytes], udp: bool
) -> None:
    assert implementation.coalesce(frames, udp) == frames


@each_implementation
@given(
    first=st.sampled_from(list(FLOWS.values())),
    length=st.integers(0, 180),
    at=st.integers(0, 90),
    value=st.integers(0, 255),
    damaged=st.integers(0, 1),
)
def test_damaged_frames(
    implementation: Implementation,
    first: Segment,
    length: int,
    at: int,
    value: int,
    damaged: int,
) -> None:
    frames = [bytearray(first.frame()), bytearray(after(first).frame())]
    bad = frames[damaged]
    before = bytes(bad)
    bad[at : at + 1] = bytes([value])
    del bad[length:]
    if nameless(bytes(bad)) != nameless(before):
        assert implementation.coalesce(frames, True) == frames
    else:
        assert len(implementation.coalesce(frames, True)) in (1, 2)
