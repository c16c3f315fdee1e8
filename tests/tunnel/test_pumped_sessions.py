"""The compiled pumps and nodes with sessions: what they move, and what they leave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tunnel.pumping import Lab, packet, received
from tests.tunnel.sealed import SPEAKS, FarEnd, SealedWorld
from tests.tunnel.world import ipv4
from tincd_compat._fast import core
from tincd_compat.crypto.sptps.derivation import DIRECT, node_id
from tincd_compat.tunnel.lookup import MAX_TESTS
from tincd_compat.tunnel.receiving import Received
from tincd_compat.tunnel.sessionsealer import IDS_SIZE

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

OUT = packet(5)
IN = packet(5, "10.0.1.1", "10.0.2.1")
STRAIGHT = DIRECT + node_id("a")


class SessionLab(Lab):
    """Daemon a, and b, which has a session; ``seen`` is what Python had to look at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sealed = SealedWorld()
        world = self.sealed.world
        super().__init__(world)
        world.link("a", "b", SPEAKS)
        world.node("b").has_sessions = True
        world.subnet("b", "10.0.2.0/24")
        world.subnet("a", "10.0.1.0/24")
        self.end: FarEnd = self.sealed.open_session("b", carries=1400)
        self.seen: list[bytes] = []
        pass_on = world.pipeline.from_udp

        def from_udp(datagrams: list[Received], now: float) -> None:
            self.seen += [data for data, _, _ in datagrams]
            pass_on(datagrams, now)

        monkeypatch.setattr(world.pipeline, "from_udp", from_udp)

    def came(self) -> list[bytes]:
        """Take the datagrams for b, those of Python first."""
        mine = [each for _, train in self.sealed.ports.trains for each in train]
        self.sealed.ports.trains.clear()
        return mine + received(self.far["b"])


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionLab]:
    lab = SessionLab(monkeypatch)
    yield lab
    lab.close()


def outward(lab: SessionLab, *frames: bytes) -> list[bytes]:
    """Let frames from the device leave; the pump takes what it knows the way of."""
    lab.give(*frames)
    lab.out()
    return lab.came()


def test_after_the_first_frame_the_pump_sends_straight(lab: SessionLab) -> None:
    found = outward(lab, OUT)
    # With nobody to be asked the pump alone can have sent it.
    lab.world.pipeline.from_device = None  # type: ignore[assignment,method-assign]
    found += outward(lab, OUT, OUT)
    assert [each[:IDS_SIZE] for each in found] == [STRAIGHT] * 3
    frames = lab.end.open(*(each[IDS_SIZE:] for each in found))
    assert [frame[14:] for frame in frames] == [OUT[14:]] * 3


def test_a_frame_that_the_path_does_not_carry_is_left_to_python(
    lab: SessionLab,
) -> None:
    outward(lab, OUT)
    long = bytes(ipv4("10.0.1.1", "10.0.2.1", bytes(1400)))
    assert outward(lab, long) == []
    # A neighbour gets it over the meta connection.
    assert [bytes(each) for _, each in lab.world.ports.packets] == [bytes(long)]


def test_after_the_first_datagram_the_pump_opens(lab: SessionLab) -> None:
    for number in range(3):
        lab.send_raw("b", *lab.end.seal(IN))
        lab.receive()
        assert len(lab.seen) <= 2, number
    assert [frame[14:] for _, frame in lab.written()] == [IN[14:]]
    assert lab.world.tunnel(lab.world.node("b")).session_heard > 0


def test_what_the_pump_opens_counts_as_heard(lab: SessionLab) -> None:
    tunnel = lab.world.tunnel(lab.world.node("b"))
    for _ in range(3):
        lab.send_raw("b", *lab.end.seal(IN))
        lab.receive()
    lab.world.now += 100.0
    seen = len(lab.seen)
    lab.send_raw("b", *lab.end.seal(IN))
    lab.receive()
    assert len(lab.seen) == seen
    assert tunnel.session_heard == pytest.approx(lab.world.now, abs=0.01)
    assert tunnel.last_packet == tunnel.session_heard


def test_another_session_is_another_for_the_pumps(lab: SessionLab) -> None:
    outward(lab, OUT)
    lab.end = lab.sealed.open_session("b", carries=1400)
    found = outward(lab, OUT)
    found += outward(lab, OUT)
    frames = lab.end.open(*(each[IDS_SIZE:] for each in found))
    assert len(frames) == 2


def test_the_source_of_what_is_relayed_is_not_ignored(lab: SessionLab) -> None:
    """b passes on what c has sealed for us; that b has not sealed it is no junk."""
    world = lab.world
    for _ in range(3):
        lab.send_raw("b", *lab.end.seal(IN))
        lab.receive()
    world.link("b", "c", SPEAKS)
    world.node("c").options, world.node("c").has_sessions = SPEAKS, True
    far = lab.sealed.open_session("c")
    # To look for the senders of more junk would be in vain.
    for number in range(2 * MAX_TESTS):
        lab.send_raw("b", STRAIGHT + bytes([number % 256]) * 90)
        lab.receive()
    seen = len(lab.seen)
    for _ in range(20):
        lab.send_raw("b", *far.seal(IN, to="a"))
        lab.receive()
    assert len(lab.seen) == seen + 20
