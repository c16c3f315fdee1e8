"""What the compiled pumps leave to Python altogether."""

from __future__ import annotations

import logging
import socket
from typing import Final

import pytest

from tests.tunnel.pumping import Lab, packet, received
from tests.tunnel.world import ipv4
from tincd_compat import logs
from tincd_compat._fast import core
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Node
from tincd_compat.transport.udp import UDP_GRO
from tincd_compat.tunnel import pumps
from tincd_compat.tunnel.ports import Progress

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


def test_a_dead_device_is_for_python(lab: Lab) -> None:
    lab.ours.close()
    assert lab.pumps.from_device(lab.world.now) is Progress.REFUSED


def test_single_packets_are_logged_by_python(lab: Lab) -> None:
    logs.traffic.setLevel(logging.DEBUG)
    assert lab.pumps.from_device(lab.world.now) is Progress.REFUSED
    assert lab.pumps.from_udp(0, lab.world.now) is Progress.REFUSED


class FullPump:
    """Has sent 1000 bytes from the socket 0, and lost five datagrams for a node.

    It is told how long a message may be.
    """

    drops: Final = (0,) * 64
    bytes_in = bytes_out = 0

    def __init__(self, node: Node) -> None:
        self._node = node
        self.limits: list[tuple[int, int, int]] = []

    def limit_runs(self, index: int, longest: int, lasts: int) -> None:
        self.limits.append((index, longest, lasts))

    def out(self, _budget: int) -> tuple[object, ...]:
        return [], [], [], [(4, self._node, 5)], 0, 0, 0

    def sent(self, index: int) -> int:
        return 1000 if index == 0 else 0


def test_a_full_socket_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    node = lab.world.node("b")
    pump = FullPump(node)
    with monkeypatch.context() as patched:
        patched.setattr(lab.pumps, "_pump", pump)
        patched.setattr(lab.pumps, "_dropped", FullPump.drops)
        lab.out()
        assert lab.sockets.filled == [(0, 5, 1000)]
        assert pump.limits == [(0, 3000, 500_000)]
        # Its address has changed meanwhile, and there is no socket for that one.
        lab.world.mesh.set_address(node, SocketAddress("fd00::2", 655))
        lab.out()
        assert len(lab.sockets.filled) == len(pump.limits) == 1


def test_what_a_socket_takes_is_counted(lab: Lab) -> None:
    lab.give(packet(1))
    lab.out()
    lab.give(packet(2), packet(3))
    lab.out()
    arrived = received(lab.far["b"])
    pump = core.Pump(-1, False, True, False, False, False)
    assert pump.sent(0) == 0
    watched = lab.pumps._pump
    assert watched.sent(0) == sum(map(len, arrived)) > 0


def test_messages_are_shorter_until_so_much_has_left(lab: Lab) -> None:
    far, pump = lab.far["b"], lab.pumps._pump
    far.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
    # Python tells the pump the way.
    for _ in range(2):
        lab.give(packet(0))
        lab.out()
    (datagram,) = received(far)

    def messages(frame: bytes = packet(1), count: int = 10) -> int:
        lab.give(*[frame] * count)
        lab.out()
        return len(received(far))

    assert messages() == 1
    size = len(datagram)
    pump.limit_runs(0, 2 * size + 1, 20 * size - 1)
    assert [messages() for _ in range(3)] == [5, 5, 1]
    # Longer than the kernel takes is none, and nobody looks after the other socket.
    pump.limit_runs(0, 1 << 31, 1 << 31)
    pump.limit_runs(7, 1, 1 << 31)
    assert messages() == 1
    assert messages(bytes(ipv4("10.0.1.1", "10.0.2.1", bytes(1400))), 50) == 2


def test_none_without_the_compiled_half(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps, "core", None)
    world = lab.world
    assert pumps.start(lab.device, world.pipeline, world.mesh, lab.sockets) is None


def test_none_for_other_devices(lab: Lab) -> None:
    world = lab.world
    assert pumps.start(None, world.pipeline, world.mesh, lab.sockets) is None
