from __future__ import annotations

import logging
from functools import partial

import pytest

from tests.meta.scripted import connection
from tests.transport.fakes import FakeLoop, FakeSocket
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.link import MOST_LETTERS, Link
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.connection import ConnectionLost, Event, Role
from tincd_compat.meta.messages import Ping

PLACE = SocketAddress("192.0.2.7", 655)
PEER = "peer (192.0.2.7 port 655)"


class Handler:
    """Writes down what a link has to tell, and ends it where it is over."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def handle(self, link: Link, event: Event) -> None:
        self.calls.append(f"{link.connection.name} {type(event).__name__}")

    def lost(self, link: Link, error: Exception) -> None:
        self.calls.append(f"lost {error}")
        link.socket.detach()


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def sock(loop: FakeLoop) -> FakeSocket:
    return FakeSocket(loop.new_descriptor())


@pytest.fixture
def link(loop: FakeLoop, handler: Handler, sock: FakeSocket) -> Link:
    """An active link without encryption."""
    subject = connection(Role.RESPONDER, now=loop.now, bypass_security=True)
    link = Link(
        *(subject, sock.socket, PLACE, None), handler.handle, handler.lost, loop
    )
    sock.incoming.append(b"0 peer 17\n4 655 10 c\n")
    loop.readable(sock.descriptor)
    sock.sent.clear()
    handler.calls.clear()
    return link


def test_a_link_is_named_after_its_peer(link: Link) -> None:
    assert str(link) == PEER


def test_a_closed_link_is_not_active(link: Link) -> None:
    assert link.active
    link.socket.detach()
    assert link.connection.active
    assert not link.active


def test_everything_sent_leaves_in_its_order(
    loop: FakeLoop, link: Link, sock: FakeSocket
) -> None:
    link.send(Ping())
    link.send_line(b"15 a  b")
    link.send_packets([b"frame", b"of two"])
    link.send_line(b"9")
    loop.settle()
    assert sock.sent == b"8\n15 a  b\n17 5\nframe17 6\nof two9\n"


def test_events_reach_the_handler(
    loop: FakeLoop, link: Link, sock: FakeSocket, handler: Handler
) -> None:
    sock.incoming.append(b"9\n9\n")
    loop.readable(sock.descriptor)
    assert handler.calls == ["peer Received", "peer Received"]


@pytest.mark.parametrize("logger", [logs.connections, logs.always])
def test_the_end_of_a_socket(
    link: Link, caplog: pytest.LogCaptureFixture, logger: logging.Logger
) -> None:
    caplog.clear()
    line = "Closed by {peer}: 100%"
    end = link.log_error(ConnectionLost(line, logs.NOTICE, Fault.CLOSED, logger))
    assert caplog.record_tuples == [
        (logger.name, logs.NOTICE, f"Closed by {PEER}: 100%")
    ]
    assert end.reason == "closed"


def test_of_what_a_peer_says_at_the_end_a_part_is_kept(
    link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    said = "x" * 2000
    end = link.log_error(PeerError(f"Status of {{peer}}: {said}"))
    assert end.text == f"Status of {PEER}: {said}"[:MOST_LETTERS]
    assert len(end.text) == MOST_LETTERS
    assert said in caplog.text


def test_an_error_of_the_peer_may_take_two_lines(
    link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    link.log_error(PeerError("Bad thing from {peer}\nError while processing ID"))
    assert caplog.record_tuples == [
        (logs.always.name, logging.ERROR, f"Bad thing from {PEER}"),
        (logs.always.name, logging.ERROR, "Error while processing ID"),
    ]


def test_an_error_may_say_how_bad_it_is(
    link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    link.log_error(
        ConnectionLost("Timeout from {peer}", logging.WARNING, Fault.PING_TIMEOUT)
    )
    assert caplog.record_tuples == [
        (logs.connections.name, logging.WARNING, f"Timeout from {PEER}")
    ]


def test_what_others_found_out(loop: FakeLoop, link: Link, handler: Handler) -> None:
    link.feed(partial(link.connection.receive_data, b"9\n"))
    assert handler.calls == ["peer Received"]


def test_a_closed_link_takes_nothing(link: Link, handler: Handler) -> None:
    link.socket.detach()
    link.feed(lambda: pytest.fail("the link is closed"))
    assert handler.calls == []


def test_an_error_of_ours_is_handed_on(link: Link, handler: Handler) -> None:
    link.feed(lambda: [][0])
    assert handler.calls == ["lost list index out of range"]
