"""The texts that SIGUSR1, SIGUSR2 and the end write, as tincd 1.0.36 does."""

from __future__ import annotations

import logging

import pytest

from tests.daemon.fakes import World
from tests.transport.fakes import FakeLoop
from tincd_compat.daemon import dumps
from tincd_compat.daemon.dumps import LINES_AT_ONCE
from tincd_compat.daemon.linktable import LinkTotals
from tincd_compat.device.virtual import Dummy
from tincd_compat.mesh.node import Node
from tincd_compat.meta.messages import Request
from tincd_compat.tunnel.tunnel import DumpView


def test_connections(loop: FakeLoop) -> None:
    world = World(loop)
    peer, other = world.connect("peer"), world.connect("other")
    stranger = world.call_in("far")
    peer.link.connection.ping(loop.now)
    peer.link.socket.plan_flush()
    other.sock.room = 0
    other.link.send_line(b"14 ab us")
    loop.settle()
    first, second, third = (
        remote.sock.descriptor for remote in (peer, other, stranger)
    )
    assert dumps.connections(world.links, [world["peer"]]) == [
        "Connections:",
        f" peer at 10.0.0.2 port 40000 options c socket {first} status 01c3"
        " outbuf 0/0/0",
        f" other at 10.0.0.3 port 40000 options c socket {second} status 00c2"
        " outbuf 9/0/9",
        f" <unknown> at 10.0.0.4 port 40000 options 0 socket {third} status 0000"
        " outbuf 0/0/0",
        "End of connections.",
    ]


def test_no_connections(loop: FakeLoop) -> None:
    assert dumps.connections(World(loop).links, []) == [
        "Connections:",
        "End of connections.",
    ]


def test_tables(loop: FakeLoop) -> None:
    world = World(loop)
    world.connect("peer").say("10 1 peer 10.2.0.0/16#7")
    device = Dummy()
    device.bytes_in, device.bytes_out = 42, 1234567890

    def tunnel(node: Node) -> DumpView:
        if node.name == "us":
            return DumpView(0, 0, 0, 0, 0, 1518, 0, 1518)
        return DumpView(427, 672, 4, 0, 2, 1451, 1451, 1451)

    counters = [("graph runs", 3), ("dropped unreachable", 4)]
    assert list(dumps.tables(device, world.mesh, tunnel, counters)) == [
        "Statistics for dummy device dummy:",
        " total bytes in:          42",
        " total bytes out: 1234567890",
        "Nodes:",
        " peer at 10.0.0.2 port 655 cipher 427 digest 672 maclength 4 compression 0"
        " options c status 001a nexthop peer via peer pmtu 1451 (min 1451 max 1451)",
        " us at MYSELF cipher 0 digest 0 maclength 0 compression 0"
        " options 0 status 0018 nexthop us via us pmtu 1518 (min 0 max 1518)",
        "End of nodes.",
        "Edges:",
        " peer to us at 10.0.0.1 port 655 options c weight 10",
        " us to peer at 10.0.0.2 port 655 options c weight 10",
        "End of edges.",
        "Subnet list:",
        " 10.2.0.0/16#7 owner peer",
        "End of subnet list.",
        "Counters:",
        " graph runs: 3",
        " dropped unreachable: 4",
        "End of counters.",
    ]


def test_counters(loop: FakeLoop) -> None:
    world = World(loop)
    peer, other = world.connect("peer"), world.connect("other")
    seen = "10 1 peer 10.2.0.0/16"
    peer.say(seen, "10 2 peer 10.3.0.0/16", "8")
    other.say(seen)
    other.sock.room = 0
    peer.say("14 3 peer", "14 4 peer")
    peer.connection.send_packets([b"one", b"two"])
    peer.pump()
    assert dict(dumps.counters(world.links, world.control)) == {
        "received PING": 1,
        "received ADD_SUBNET": 3,
        "received ADD_EDGE": 2,
        "received KEY_CHANGED": 2,
        "received PACKET": 2,
        "duplicates": 1,
        "remembered requests": 6,
        "graph runs": world.control.runs.count,
        "graph runs put off": 0,
        "bytes queued": 20,
        "most bytes queued for one peer": world.links.most_queued,
    }


def test_what_was_sent_and_how_much_outlive_their_link(loop: FakeLoop) -> None:
    world = World(loop)
    peer, other = world.connect("peer"), world.connect("other")
    other.say("8", "8", "14 7 other")
    loop.settle()
    before = totals(world)
    assert (before.sent[Request.PONG], before.sent[Request.KEY_CHANGED]) == (2, 1)
    assert (before.bytes_sent, before.bytes_received) == (
        sum(end.connection.bytes_sent for end in (peer.link, other.link)),
        sum(end.connection.bytes_received for end in (peer.link, other.link)),
    )
    other.hang_up()
    loop.settle()
    assert world.links.of(world["other"]) is None
    after = totals(world)
    assert after.sent >= before.sent
    assert after.sent[Request.PONG] == 2
    assert after.bytes_sent >= before.bytes_sent
    assert after.bytes_received >= before.bytes_received


def totals(world: World) -> LinkTotals:
    """Return what all links have moved, made without a break."""
    work = world.links.totals()
    while True:
        try:
            next(work)
        except StopIteration as over:
            found: LinkTotals = over.value
            return found


def test_longest_queue_outlives_its_link(loop: FakeLoop) -> None:
    world = World(loop)
    peer, other = world.connect("peer"), world.connect("other")
    before = world.links.most_queued
    other.sock.room = 0
    subnets = [f"10 {n:x} peer 10.{n}.0.0/16" for n in range(100)]
    peer.say(*subnets)
    most = sum(len(line) + 1 for line in subnets)
    assert world.links.most_queued == most > before
    other.hang_up()
    loop.settle()
    assert world.links.of(world["other"]) is None
    assert world.links.most_queued == most


def test_dumps_are_shown_at_every_level(caplog: pytest.LogCaptureFixture) -> None:
    list(dumps.write(["100%", "two"]))
    assert caplog.record_tuples == [
        ("tincd", logging.DEBUG, "100%"),
        ("tincd", logging.DEBUG, "two"),
    ]


def test_no_other_line_gets_into_a_short_dump(caplog: pytest.LogCaptureFixture) -> None:
    lines = [str(number) for number in range(2 * LINES_AT_ONCE + 10)]
    written = dumps.write(lines)
    for _ in range(2):
        next(written)
        logging.getLogger("tincd").debug("other")
    assert list(written) == []
    places = [n for n, text in enumerate(caplog.messages) if text == "other"]
    assert places == [LINES_AT_ONCE, 2 * LINES_AT_ONCE + 1]
    assert [text for text in caplog.messages if text != "other"] == lines
