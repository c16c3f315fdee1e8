"""The glue between a socket and its MetaConnection."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from tests.meta.scripted import connection
from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import Activated, Event, Received, Role
from tincd_compat.meta.messages import Ping
from tincd_compat.transport.tcp import LEAST_READ, LONG_TURN, READ_SIZE, MetaSocket

PEER = SocketAddress("10.0.0.2", 40000)

pytestmark = pytest.mark.usefixtures("every_level")


class Owner:
    """Writes down what a MetaSocket reports; ``on_event`` may do more."""

    def __init__(self) -> None:
        self.meta: MetaSocket
        self.reports: list[str] = []
        self.events: list[Event] = []
        self.error: Exception | None = None
        self.closes = False
        #: Called with each event: work takes time.
        self.works: Callable[[], None] = lambda: None

    def link_event(self, event: Event) -> None:
        self.events.append(event)
        self.works()
        self.reports.append(type(event).__name__)
        if self.closes:
            self.meta.detach()
        if self.error is not None:
            raise self.error

    def link_batch_done(self) -> None:
        self.reports.append("done")

    def link_failed(self, severity: int, logger_line: str, *, quiet: bool) -> None:
        self.reports.append(f"{severity} {quiet} {logger_line}")
        self.meta.detach()

    def link_error(self, error: PeerError) -> None:
        self.reports.append(f"error {error.template}")
        self.meta.detach()

    def link_broken(self, error: Exception) -> None:
        self.reports.append(f"broken {error}")
        self.meta.detach()


class Wire:
    """A MetaSocket of a connection without encryption, and its other end."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.sock = FakeSocket(loop.new_descriptor())
        self.owner = Owner()
        self.connection = connection(Role.RESPONDER, now=loop.now, bypass_security=True)
        self.meta = MetaSocket(self.sock.socket, self.connection, self.owner, loop)
        self.owner.meta = self.meta

    def say(self, data: bytes | OSError) -> None:
        self.sock.incoming.append(data)
        self.loop.readable(self.sock.descriptor)

    def heard(self) -> bytes:
        data = bytes(self.sock.sent)
        self.sock.sent.clear()
        return data

    def activate(self) -> None:
        self.say(b"0 peer 17\n4 655 10 c\n")
        self.heard()
        self.owner.reports.clear()
        self.owner.events.clear()

    @property
    def watched(self) -> bool:
        descriptor = self.sock.descriptor
        return descriptor in self.loop.readers or descriptor in self.loop.writers


@pytest.fixture
def wire(loop: FakeLoop) -> Wire:
    return Wire(loop)


def test_bytes_in_answers_out(wire: Wire) -> None:
    wire.say(b"0 pe")
    assert (wire.heard(), wire.owner.reports) == (b"", ["done"])
    wire.say(b"er 17\n")
    assert wire.heard() == b"0 us 17\n4 655 0 c\n"


def test_events_come_in_order_and_then_their_end(wire: Wire) -> None:
    wire.say(b"0 peer 17\n4 655 10 c\n8\n9\n")
    assert wire.owner.reports == ["Activated", "Received", "Received", "done"]
    assert isinstance(wire.owner.events[0], Activated)
    assert wire.owner.events[1] == Received(Ping(), b"8")
    assert wire.heard() == b"0 us 17\n4 655 0 c\n9\n"


def test_an_empty_socket_is_no_news(wire: Wire) -> None:
    wire.say(oserror(errno.EAGAIN))
    wire.say(oserror(errno.EINTR))
    assert wire.owner.reports == []


def test_the_peer_closes(wire: Wire) -> None:
    wire.say(b"")
    assert wire.owner.reports == [f"{logs.NOTICE} True Connection closed by {{peer}}"]


def test_a_failing_read(wire: Wire) -> None:
    wire.say(oserror(errno.ECONNRESET))
    line = "Metadata socket read error for {peer}: Connection reset by peer"
    assert wire.owner.reports == [f"40 False {line}"]


def test_what_precedes_an_error_still_counts(wire: Wire) -> None:
    wire.activate()
    wire.say(b"8\nnonsense\n8\n")
    assert wire.owner.reports[:2] == ["Received", "done"]
    assert wire.owner.reports[2].startswith("error ")
    assert len(wire.owner.reports) == 3


def test_no_event_follows_the_end(wire: Wire) -> None:
    wire.activate()
    wire.owner.closes = True
    wire.say(b"8\n8\nnonsense\n")
    assert wire.owner.reports == ["Received"]
    assert not wire.watched


def test_an_error_of_ours_costs_the_connection(wire: Wire) -> None:
    wire.activate()
    wire.owner.error = ZeroDivisionError("oops")
    wire.say(b"8\n8\n")
    assert wire.owner.reports == ["Received", "broken oops"]
    assert wire.meta.closed


def test_an_error_without_a_connection_reaches_the_loop(
    loop: FakeLoop, wire: Wire
) -> None:
    wire.activate()
    wire.owner.closes = True
    wire.owner.error = ZeroDivisionError("oops")
    wire.say(b"8\n")
    assert wire.owner.reports == ["Received"]
    assert loop.errors() == [wire.owner.error]


@pytest.mark.parametrize("moment", ["planned", "writable"])
def test_an_error_of_ours_while_writing(wire: Wire, moment: str) -> None:
    wire.activate()
    if moment == "writable":
        wire.sock.room = 0
        wire.connection.send(Ping())
        wire.meta.flush()
        wire.sock.room = 100
    wire.sock.failing["send"] = ValueError("oops")
    wire.connection.send(Ping())
    if moment == "writable":
        wire.loop.writable(wire.sock.descriptor)
    else:
        wire.meta.plan_flush()
        wire.loop.settle()
    assert wire.owner.reports == ["broken oops"]


def test_output_waits_for_the_end_of_the_turn(wire: Wire) -> None:
    wire.activate()
    for _ in range(3):
        wire.connection.send(Ping())
        wire.meta.plan_flush()
    assert wire.heard() == b""
    wire.loop.settle()
    assert wire.heard() == b"8\n8\n8\n"


def test_what_the_kernel_does_not_take_waits(loop: FakeLoop, wire: Wire) -> None:
    wire.activate()
    wire.sock.room = 3
    for _ in range(3):
        wire.connection.send(Ping())
    wire.meta.flush()
    assert wire.heard() == b"8\n8"
    assert (wire.meta.queued, wire.meta.blocked_since) == (3, loop.now)
    loop.advance(2)
    # What is queued meanwhile keeps its place behind.
    wire.connection.send_line(b"9")
    wire.meta.plan_flush()
    loop.settle()
    assert (wire.heard(), wire.meta.queued) == (b"", 5)
    assert wire.meta.blocked_since == loop.now - 2
    wire.sock.room = 100
    loop.writable(wire.sock.descriptor)
    assert wire.heard() == b"\n8\n9\n"
    assert wire.meta.queued == 0
    assert wire.meta.blocked_since is None
    assert wire.sock.descriptor not in loop.writers


@pytest.mark.parametrize(
    ("code", "report"),
    [
        (errno.EPIPE, f"{logs.NOTICE} True Connection closed by {{peer}}"),
        (
            errno.ETIMEDOUT,
            "40 False Flushing meta data to {peer} failed: Connection timed out",
        ),
    ],
)
def test_a_failing_write(wire: Wire, code: int, report: str) -> None:
    wire.activate()
    wire.sock.failing["send"] = oserror(code)
    wire.connection.send(Ping())
    wire.meta.flush()
    assert wire.owner.reports == [report]
    assert not wire.watched


def test_a_socket_is_given_away_in_peace(loop: FakeLoop, wire: Wire) -> None:
    wire.activate()
    wire.sock.room = 0
    wire.connection.send(Ping())
    wire.meta.flush()
    wire.meta.plan_flush()
    assert wire.meta.fileno() == wire.sock.descriptor
    assert wire.meta.detach() is wire.sock.socket
    assert wire.meta.detach() is wire.sock.socket
    wire.sock.room = 100
    loop.settle()
    wire.meta.plan_flush()
    loop.settle()
    assert not wire.watched
    assert (wire.heard(), wire.meta.fileno(), wire.sock.closed) == (b"", -1, False)


def test_what_others_find_out_is_handled_like_input(wire: Wire) -> None:
    wire.activate()

    def step() -> None:
        wire.connection.receive_data(b"8\n", 0.0)
        raise PeerError("{peer} is wrong")

    wire.meta.feed(step)
    assert wire.owner.reports == ["Received", "done", "error {peer} is wrong"]


def test_what_costs_much_is_read_in_small_pieces(wire: Wire) -> None:
    wire.activate()

    def work() -> None:
        wire.loop.now += cost

    def sizes() -> list[int]:
        """Return the sizes of the next reads of more than there is room for."""
        wire.sock.incoming.append(b"8\n" * READ_SIZE)
        found, left = [], 2 * READ_SIZE
        while left:
            wire.loop.readable(wire.sock.descriptor)
            now = sum(
                len(data) for data in wire.sock.incoming if isinstance(data, bytes)
            )
            found.append(left - now)
            left = now
        return found

    wire.owner.works = work
    cost = 0.0
    assert sizes() == [READ_SIZE] * 2
    cost = 2 * LONG_TURN / LEAST_READ
    dear = sizes()
    assert dear == sorted(dear, reverse=True)
    assert dear[0] == READ_SIZE
    assert dear[-1] == dear[-2] < 2 * LEAST_READ
    # Cheap again: as much as before, after a while.
    cost = 0.0
    assert sizes()[0] < READ_SIZE
    assert sizes()[0] == READ_SIZE
