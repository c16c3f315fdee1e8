"""From UDP to the device through the compiled pump."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from tests.segments.samples import Segment
from tests.tunnel.pumping import PLAIN, VNET, Lab, packet
from tests.tunnel.world import World, probe, sized
from tincd_compat._fast import core
from tincd_compat.segments import splitting
from tincd_compat.tunnel.receiving import MAX_DATAGRAM

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


def segments(count: int, size: int = 100) -> list[bytes]:
    """Return TCP segments of one flow towards our subnet."""
    found = []
    for index in range(count):
        frame = bytearray(
            Segment(payload=bytes([index]) * size, number=index * size).frame()
        )
        found.append(bytes(frame))
    return found


def learned(lab: Lab) -> None:
    for number in range(2):
        lab.send("b", packet(number, "10.0.1.1", "10.0.2.1"))
        lab.receive()
    lab.world.ports.delivered.clear()


def test_what_is_unknown_goes_the_python_way_once(lab: Lab) -> None:
    frames = [packet(i, "10.0.1.1", "10.0.2.1") for i in range(6)]
    lab.send("b", frames[0])
    lab.receive()
    assert lab.world.ports.delivered == [frames[0]]
    # The source is known by now, the destination after this.
    lab.send("b", frames[1])
    lab.receive()
    assert lab.world.ports.delivered == frames[:2]
    lab.send("b", *frames[2:])
    lab.receive()
    assert lab.world.ports.delivered == frames[:2]
    assert lab.written() == [(PLAIN, frame) for frame in frames[2:]]
    assert lab.device.bytes_out == 4 * len(frames[0])


@pytest.mark.parametrize(
    ("length", "longest"), [(1640, 1652), (1650, 1668), (5000, 5012)]
)
def test_datagrams_beyond_the_longest_are_not_even_opened(
    lab: Lab, length: int, longest: int
) -> None:
    learned(lab)
    fits = longest <= MAX_DATAGRAM
    for whose in ("10.0.1.1", "10.0.3.1"):
        frame = sized(length, whose, "10.0.2.1")
        (datagram,) = lab.world.peers["b"].seal(frame)
        assert len(datagram) == longest
        lab.send_raw("b", datagram)
        lab.receive()
    ours = sized(length, "10.0.1.1", "10.0.2.1")
    assert [data for _, data in lab.written()] == ([ours] if fits else [])
    assert lab.world.pipeline.drops["too long"] == (0 if fits else 2)


def test_segments_are_merged(make: Callable[..., Lab]) -> None:
    world = World()
    lab = make(world)
    frames = segments(5)
    target = ".".join(map(str, frames[0][30:34]))
    world.subnet("a", target)
    for _ in range(2):
        lab.send("b", packet(0, target))
        lab.receive()
    lab.send("b", *frames)
    lab.receive()
    ((header, piece),) = lab.written()
    flags, kind, length, size, start, offset = VNET.unpack(header)
    assert (flags, kind, size, start, offset) == (1, 1, 100, 20, 16)
    assert length == len(piece) - 14 - 500
    cut = splitting.split(piece, kind, size, start + 14)
    assert [frame[34:] for frame in cut] == [frame[34:] for frame in frames]
    assert lab.device.bytes_out == sum(map(len, frames))


def test_segments_beyond_what_one_write_can_gather(lab: Lab) -> None:
    lab.world.subnet("a", "10.0.0.2")
    for number in range(2):
        lab.send("b", packet(number, "10.0.0.2"))
        lab.receive()
    frames = [Segment(payload=b"x", number=i).frame() for i in range(1024)]
    lab.send_trains("b", *frames)
    lab.receive()
    found = []
    for header, piece in lab.written():
        _, kind, _, size, start, _ = VNET.unpack(header)
        found += splitting.split(piece, kind, size, start + 14)
    assert [frame[34:] for frame in found] == [frame[34:] for frame in frames]


def test_a_probe_is_answered(lab: Lab) -> None:
    learned(lab)
    lab.send("b", probe(100))
    lab.receive()
    ((_, train),) = lab.world.ports.trains
    assert lab.world.peers["b"].open(train) == [probe(100, reply=True)]


def test_what_is_not_for_us_is_routed(lab: Lab) -> None:
    learned(lab)
    frame = packet(7, "10.0.3.1", "10.0.2.1")
    lab.send("b", frame)
    lab.receive()
    ((name, train),) = lab.world.ports.trains
    assert name == "c"
    assert lab.world.peers["c"].open(train) == [frame]
    assert lab.written() == []


def test_replayed_and_forged_datagrams(lab: Lab) -> None:
    learned(lab)
    (good,) = lab.world.peers["b"].seal(packet(5, "10.0.1.1", "10.0.2.1"))
    forged = good[:-1] + bytes([good[-1] ^ 1])
    lab.send_raw("b", good, good, forged, b"short", b"")
    lab.receive()
    assert len(lab.written()) == 1
    drops = lab.world.pipeline.drops
    assert drops["late or replayed"] == 1
    assert drops["unauthenticated"] == 1
    assert drops["too short"] == 1
    assert drops["invalid size"] == 1


def test_a_key_that_we_renew_counts_at_once(lab: Lab) -> None:
    learned(lab)
    frames = [packet(i, "10.0.1.1", "10.0.2.1") for i in range(4)]
    old = lab.world.peers["b"].seal(*frames[:2])
    lab.world.give_key("b")
    lab.send_raw("b", old[0])
    lab.send("b", frames[2])
    lab.receive()
    assert lab.world.ports.delivered == [frames[0], frames[2]]
    # The old one had been in use before, and has ended.
    lab.send("b", frames[3])
    lab.send_raw("b", old[1])
    lab.receive()
    # That our address is ours has nothing to do with keys, and is still known.
    assert lab.world.ports.delivered[2:] == []
    assert lab.written() == [(PLAIN, frames[3])]
    assert lab.world.pipeline.drops == {"unauthenticated": 1}


def test_keys_whose_lines_have_crossed(lab: Lab) -> None:
    lab.world.cross_keys("b")
    learned(lab)
    frames = [packet(i, "10.0.1.1", "10.0.2.1") for i in range(4)]
    # The older key is in front by now, and the compiled way knows it alone.
    lab.send("b", *frames)
    lab.receive()
    assert lab.written() == [(PLAIN, frame) for frame in frames]
    assert lab.world.ports.delivered == []


def test_a_node_that_turns_to_its_other_key(lab: Lab) -> None:
    peer = lab.world.peers["b"].tunnel
    older = peer.sealer
    lab.world.give_key("b")
    learned(lab)
    for sealer in (older, peer.sealer):
        peer.sealer = sealer
        # The Python way, until the source is told; the destination still is.
        for way in ("python", "compiled", "compiled"):
            frame = packet(1, "10.0.1.1", "10.0.2.1")
            lab.send("b", frame)
            lab.receive()
            assert lab.written() == [(PLAIN, frame)] * (way == "compiled")
    assert lab.world.pipeline.drops == {}


def test_a_subnet_that_is_no_longer_ours(lab: Lab) -> None:
    learned(lab)
    mesh = lab.world.mesh
    (subnet,) = mesh.subnets.of(mesh.myself)
    mesh.subnets.remove(mesh.myself, subnet)
    lab.send("b", packet(9, "10.0.1.1", "10.0.2.1"))
    lab.receive()
    assert lab.written() == []
    assert lab.world.ports.delivered == []


def test_a_device_that_refuses(lab: Lab) -> None:
    learned(lab)
    lab.kernel.close()
    lab.send("b", packet(5, "10.0.1.1", "10.0.2.1"))
    lab.receive()
    assert lab.device.failures == [errno.EPIPE]
    assert lab.device.bytes_out == 0
