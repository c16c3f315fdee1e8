"""Bursts as hypothesis draws them: flows that go on, and now and then something else.

A segment drawn by itself hardly ever continues another.  So a burst is drawn as runs of
some flows, in any order; each run begins where its flow has got to, and what is wrong
with it is drawn from a table of everything that may decide whether it merges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import strategies as st

from tests.segments.samples import ACK, CWR, ECE, FIN, PAYLOAD, PSH, Segment

TIMESTAMPS: Final = bytes.fromhex("0101080a0000000100000002")
_TIME: Final = TIMESTAMPS[:-1] + b"\3"
_SYN, _URG = 0x02, 0x20

#: What may differ in a segment from those before: fields of :class:`Segment`, or what
#: to add to a number of it.
CHANGES: Final[Mapping[str, Mapping[str, object]]] = {
    "tos": {"tos": 4},
    "ttl": {"ttl": 63},
    "label": {"label": 6},
    "may be fragmented": {"fragment": 0},
    "not to be fragmented": {"fragment": 0x4000},
    "more fragments": {"fragment": 0x2000},
    "later fragment": {"fragment": 1},
    "reserved flag": {"fragment": 0xC000},
    "IP options": {"ip_options": b"\x94\x04\0\0"},
    "source route": {"stops": (8,)},
    "extension header": {"padding": 1},
    "VLAN": {"tags": b"\x81\0\0\5"},
    "MAC addresses": {"macs": bytes(11) + b"\1"},
    "PSH": {"flags": ACK | PSH},
    "FIN": {"flags": ACK | FIN},
    "SYN": {"flags": _SYN},
    "CWR": {"flags": ACK | CWR},
    "ECE": {"flags": ACK | ECE},
    "ECE and PSH": {"flags": ACK | ECE | PSH},
    "AE": {"reserved": 1},
    "AE and ECE": {"reserved": 1, "flags": ACK | ECE},
    "URG": {"flags": ACK | _URG},
    "urgent pointer": {"urgent": 1},
    "acknowledgement": {"ack": 2001},
    "window": {"window": 501},
    "options": {"options": _TIME},
    "no options": {"options": b""},
    "reserved bits": {"reserved": 2},
    "short": {"payload": PAYLOAD[:3]},
    "empty": {"payload": b""},
    "long": {"payload": PAYLOAD[:1450]},
}
#: What is added to the name of IPv4, or to the number of TCP.
STEPS: Final[Mapping[str, tuple[str, int]]] = {
    "name again": ("ident", -1),
    "name left out": ("ident", 1),
    "number again": ("number", -7),
    "number left out": ("number", 7),
}


def _at(place: Callable[[Segment], int], mask: int) -> Callable[[Segment], bytes]:
    def dent(segment: Segment) -> bytes:
        frame = bytearray(segment.frame())
        frame[place(segment) % len(frame)] ^= mask
        return bytes(frame)

    return dent


def _bare(segment: Segment) -> bytes:
    """A datagram without checksum, which is none in TCP."""
    frame = bytearray(segment.frame())
    frame[segment.start + 6 : segment.start + 8] = bytes(2)
    return bytes(frame)


#: What a frame may be that no sender makes.
DENTS: Final[Mapping[str, Callable[[Segment], bytes]]] = {
    "wrong payload": _at(lambda segment: len(segment.frame()) - 1, 1),
    "wrong header": _at(lambda segment: 25, 1),
    "wrong length": _at(lambda segment: 17, 1),
    "wrong length of IPv6": _at(lambda segment: 19, 1),
    "wrong length of UDP": _at(lambda segment: segment.start + 5, 1),
    "another version": _at(lambda segment: 14, 0x20),
    "no checksum": _bare,
    "a tail": lambda segment: segment.frame() + bytes(3),
    "cut off": lambda segment: segment.frame()[:-1],
    "cut off in front": lambda segment: segment.frame()[: segment.start + 4],
}
#: Everything that can be the matter with a segment.
MATTERS: Final = (*CHANGES, *STEPS, *DENTS)

#: How long a run may be: mostly short, or more than a piece holds.
_RUNS: Final = (1, 1, 1, 2, 2, 3, 5, 48, 66)
#: Bytes of a segment.
_SIZES: Final = (7, 20, 100, 1400)


@dataclass(frozen=True)
class Run:
    """Segments of a flow in a row, the first of which may be odd.

    A ``lasting`` change is one of the flow, and all later segments have it too.
    """

    flow: int
    count: int
    matter: str | None
    lasting: bool


flows: Final = st.builds(
    Segment,
    ipv6=st.booleans(),
    udp=st.booleans(),
    payload=st.sampled_from(_SIZES).map(lambda size: PAYLOAD[:size]),
    number=st.sampled_from([1000, 2**32 - 60]),
    options=st.sampled_from([b"", TIMESTAMPS]),
    fragment=st.sampled_from([0x4000, 0]),
    ident=st.sampled_from([7, 0xFFFE]),
    ports=st.sampled_from([(1, 2), (1, 3)]),
)
runs: Final = st.builds(
    Run,
    flow=st.integers(0, 2),
    count=st.sampled_from(_RUNS),
    matter=st.none() | st.sampled_from(MATTERS),
    lasting=st.booleans(),
)


def after(segment: Segment, **changes: Any) -> Segment:
    """Return the segment that continues another."""
    number = segment.number + len(segment.payload)
    return replace(segment, number=number, ident=segment.ident + 1, **changes)


def changed(segment: Segment, matter: str) -> Segment:
    """Return a segment with what is the matter with it, as far as a sender may."""
    if matter in STEPS:
        field, step = STEPS[matter]
        return replace(segment, **{field: getattr(segment, field) + step})
    changes: dict[str, Any] = dict(CHANGES.get(matter, {}))
    return replace(segment, **changes)


def frames_of(first: Iterable[Segment], drawn: Iterable[Run]) -> list[bytes]:
    """Return the frames of a burst, each flow beginning with a segment of ``first``."""
    heads = list(first)
    frames: list[bytes] = []
    for run in drawn:
        usual = heads[run.flow % len(heads)]
        size = len(usual.payload)
        for number in range(run.count):
            segment = usual
            if number == 0 and run.matter is not None:
                segment = changed(usual, run.matter)
            dent = DENTS.get(run.matter or "") if number == 0 else None
            frames.append(segment.frame() if dent is None else dent(segment))
            if run.lasting:
                usual = segment
            usual = after(
                replace(usual, number=segment.number, payload=segment.payload)
            )
            usual = replace(usual, payload=PAYLOAD[:size])
        heads[run.flow % len(heads)] = usual
    return frames


bursts: Final = st.builds(
    frames_of,
    st.lists(flows, min_size=1, max_size=3),
    st.lists(runs, max_size=12),
)
