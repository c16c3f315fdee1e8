"""Packets of nodes with sessions: which way, under whose IDs, and from whom."""

from __future__ import annotations

import pytest

from tests.tunnel.sealed import SPEAKS, FarEnd, SealedWorld
from tests.tunnel.world import DEFAULT, ELSEWHERE, ipv4, probe, sized
from tincd_compat.crypto.sptps.derivation import DIRECT, node_id
from tincd_compat.crypto.sptps.records import SptpsRecord
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.options import INDIRECT, TCPONLY, with_minor
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.pmtu import answered_length, short_answer
from tincd_compat.tunnel.sessionpath import MAX_IN_LINE

SMALL = sized(100)


def neighbour(options: int = SPEAKS, own: int = SPEAKS) -> SealedWorld:
    """Return a world with b, which we have a link with."""
    sealed = SealedWorld(own=own)
    sealed.world.link("a", "b", options)
    sealed.world.subnet("b", "10.0.2.0/24")
    return sealed


def behind(relay: int = SPEAKS, options: int = SPEAKS) -> SealedWorld:
    """Return a world in which b has a link with c, and we have one with b."""
    sealed = SealedWorld()
    sealed.world.link("a", "b", relay)
    sealed.world.link("b", "c", options)
    sealed.world.subnet("c", "10.0.2.0/24")
    return sealed


def inner(frame: bytes | bytearray) -> bytes:
    """Return a frame as a session gives it back: with a header of its own."""
    return bytes(12) + bytes(frame[12:])


# Outward.


def test_a_neighbour_without_a_session_gets_packet_and_a_request() -> None:
    sealed = neighbour()
    sealed.world.from_device(SMALL)
    assert sealed.ports.packets == [("b", bytes(SMALL))]
    assert sealed.ports.key_requests == ["b"]
    assert sealed.sent() == []


@pytest.mark.parametrize(("carries", "by_udp"), [(0, False), (99, False), (100, True)])
def test_a_neighbour_gets_by_udp_what_the_path_is_known_to_carry(
    carries: int, by_udp: bool
) -> None:
    sealed = neighbour()
    far = sealed.open_session("b", carries=carries)
    sealed.world.from_device(SMALL)
    if not by_udp:
        assert (sealed.ports.packets, sealed.sent()) == ([("b", bytes(SMALL))], [])
        return
    ((name, first, author, rest),) = sealed.sent()
    assert (name, first, author) == ("b", DIRECT, node_id("a"))
    assert far.open(rest) == [inner(SMALL)]
    assert sealed.ports.packets == []


def test_a_burst_leaves_as_one_train() -> None:
    sealed = neighbour()
    sealed.open_session("b", carries=1400)
    sealed.world.from_device(*(sized(100 + n) for n in range(5)))
    assert [len(train) for _, train in sealed.ports.trains] == [5]


@pytest.mark.parametrize(("own", "its"), [(TCPONLY, 0), (0, TCPONLY)])
def test_a_neighbour_with_tcponly_gets_packet_and_is_asked_nothing(
    own: int, its: int
) -> None:
    sealed = neighbour(SPEAKS | its, SPEAKS | own)
    sealed.world.from_device(SMALL)
    assert sealed.ports.packets == [("b", bytes(SMALL))]
    assert sealed.ports.key_requests == []


def test_a_farther_node_without_a_session_gets_nothing_in_the_clear() -> None:
    sealed = behind()
    sealed.world.from_device(SMALL)
    assert sealed.ports.key_requests == ["c"]
    assert sealed.ports.packets == []
    assert sealed.sent() == []
    assert sealed.lines.lines == []
    assert sealed.world.pipeline.drops["no valid key"] == 1


def test_without_udp_a_farther_node_gets_lines() -> None:
    sealed = behind()
    far = sealed.open_session("c")
    sealed.world.from_device(SMALL)
    ((author, name, datagram),) = sealed.lines.lines
    assert (author, name) == ("a", "c")
    assert far.open(datagram) == [inner(SMALL)]
    # b may come to serve as relay: it needs a session for its path MTU.
    assert sealed.ports.key_requests == ["c", "b"] or "b" in sealed.ports.key_requests


def test_a_relay_gets_what_it_cannot_read() -> None:
    sealed = behind()
    far = sealed.open_session("c")
    relay = sealed.open_session("b", carries=1400)
    sealed.world.from_device(SMALL)
    ((name, first, author, rest),) = sealed.sent()
    assert (name, first, author) == ("b", node_id("c"), node_id("a"))
    assert relay.opener.unseal(rest) is None
    assert far.open(rest) == [inner(SMALL)]
    assert sealed.lines.lines == []


def test_a_farther_node_is_sent_to_straight_once_that_is_known_to_work() -> None:
    sealed = behind()
    sealed.open_session("b", carries=1400)
    sealed.open_session("c", carries=86)
    sealed.world.from_device(sized(100), sized(101))
    # A record has no Ethernet header: 86 bytes of 100.
    assert [(name, first) for name, first, *_ in sealed.sent()] == [
        ("b", node_id("c")),
        ("c", DIRECT),
    ]


@pytest.mark.parametrize("settled", [False, True])
def test_frames_are_made_no_longer_than_a_relay_takes(settled: bool) -> None:
    sealed = behind()
    sealed.open_session("c")
    sealed.open_session("b", carries=1000)
    if settled:
        sealed.world.proved("b", 1000)
    node = sealed.world.node("c")
    sealed.paths[0].send(node, sized(1300), 0)
    assert len(sealed.lines.lines) == 1
    assert node.mtu == (1000 if settled else 1518)
    # Once UDP reaches the node its own path counts.
    sealed.world.proved("c", 1400)
    sealed.paths[0].send(node, sized(1450), 0)
    assert node.mtu == 1400


@pytest.mark.parametrize(
    "relay", [DEFAULT, with_minor(DEFAULT, 3), SPEAKS | TCPONLY | INDIRECT]
)
def test_who_takes_no_ids_is_no_relay(relay: int) -> None:
    sealed = behind(relay)
    sealed.open_session("c")
    if sealed.world.node("b").has_sessions:
        sealed.open_session("b", carries=1400)
    sealed.world.from_device(SMALL)
    assert sealed.sent() == []
    assert len(sealed.lines.lines) == 1


def test_a_node_of_tinc_1_0_behind_one_with_a_session_is_reached_hop_by_hop() -> None:
    sealed = SealedWorld()
    sealed.world.link("a", "b", SPEAKS)
    sealed.world.link("b", "c", DEFAULT | INDIRECT)
    sealed.world.subnet("c", "10.0.2.0/24")
    far = sealed.open_session("b", carries=1400)
    sealed.world.from_device(SMALL)
    ((name, first, _, rest),) = sealed.sent()
    assert (name, first) == ("b", DIRECT)
    assert far.open(rest) == [inner(SMALL)]


def test_what_the_kernel_refuses_counts_as_data() -> None:
    sealed = neighbour()
    sealed.open_session("b", carries=1000)
    sealed.ports.largest = 500
    sealed.world.from_device(sized(600))
    pmtu = sealed.world.tunnel(sealed.world.node("b")).pmtu
    assert pmtu.maxmtu == 600 - 14 - 1


def test_what_the_kernel_refuses_of_a_relay() -> None:
    sealed = behind()
    sealed.open_session("c")
    sealed.open_session("b", carries=1000)
    sealed.ports.largest = 500
    sealed.world.from_device(sized(600))
    pmtu = sealed.world.tunnel(sealed.world.node("b")).pmtu
    assert pmtu.maxmtu == 600 - 14 - 1
    assert sealed.world.pipeline.drops["larger than the path MTU"] == 1


def test_lines_have_an_end() -> None:
    sealed = behind()
    sealed.open_session("c")
    longest = MAX_IN_LINE - 21 + 14
    sealed.paths[0].send(sealed.world.node("c"), sized(longest), 0)
    sealed.paths[0].send(sealed.world.node("c"), sized(longest + 1), 0)
    assert [len(datagram) for *_, datagram in sealed.lines.lines] == [MAX_IN_LINE]
    sealed.lines.room = False
    sealed.world.from_device(SMALL)
    assert sealed.world.pipeline.drops["meta connection is full"] == 1


# Inward.


def test_frames_of_a_session_are_those_of_their_author() -> None:
    sealed = neighbour()
    far = sealed.open_session("b")
    frame = ipv4("10.0.2.1", "10.0.1.1")
    sealed.world.now = 7.0
    sealed.world.from_udp(far.seal(frame), sealed.world.peers["b"].address)
    assert sealed.ports.delivered == [inner(frame)]
    assert sealed.world.tunnel(sealed.world.node("b")).session_heard == 7.0


def test_a_genuine_datagram_moves_the_address_and_a_forged_one_does_not() -> None:
    sealed = neighbour()
    far = sealed.open_session("b")
    frame = ipv4("10.0.2.1", "10.0.1.1")
    (datagram,) = far.seal(frame)
    forged = datagram[:-1] + bytes([datagram[-1] ^ 1])
    before = sealed.world.node("b").address
    sealed.world.from_udp([forged], ELSEWHERE)
    assert sealed.world.node("b").address == before
    assert sealed.lines.unopened_of == [("b", 0.0)]
    sealed.world.from_udp([datagram], ELSEWHERE, 1)
    assert sealed.world.node("b").address == ELSEWHERE
    assert sealed.ports.delivered == [inner(frame)]
    sealed.world.from_udp([datagram], sealed.world.peers["b"].address)
    assert sealed.ports.delivered == [inner(frame)]


def test_a_datagram_without_a_session_is_told_of() -> None:
    sealed = neighbour()
    far = sealed.open_session("b")
    sealed.world.tunnel(sealed.world.node("b")).use_session(None, None)
    datagrams = far.seal(ipv4("10.0.2.1", "10.0.1.1"))
    sealed.world.from_udp(datagrams, sealed.world.peers["b"].address)
    assert sealed.ports.delivered == []
    assert sealed.lines.unopened_of == [("b", 0.0)]


def relayed(sealed: SealedWorld, far: FarEnd, to: str) -> list[bytes]:
    return far.seal(ipv4("10.0.2.1", "10.0.1.1"), to=to)


def test_what_a_relay_brings_is_its_authors() -> None:
    sealed = behind()
    far = sealed.open_session("c")
    sealed.open_session("b")
    before = sealed.world.node("c").address
    datagrams = relayed(sealed, far, "a")
    sealed.world.from_udp(datagrams, sealed.world.peers["b"].address)
    assert len(sealed.ports.delivered) == 1
    assert sealed.world.node("c").address == before


def test_who_has_no_address_here_relays_nothing() -> None:
    sealed = behind()
    far = sealed.open_session("c")
    sealed.world.from_udp(relayed(sealed, far, "a"), ELSEWHERE)
    assert sealed.ports.delivered == []
    assert sealed.world.pipeline.drops["unknown source"] == 1


def three() -> tuple[SealedWorld, FarEnd]:
    """Return a world between b and d, and b's end of its session with d, as if."""
    sealed = SealedWorld()
    for name in ("b", "d"):
        sealed.world.link("a", name, SPEAKS)
    far = sealed.open_session("b")
    return sealed, far


def test_what_is_for_others_is_passed_on_as_it_is() -> None:
    sealed, far = three()
    sealed.open_session("d", carries=1400)
    datagrams = far.seal(SMALL, SMALL, to="d")
    sealed.world.from_udp(datagrams, sealed.world.peers["b"].address)
    assert sealed.ports.trains == [("d", datagrams)]
    assert sealed.ports.delivered == []


def test_what_is_for_others_goes_by_lines_where_there_is_no_udp() -> None:
    sealed, far = three()
    sealed.open_session("d", carries=50)
    (datagram,) = far.seal(SMALL, to="d")
    sealed.world.from_udp([datagram], sealed.world.peers["b"].address)
    assert sealed.lines.lines == [("b", "d", datagram[12:])]


@pytest.mark.parametrize("to", ["b", "nobody"])
def test_what_is_for_nobody_goes_nowhere(to: str) -> None:
    sealed, far = three()
    datagrams = far.seal(SMALL, to=to)
    sealed.world.from_udp(datagrams, sealed.world.peers["b"].address)
    assert sealed.sent() == []
    assert sealed.lines.lines == []
    assert sum(sealed.world.pipeline.drops.values()) == 1


def test_nothing_goes_back_to_where_it_came_from() -> None:
    sealed = behind()
    sealed.open_session("b", carries=1400)
    far = sealed.open_session("c")
    datagrams = far.seal(SMALL, to="c")
    sealed.world.from_udp(datagrams, sealed.world.peers["b"].address)
    assert sealed.sent() == []
    assert sealed.lines.lines == []


@pytest.mark.parametrize("size", range(0, 40, 3))
def test_junk(size: int) -> None:
    sealed = neighbour()
    sealed.open_session("b")
    for data in (bytes(size), bytes(6) + node_id("b") + bytes(size)):
        sealed.world.from_udp([data], sealed.world.peers["b"].address)
        sealed.world.from_udp([data], ELSEWHERE)
    assert sealed.ports.delivered == []


def test_keys_of_tinc_1_0_and_sessions_do_not_mix() -> None:
    sealed = neighbour()
    sealed.world.link("a", "d")
    sealed.world.subnet("d", "10.0.4.0/24")
    sealed.world.ready("d")
    far = sealed.open_session("b", carries=1400)
    one, other = ipv4("10.0.2.1", "10.0.1.1"), ipv4("10.0.4.1", "10.0.1.1")
    sealed.world.from_peer("d", other)
    sealed.world.from_udp(far.seal(one), sealed.world.peers["b"].address)
    assert sealed.ports.delivered == [other, inner(one)]
    sealed.world.from_device(sized(100, "10.0.4.1"))
    assert sealed.world.received("d") == [sized(100, "10.0.4.1")]


# Over meta connections.


def test_a_record_over_tcp_is_routed_as_its_authors() -> None:
    sealed = behind()
    node, frame = sealed.world.node("c"), ipv4("10.0.2.1", "10.0.1.1")
    route = sealed.world.pipeline.from_session
    route(node, SptpsRecord(0, bytes(frame[14:])), 0)
    assert sealed.ports.delivered == [inner(frame)]
    # Probes do not come by TCP, and nobody was asked to compress.
    for kind in (1, 3, 4, 7):
        route(node, SptpsRecord(kind, bytes(64)), 0)
    assert len(sealed.ports.delivered) == 1
    assert sealed.world.pipeline.drops["undecryptable"] == 4


def test_a_probe_in_a_packet_is_dropped() -> None:
    sealed = neighbour()
    sealed.world.from_meta("b", bytes(18), ipv4("10.0.2.1", "10.0.1.1"))
    assert len(sealed.ports.delivered) == 1
    assert sealed.world.pipeline.drops["probe over TCP"] == 1


# Switch mode.


def test_switches_send_whole_frames() -> None:
    route = RouteOptions(mode=Mode.SWITCH, forwarding=Forwarding.INTERNAL)
    sealed = SealedWorld(route)
    sealed.world.link("a", "b", SPEAKS)
    far = sealed.open_session("b", carries=1400)
    frame = bytearray(b"\2\0\0\0\0\2" + b"\2\0\0\0\0\1" + b"\x08\0" + bytes(40))
    sealed.world.from_device(frame)
    ((_, _, _, rest),) = sealed.sent()
    record = far.opener.unseal(rest)
    assert record is not None
    assert record[1:] == (2, bytes(frame))


# Probes.


@pytest.mark.parametrize(("minor", "short"), [(4, True), (2, False)])
def test_probes_are_answered_as_their_sender_understands(
    minor: int, short: bool
) -> None:
    sealed = neighbour(with_minor(DEFAULT, minor))
    far = sealed.open_session("b")
    asked = probe(300)
    sealed.world.from_udp(far.seal(asked), sealed.world.peers["b"].address)
    ((_, first, _, rest),) = sealed.sent()
    assert first == DIRECT
    record = far.opener.unseal(rest)
    assert record is not None
    _, kind, data = record
    assert kind == 4
    assert data == (short_answer(asked) if short else b"\1" + asked[1:])
    assert len(data) == (18 if short else 300)
    assert answered_length(data) == 300


def test_a_short_answer_is_credited_and_timed() -> None:
    sealed = neighbour()
    far = sealed.open_session("b")
    node = sealed.world.node("b")
    sealed.world.pipeline.probe_step(node, 100.0)
    first = sealed.sent()[0][3]
    record = far.opener.unseal(first)
    assert record is not None
    asked = record[2]
    sealed.world.now = 100.25
    answer = short_answer(asked)
    sealed.world.from_udp(far.seal(answer), sealed.world.peers["b"].address)
    tunnel = sealed.world.tunnel(node)
    assert tunnel.pmtu.minmtu == len(asked)
    assert tunnel.echoes.round_trip.last == 0.25


def test_a_short_answer_also_counts_under_a_key_of_tinc_1_0() -> None:
    """A tinc 1.1 that has its own sessions switched off sends them."""
    sealed = SealedWorld()
    sealed.world.link("a", "d")
    sealed.world.exchange_keys("d")
    node = sealed.world.node("d")
    sealed.world.pipeline.probe_step(node, 100.0)
    asked = sealed.world.received("d")[0]
    sealed.world.from_peer("d", short_answer(asked))
    assert sealed.world.tunnel(node).pmtu.minmtu == len(asked)


def test_an_answer_to_no_question_proves_nothing() -> None:
    sealed = neighbour()
    far = sealed.open_session("b")
    answer = short_answer(probe(777))
    sealed.world.from_udp(far.seal(answer), sealed.world.peers["b"].address)
    assert sealed.world.tunnel(sealed.world.node("b")).pmtu.minmtu == 0
    assert sealed.world.pipeline.drops["unasked probe reply"] == 1


# Nodes that come and go.


def test_ids_are_those_of_nodes_that_are_there() -> None:
    sealed = neighbour()
    ids = sealed.paths[0].ids
    assert ids.find(node_id("b")) is sealed.world.node("b")
    assert ids.find(node_id("a")) is sealed.world.mesh.myself
    assert ids.find(node_id("e")) is None
    sealed.world.link("a", "e", SPEAKS)
    assert ids.find(node_id("e")) is sealed.world.node("e")
    sealed.world.unlink("a", "b")
    assert ids.find(node_id("b")) is None


def test_a_node_that_has_gone_has_no_session() -> None:
    sealed = neighbour()
    sealed.open_session("b", carries=1400)
    node = sealed.world.node("b")
    assert sealed.world.tunnel(node).valid_key
    sealed.world.unlink("a", "b")
    assert not sealed.world.tunnel(node).valid_key
    assert sealed.world.tunnel(node).session_opener is None
    sealed.world.link("a", "b", SPEAKS)
    sealed.world.from_device(SMALL)
    assert sealed.ports.packets == [("b", bytes(SMALL))]


def test_traffic_is_counted_over_all_sessions() -> None:
    sealed = neighbour()
    tunnel = sealed.world.tunnel(sealed.world.node("b"))
    for _ in range(2):
        far = sealed.open_session("b", carries=1400)
        sealed.world.from_device(SMALL)
        frame = ipv4("10.0.2.1", "10.0.1.1")
        sealed.world.from_udp(far.seal(frame), sealed.world.peers["b"].address)
    assert (tunnel.sent.packets, tunnel.received.packets) == (2, 2)
    assert tunnel.sent.bytes == 200
    # Numbers are those of the session that counts.
    assert (tunnel.numbers, tunnel.highest) == (1, 2)
