"""The glue between a socket and its MetaConnection."""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from tests.meta.scripted import connection
from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.connection import (
    MAX_BURST,
    Activated,
    ConnectionLost,
    Event,
    PacketsReceived,
    Received,
    Role,
)
from tincd_compat.meta.messages import MAX_LINE, KeyChanged, Message, Ping
from tincd_compat.meta.outbox import PIECE
from tincd_compat.transport import metasocket
from tincd_compat.transport.backlog import WRITE_SIZE
from tincd_compat.transport.metasocket import READ_SIZE, MetaSocket
from tincd_compat.transport.turns import TURN, Turns

PEER = SocketAddress("10.0.0.2", 40000)

CLOSED = f"{logs.connections.name} {logs.NOTICE} Connection closed by {{peer}}"

pytestmark = pytest.mark.usefixtures("every_level")


class Owner:
    """Writes down what a MetaSocket reports; ``on_event`` may do more."""

    def __init__(self) -> None:
        self.meta: MetaSocket
        self.reports: list[str] = []
        self.events: list[Event] = []
        self.error: Exception | None = None
        self.closes = False
        #: What the connection failed of.
        self.faults: list[Fault] = []
        #: How often it was told that all that has come has been handled.
        self.batches = 0
        #: Called with each event: work takes time.
        self.works: Callable[[], None] = lambda: None

    def handle(self, event: Event) -> None:
        self.events.append(event)
        self.works()
        self.reports.append(type(event).__name__)
        if self.closes:
            self.meta.detach()
        if self.error is not None:
            raise self.error

    def batch_done(self) -> None:
        self.batches += 1

    def lost(self, error: Exception) -> None:
        self.reports.append(described(error))
        if isinstance(error, PeerError):
            self.faults.append(error.fault)
        self.meta.detach()


def described(error: Exception) -> str:
    """Return what an error says, and where it shows if it is the connection's."""
    if isinstance(error, ConnectionLost):
        return f"{error.logger.name} {error.severity} {error.template}"
    return f"{type(error).__name__} {error}"


class Wire:
    """A MetaSocket of a connection without encryption, and its other end."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.sock = FakeSocket(loop.new_descriptor())
        self.owner = Owner()
        self.connection = connection(Role.RESPONDER, now=loop.now, bypass_security=True)
        turns = Turns(loop, done=self.owner.batch_done)
        self.meta = MetaSocket(
            self.sock.socket,
            self.connection,
            self.owner.handle,
            self.owner.lost,
            loop,
            turns,
            patience=5,
        )
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
    assert (wire.heard(), wire.owner.batches) == (b"", 1)
    wire.say(b"er 17\n")
    assert wire.heard() == b"0 us 17\n4 655 0 c\n"


def test_events_come_in_order_and_then_their_end(wire: Wire) -> None:
    wire.say(b"0 peer 17\n4 655 10 c\n8\n9\n")
    assert wire.owner.reports == ["Activated", "Received", "Received"]
    assert wire.owner.batches == 1
    assert isinstance(wire.owner.events[0], Activated)
    assert wire.owner.events[1] == Received(Ping(), b"8")
    assert wire.heard() == b"0 us 17\n4 655 0 c\n9\n"


def test_an_empty_socket_is_no_news(wire: Wire) -> None:
    wire.say(oserror(errno.EAGAIN))
    wire.say(oserror(errno.EINTR))
    assert wire.owner.reports == []


def test_the_peer_closes(wire: Wire) -> None:
    wire.say(b"")
    assert wire.owner.reports == [CLOSED]
    assert wire.owner.faults == [Fault.CLOSED]


def test_a_failing_read(wire: Wire) -> None:
    wire.say(oserror(errno.ECONNRESET))
    line = "Metadata socket read error for {peer}: Connection reset by peer"
    assert wire.owner.reports == [f"{logs.always.name} 40 {line}"]
    assert wire.owner.faults == [Fault.RESET]


def test_what_precedes_an_error_still_counts(wire: Wire) -> None:
    wire.activate()
    wire.say(b"8\nnonsense\n8\n")
    assert wire.owner.reports[0] == "Received"
    assert wire.owner.reports[1].startswith("PeerError ")
    assert len(wire.owner.reports) == 2


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
    assert wire.owner.reports == ["Received", "ZeroDivisionError oops"]
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
    assert wire.owner.reports == ["ValueError oops"]


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
    assert (wire.meta.backlog.queued, wire.meta.backlog.blocked) == (3, True)
    loop.advance(2)
    # What is queued meanwhile keeps its place behind.
    wire.connection.send_line(b"9")
    wire.meta.plan_flush()
    loop.settle()
    assert (wire.heard(), wire.meta.backlog.queued) == (b"", 5)
    assert wire.meta.backlog.next_timer() == loop.now - 2 + 5
    wire.sock.room = 100
    loop.writable(wire.sock.descriptor)
    assert wire.heard() == b"\n8\n9\n"
    assert wire.meta.backlog.queued == 0
    assert not wire.meta.backlog.blocked
    assert wire.sock.descriptor not in loop.writers


@pytest.mark.parametrize(
    ("code", "fault", "report"),
    [
        (errno.EPIPE, Fault.CLOSED, CLOSED),
        (
            errno.ETIMEDOUT,
            Fault.IO_ERROR,
            f"{logs.always.name} 40 Flushing meta data to {{peer}} failed:"
            " Connection timed out",
        ),
    ],
)
def test_a_failing_write(wire: Wire, code: int, fault: Fault, report: str) -> None:
    wire.activate()
    wire.sock.failing["send"] = oserror(code)
    wire.connection.send(Ping())
    wire.meta.flush()
    assert wire.owner.reports == [report]
    assert wire.owner.faults == [fault]
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
        wire.connection.receive_data(b"8\n")
        wire.connection.process(0.0)
        raise PeerError("{peer} is wrong")

    wire.meta.feed(step)
    assert wire.owner.reports == ["Received", "PeerError {peer} is wrong"]


# Turns.


class Busy:
    """A link whose events take time: four of them fill a turn."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        wire.activate()
        wire.owner.works = self._work

    def _work(self) -> None:
        self.wire.loop.now += TURN / 3.9

    def turn(self) -> list[str]:
        """Let the loop turn once; return what was reported meanwhile."""
        before = len(self.wire.owner.reports)
        self.wire.loop.call_soon(self.wire.loop.stop)
        self.wire.loop.run_forever()
        return self.wire.owner.reports[before:]

    def hear(self, data: bytes) -> list[str]:
        wire = self.wire
        wire.sock.incoming.append(data)
        wire.loop.call_soon(wire.loop.readers[wire.sock.descriptor])
        return self.turn()

    @property
    def reading(self) -> bool:
        return self.wire.sock.descriptor in self.wire.loop.readers


@pytest.fixture
def busy(wire: Wire) -> Busy:
    return Busy(wire)


def test_lines_wait_for_the_next_turn_in_their_order(busy: Busy) -> None:
    lines = [b"14 %x peer" % number for number in range(100)]
    assert busy.hear(b"\n".join(lines) + b"\n") == ["Received"] * 4
    assert not busy.reading
    assert busy.turn() == ["Received"] * 4
    busy.wire.loop.settle()
    received = busy.wire.owner.events
    assert [event.line for event in received if isinstance(event, Received)] == lines
    assert busy.reading
    assert busy.wire.loop.longest_turn <= TURN * 1.25


def test_nothing_is_read_while_input_waits(busy: Busy) -> None:
    wire = busy.wire
    busy.hear(b"14 1 peer\n" * 8)
    wire.sock.incoming.append(b"14 2 peer\n")
    busy.turn()
    assert wire.sock.incoming
    wire.loop.settle()
    assert (len(wire.owner.events), len(wire.sock.incoming)) == (8, 1)
    wire.loop.readable(wire.sock.descriptor)
    assert (len(wire.owner.events), len(wire.sock.incoming)) == (9, 0)


def test_packets_are_handed_over_in_bursts(wire: Wire) -> None:
    wire.activate()
    logs.protocol.setLevel(logging.ERROR)
    wire.say(b"17 1\nx" * (3 * MAX_BURST))
    sizes = [
        len(event.frames)
        for event in wire.owner.events
        if isinstance(event, PacketsReceived)
    ]
    assert sizes == [MAX_BURST] * 3


def test_an_error_waits_for_what_precedes_it(busy: Busy) -> None:
    wire = busy.wire
    assert busy.hear(b"14 1 peer\n" * 5 + b"nonsense\n") == ["Received"] * 4
    assert not wire.meta.closed
    [last, error] = busy.turn()
    assert last == "Received"
    assert error.startswith("PeerError ")
    assert wire.meta.closed


def test_answers_leave_with_each_turn(busy: Busy) -> None:
    busy.hear(b"8\n" * 100)
    assert 0 < len(busy.wire.heard()) < 200
    busy.wire.loop.settle()
    assert busy.wire.meta.backlog.queued == 0


def test_nothing_is_handed_over_after_the_end(busy: Busy) -> None:
    busy.hear(b"14 1 peer\n" * 8)
    busy.wire.meta.detach()
    assert busy.turn() == []


def test_who_may_be_unheard(wire: Wire) -> None:
    assert not wire.meta.unheard
    busy = Busy(wire)
    busy.hear(b"14 1 peer\n" * 5)
    assert wire.meta.unheard
    wire.loop.settle()
    assert not wire.meta.unheard


def test_a_read_as_long_as_it_may_be_has_perhaps_left_something(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = 500
    monkeypatch.setattr(metasocket, "READ_SIZE", len(b"9\n") * answers)
    wire.activate()

    def work() -> None:
        if len(wire.owner.events) == answers:
            wire.loop.now += TURN

    wire.owner.works = work
    wire.sock.incoming += [b"9\n" * answers, b"9\n"]
    wire.loop.call_soon(wire.loop.readers[wire.sock.descriptor])
    wire.loop.call_soon(wire.loop.stop)
    wire.loop.run_forever()
    assert (len(wire.owner.events), wire.meta.unheard) == (answers, True)
    wire.loop.settle()
    assert (len(wire.owner.events), wire.meta.unheard) == (answers + 1, False)
    assert wire.sock.descriptor in wire.loop.readers


def test_a_stranger_is_read_a_line_at_a_time(wire: Wire) -> None:
    wire.say(b"\0" * READ_SIZE)
    assert wire.sock.incoming == deque([b"\0" * (READ_SIZE - MAX_LINE)])


def test_a_dump_takes_turns_and_waits_for_the_socket(wire: Wire) -> None:
    """However much there is to tell, neither time nor memory is spent at once."""
    wire.activate()
    made, lines = 0, 5000

    def dump() -> Iterator[Message]:
        nonlocal made
        for number in range(lines):
            made += 1
            wire.loop.now += TURN / 300
            yield KeyChanged(number, "somebody")

    loop = wire.loop
    loop.settle()
    loop.longest_turn = 0.0
    wire.connection.send_dump(dump())
    wire.connection.send_line(b"14 1 last")
    wire.connection.send(Ping())
    wire.meta.plan_flush()
    wire.sock.room = 50_000
    loop.settle()
    assert 0 < made < lines
    assert wire.meta.backlog.queued < 2 * PIECE
    wire.sock.room = 1 << 30
    loop.writable(wire.sock.descriptor)
    assert made == lines
    heard = wire.heard().splitlines()
    assert heard[0] == b"8"
    assert (len(heard), heard[-1]) == (lines + 2, b"14 1 last")
    # A piece too many, made when the time was nearly over.
    assert loop.longest_turn < TURN * 2


def test_much_output_leaves_in_pieces(wire: Wire) -> None:
    wire.activate()
    frame = bytes(1000)
    for _ in range(3 * WRITE_SIZE // 1000):
        wire.connection.send_packets([frame])
    total = wire.meta.backlog.queued
    wire.meta.flush()
    assert len(wire.sock.sent) == WRITE_SIZE
    wire.loop.settle()
    assert (len(wire.heard()), wire.meta.backlog.queued) == (total, 0)
