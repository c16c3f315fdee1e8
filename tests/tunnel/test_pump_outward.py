"""From the device to UDP through the compiled pump."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from tests.segments.samples import Segment, cut
from tests.segments.test_superpacket import CUTS
from tests.tunnel.pumping import VNET, Lab, datagram_socket, packet, received
from tests.tunnel.world import ipv4
from tincd_compat._fast import core
from tincd_compat.addresses import SocketAddress
from tincd_compat.segments import splitting
from tincd_compat.segments.superpacket import TCPV4
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.pumps import PUMP_BURST

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


@pytest.mark.parametrize("vnet", [False, True])
def test_what_is_unknown_goes_the_python_way_once(
    make: Callable[..., Lab], vnet: bool
) -> None:
    lab = make(vnet=vnet)
    lab.give(packet(1), packet(2))
    lab.out()
    ((name, train),) = lab.world.ports.trains
    assert name == "b"
    assert lab.world.peers["b"].open(train) == [packet(1), packet(2)]
    assert lab.arrived("b") == []
    lab.give(packet(3), packet(4), packet(5))
    lab.out()
    assert len(lab.world.ports.trains) == 1
    assert lab.pumps.from_device(lab.world.now) is Progress.QUIET
    # The numbers go on where the other way has left them.
    assert lab.arrived("b") == [packet(3), packet(4), packet(5)]
    assert lab.device.bytes_in == 5 * len(packet(1))


def test_each_peer_gets_its_own(lab: Lab) -> None:
    lab.give(packet(0), packet(0, "10.0.3.1"))
    lab.out()
    mixed = [packet(i, f"10.0.{2 + i % 2}.1") for i in range(20)]
    lab.give(*mixed)
    lab.out()
    assert lab.arrived("b") == mixed[::2]
    assert lab.arrived("c") == mixed[1::2]


def test_more_than_a_train(lab: Lab) -> None:
    lab.give(packet(0))
    lab.out()
    many = [packet(i) for i in range(300)]
    sent: list[bytes] = []
    for start in range(0, 300, 60):
        lab.give(*many[start : start + 60])
        lab.out()
        sent += lab.arrived("b")
    assert sent == many


def test_a_super_packet_is_cut(lab: Lab) -> None:
    whole = Segment(payload=bytes(range(200)), source=1).piece(30)
    frame = bytearray(whole.frame)
    frame[26:34] = bytes([10, 0, 1, 1, 10, 0, 2, 1])
    lab.give(packet(0))
    lab.out()
    header = VNET.pack(1, whole.kind, 0, whole.size, whole.start - 14, 16)
    lab.give(frame, header=header)
    lab.out()
    pieces = splitting.split(frame, whole.kind, whole.size, whole.start)
    assert len(pieces) == 7
    assert lab.arrived("b") == pieces
    assert lab.device.bytes_in == sum(map(len, (packet(0), *pieces)))


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("flags", [0, 2])
def test_what_a_network_card_has_merged_is_cut(
    lab: Lab, known: bool, flags: int
) -> None:
    """It has a checksum, or what the card left there, and no start of one."""
    lab.give(*[packet(0)] * known)
    lab.out()
    whole = Segment(payload=bytes(range(200)), source=0x101, target=0x201)
    lab.give(whole.frame(), header=VNET.pack(flags, TCPV4, 0, 30, 0, 0))
    lab.out()
    sent = lab.arrived("b")
    for _, train in lab.world.ports.trains[known:]:
        sent += lab.world.peers["b"].open(train)
    assert sent == [segment.frame() for segment in cut(whole, 30)]


@pytest.mark.parametrize("known", [False, True])
def test_segments_count_each_wherever_they_go(lab: Lab, known: bool) -> None:
    # Sixty of one byte, more than the path may carry together.
    whole = Segment(payload=bytes(60), source=0x101, target=0x201).piece(1)
    header = VNET.pack(1, whole.kind, 0, whole.size, whole.start - 14, 16)
    if known:
        lab.give(packet(0))
        lab.out()
    else:
        lab.world.tunnel(lab.world.node("b")).void_peer_key()
    lab.give(*[bytes(whole.frame)] * 6, header=header)
    lab.out()
    # A call ends with the super-packet that uses up its budget.
    assert len(lab.waiting()) == 6 - -(-PUMP_BURST // 60)


@pytest.mark.parametrize(("size", "count", "sent"), CUTS)
def test_what_no_sender_cuts_so_finely_is_for_python(
    lab: Lab, size: int, count: int, sent: bool
) -> None:
    lab.give(packet(0))
    lab.out()
    payload = bytes(size * count)
    whole = Segment(payload=payload, source=0x101, target=0x201).piece(size)
    header = VNET.pack(1, whole.kind, 0, whole.size, whole.start - 14, 16)
    lab.give(bytes(whole.frame), header=header)
    lab.out()
    assert len(lab.arrived("b")) == (count if sent else 0)
    assert lab.world.pipeline.drops == ({} if sent else {"broken super-packet": 1})


def test_what_is_no_super_packet_counts_once(lab: Lab) -> None:
    whole = Segment(payload=bytes(60), source=0x101, target=0x201).piece(1)
    header = VNET.pack(1, 9, 0, whole.size, whole.start - 14, 16)
    lab.give(*[bytes(whole.frame)] * 6, header=header)
    lab.out()
    assert lab.waiting() == []
    assert lab.world.pipeline.drops == {"broken super-packet": 6}


def test_a_checksum_is_finished(lab: Lab) -> None:
    segment = Segment(udp=True, payload=b"x" * 31)
    whole, unfinished = segment.frame(), bytearray(segment.piece(31).frame)
    lab.world.subnet("b", ".".join(map(str, whole[30:34])))
    header = VNET.pack(1, 0, 0, 0, 20, 6)
    for _ in range(2):
        lab.give(unfinished, header=header)
        lab.out()
    ((_, train),) = lab.world.ports.trains
    assert lab.world.peers["b"].open(train) == [whole]
    assert lab.arrived("b") == [whole]


@pytest.mark.parametrize("length", [1451, 1452, 1500])
def test_what_the_path_may_not_carry_goes_back(lab: Lab, length: int) -> None:
    lab.give(packet(0))
    lab.out()
    lab.give(ipv4("10.0.1.1", "10.0.2.1", bytes(length - 34)))
    lab.out()
    fits = length <= 1451
    assert len(lab.arrived("b")) == fits
    # Of those fragments can be made.
    assert len(lab.world.ports.trains) == 1 + (not fits)


def test_a_new_key_counts_at_once(lab: Lab) -> None:
    lab.give(packet(0))
    lab.out()
    lab.world.take_key("b")
    lab.give(packet(1))
    lab.out()
    assert lab.world.peers["b"].open(lab.world.ports.trains[-1][1]) == [packet(1)]
    lab.give(packet(2))
    lab.out()
    assert lab.arrived("b") == [packet(2)]


def test_a_node_that_moves_is_followed(lab: Lab) -> None:
    lab.give(packet(0))
    lab.out()
    lab.far["b"].close()
    lab.far["b"] = datagram_socket()
    lab.send("b", packet(1, "10.0.1.1", "10.0.2.1"))
    lab.receive()
    lab.give(packet(2), packet(3))
    lab.out()
    lab.give(packet(4))
    lab.out()
    assert lab.arrived("b") == [packet(4)]


def test_a_refusal_is_told(lab: Lab) -> None:
    lab.give(packet(0))
    lab.out()
    # Port 0 is nobody's: the kernel says EINVAL to trains and datagrams alike.
    address = SocketAddress("127.0.0.1", 0)
    lab.world.mesh.set_address(lab.world.node("b"), address)
    lab.give(packet(1))
    lab.out()
    lab.give(packet(2), packet(3))
    lab.out()
    assert set(lab.sockets.refusals) == {("b", errno.EINVAL)}
    assert lab.sockets.stopped == []


def test_a_key_that_is_used_up(lab: Lab) -> None:
    lab.give(packet(0))
    lab.out()
    sealer = lab.world.tunnel(lab.world.node("b")).sealer
    assert sealer is not None
    sealer.sequence = 0xFFFFFFFF - 1
    lab.give(packet(1), packet(2))
    lab.out()
    assert lab.world.pipeline.drops["no valid key"] == 1
    assert len(received(lab.far["b"])) == 1
