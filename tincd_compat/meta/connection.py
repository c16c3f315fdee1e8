"""A meta connection: bytes in, events out, bytes out.

The shape is that of other sans-I/O protocols: the owner of the socket calls
``receive_data`` with what arrived, ``process`` as long as there is something to do,
takes events with ``next_event`` until there is none, and writes ``data_to_send``.
``process`` looks at so many lines at a time, so that whoever calls can turn to
something else in between.  ``handle_timer`` is called at the time of ``next_timer``,
which any other call may change.  Times are monotonic seconds.

Nobody else writes an attribute: what a connection is, it is told by its constructor or
by a method.

All of these but ``next_event`` and ``data_to_send`` raise PeerError when the connection
has to end, and so do both answers to a decryption.  Events that precede the error are
still there to be taken; after it the connection neither takes nor gives bytes.  An
error's ``text`` has one log line per line; attributes ``logger`` and ``severity`` of
an error replace the defaults (an error shown at any debug level).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.actions import (
    Action,
    SendMessage,
    StartDecryption,
    StartEncryption,
    StartSession,
)
from tincd_compat.meta.events import (
    Activated,
    ConnectionLost,
    DecryptNeeded,
    Event,
    KeysExchanged,
    PacketsReceived,
    Received,
)
from tincd_compat.meta.handshake import Handshake, StreamCiphers
from tincd_compat.meta.identity import Identity, PeerIdentity
from tincd_compat.meta.liveness import Liveness
from tincd_compat.meta.messages import (
    MAX_PACKET_BODY,
    MESSAGES,
    Message,
    Packet,
    Ping,
    Pong,
    Request,
    request_number,
)
from tincd_compat.meta.negotiation import MetaProtocol
from tincd_compat.meta.output import MetaOutput
from tincd_compat.meta.status import Status
from tincd_compat.meta.steps import Role, State
from tincd_compat.meta.stream import MetaStream
from tincd_compat.meta.wording import (
    PeerLabel,
    log_request,
    logs_requests,
    processing,
    unknown_request,
    while_processing,
)
from tincd_compat.roundtrip import RoundTrip

if TYPE_CHECKING:
    from tincd_compat.meta.recordstream import RecordStream

#: Lines or packets that are looked at in one go.
MAX_BURST: Final = 64

__all__ = [
    "Activated",
    "ConnectionLost",
    "DecryptNeeded",
    "Event",
    "Identity",
    "MetaConnection",
    "PacketsReceived",
    "PeerIdentity",
    "Received",
    "Role",
    "Status",
]


class MetaConnection:
    """One connection with a peer, from the first byte to the last.

    ``find_peer`` returns what hosts/NAME says of a name; see
    :class:`~tincd_compat.meta.handshake.Handshake` for what it may raise.  The peer has
    ``ping_timeout`` seconds for the handshake, from ``now`` on, and for the answer to a
    PING.  ``started`` is when the link began, if that was earlier: the weight of the
    edge counts from then on.  ``proxied``: a proxy made the connection.
    """

    def __init__(
        self,
        role: Role,
        identity: Identity,
        find_peer: Callable[[str], PeerIdentity],
        *,
        now: float,
        random_bytes: Callable[[int], bytes],
        started: float | None = None,
        peer_name: str | None = None,
        hostname: str = "",
        proxied: bool = False,
        ping_interval: float = 60.0,
        ping_timeout: float = 5.0,
        bypass_security: bool = False,
    ) -> None:
        self._proxied = proxied
        self._liveness = Liveness(now, interval=ping_interval, timeout=ping_timeout)
        #: Bytes from the peer, as they were on the wire.
        self._bytes_received = 0
        self._active = False
        self._failed = False
        self._key_unread = False
        #: The stream of protocol 17.0, with which every connection begins.
        self._first_stream = MetaStream()
        self._stream: MetaStream | RecordStream = self._first_stream
        self._handshake = handshake = Handshake(
            role,
            identity,
            find_peer,
            started=now if started is None else started,
            random_bytes=random_bytes,
            expected_name=peer_name,
            hostname=hostname,
            bypass_security=bypass_security,
        )
        # A closure over the connection would make the connection garbage in a cycle.
        self._label = PeerLabel(lambda: handshake.name, hostname)
        self._output = MetaOutput(self._stream, self._label)
        self._events: deque[Event] = deque()
        #: The time of the DecryptNeeded that has no answer yet.
        self._paused_at = now

    @property
    def active(self) -> bool:
        """Whether the handshake is complete.

        That stays true after an error: the owner has to know what to undo.
        """
        return self._active

    @property
    def pinged(self) -> bool:
        """Whether a PING waits for its answer."""
        return self._liveness.pinged

    @property
    def hostname(self) -> str:
        """The address of the peer in log lines: ``HOST port PORT``."""
        return self._label.hostname

    def name_host(self, hostname: str) -> None:
        """Show the address as this text from now on."""
        self._label.hostname = hostname

    @property
    def name(self) -> str:
        """The peer's name: the one expected, or the one it gave."""
        return self._handshake.name

    @property
    def peer(self) -> str:
        """The peer as log lines name it: ``NAME (HOST port PORT)``."""
        return str(self._label)

    @property
    def paused(self) -> bool:
        """Whether input waits for the answer to DecryptNeeded."""
        return self._handshake.state is State.DECRYPTION

    @property
    def round_trip(self) -> RoundTrip:
        """Times from PING to PONG."""
        return self._liveness.round_trip

    @property
    def ping_timed(self) -> bool:
        """Whether a PONG would be the answer to one certain PING, and have a time."""
        return self._liveness.timed

    @property
    def sent(self) -> Counter[Request]:
        """Requests that were queued for the peer, without lines to everyone."""
        return self._output.sent

    @property
    def bytes_sent(self) -> int:
        """Bytes that were sent to the peer, as they were on the wire."""
        return self._output.bytes_taken

    @property
    def bytes_received(self) -> int:
        """Bytes that came from the peer, as they were on the wire."""
        return self._bytes_received

    @property
    def ciphers(self) -> StreamCiphers | None:
        """What encrypts the connection; None before both METAKEYs, or without any."""
        return self._handshake.ciphers

    @property
    def protocol(self) -> MetaProtocol:
        """The protocol that was agreed on; 17.0 until then."""
        return self._handshake.protocol

    @property
    def key_unread(self) -> bool:
        """Whether the peer has our METAKEY, and has not shown that it can read it.

        Stays true after an error.
        """
        return self._key_unread or self._handshake.has_sent_key

    def status_word(self) -> int:
        """Return the status bits of the dump."""
        word = Status.PROXY_PASSED if self._proxied else Status(0)
        word |= Status.PINGED if self.pinged else 0
        word |= Status.ACTIVE if self._active else 0
        word |= Status.ENCRYPTOUT if self._stream.encrypting else 0
        word |= Status.DECRYPTIN if self._stream.decrypting else 0
        return int(word)

    # Input.

    def start(self) -> None:
        """Speak first, as the side that called must."""
        self._perform(self._handshake.start())

    def receive_data(self, data: bytes) -> None:
        """Take any amount of what the peer sent, to be looked at later."""
        if self._failed:
            return
        self._bytes_received += len(data)
        with self._ending():
            self._stream.receive_data(data)

    def process(self, now: float) -> bool:
        """Look at the next lines and packets; False if nothing more is complete."""
        if self._failed:
            return False
        found = True
        with self._ending():
            # Lines one by one, with events in between, would cost a third more.
            for _ in range(MAX_BURST):
                found = self._process_next(now)
                if not found or self._burst_is_full():
                    break
        return found

    def _burst_is_full(self) -> bool:
        last = self._events[-1] if self._events else None
        return isinstance(last, PacketsReceived) and len(last.frames) >= MAX_BURST

    def decrypted(self, block: bytes, now: float) -> None:
        """Answer DecryptNeeded; what has arrived meanwhile can be looked at."""
        if self._failed:
            return
        if not self.paused:
            raise RuntimeError("no decryption was asked for")
        # The time-out is for the peer; the time of our key does not count.
        self._liveness.delay(now - self._paused_at)
        with self._ending(), processing(Request.METAKEY):
            self._perform(self._handshake.decrypted(block, now))

    def decrypt_failed(self, now: float) -> None:
        """Answer DecryptNeeded: the key refused the block.  Raises PeerError."""
        if self._failed:
            return
        with self._ending(), processing(Request.METAKEY):
            self._handshake.decrypt_failed()

    def next_event(self) -> Event | None:
        """Take the next event, or None.

        Taking a PING answers it: the events before it have been handled.
        """
        if not self._events:
            return None
        event = self._events.popleft()
        is_ping = isinstance(event, Received) and isinstance(event.message, Ping)
        if is_ping and not self._failed:
            self.send(Pong())
        return event

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Let nothing in or out after an error."""
        try:
            yield
        except PeerError as error:
            self._failed = True
            if error.fault is Fault.PROTOCOL and self._handshake.reads_with_key:
                # Who has another key of ours than we have is read as nonsense.
                error.fault = Fault.WRONG_KEY
            self._key_unread = self._handshake.has_sent_key
            self._handshake.fail()
            self._output.close()
            self._stream.discard()
            raise

    def _process_next(self, now: float) -> bool:
        """Process one line, one body or many packets; False if there is none yet."""
        if not self._active and self.paused:
            self._stream.check_overflow()
            return False
        if self._active and not logs_requests():
            packets = self._stream.next_packets(MAX_BURST)
            if packets:
                self._packets_received(packets)
                return True
        if self._stream.in_body:
            body = self._stream.next_body()
            if body is None:
                return False
            if len(body) <= MAX_PACKET_BODY:
                self._packets_received([body])
            return True
        line = self._stream.next_line()
        if self._handshake.state is State.SESSION and self._stream.encrypting:
            self._perform(self._handshake.session_ready(now))
        if line is None:
            return False
        self._process_line(line, now)
        return True

    def _packets_received(self, frames: list[bytes]) -> None:
        if self._events and isinstance(last := self._events[-1], PacketsReceived):
            last.frames.extend(frames)
        else:
            self._events.append(PacketsReceived(frames))

    def _process_line(self, line: bytes, now: float) -> None:
        number = request_number(line)
        # What a request means can depend on the protocol, until all say the same.
        kind = MESSAGES.get(number) if self._active else self._handshake.kind(number)
        if kind is None:
            raise unknown_request(line)
        request = kind.request
        if logs_requests():
            log_request("Got %s from %s", request, self.peer, line)
        if not self._active:
            self._handshake.admit(request)
        elif request <= Request.ACK:
            raise PeerError("Unauthorized request from {peer}")
        try:
            message = kind.parse(line)
            if self._active:
                self._handle(message, line, now)
            else:
                self._perform(self._handshake.receive(message, now))
                self._paused_at = now
        except PeerError as error:
            raise while_processing(request, error) from error

    def _handle(self, message: Message, line: bytes, now: float) -> None:
        match message:
            case Packet(length):
                self._stream.expect_body(length)
                return
            case Pong():
                self._liveness.pong_received(now)
        self._events.append(Received(message, line))

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case SendMessage(message):
                    name = message.request.name
                    if not self._output.request(message.request, message.encode()):
                        raise PeerError(f"Cannot send {name} to {{peer}}")
                case StartEncryption(cipher):
                    self._first_stream.start_encryption(cipher)
                case StartDecryption(cipher):
                    self._first_stream.start_decryption(cipher)
                case StartSession(begin):
                    records = begin(*self._first_stream.take_rest())
                    self._output.go_on(records)
                    self._stream = records
                case DecryptNeeded() | KeysExchanged():
                    self._events.append(action)
                case Activated():
                    self._active = True
                    self._events.append(action)

    # Output.

    def send(self, message: Message) -> bool:
        """Queue a request on an active connection; False if that is impossible."""
        self._require_active()
        return self._output.request(message.request, message.encode())

    def send_line(self, line: bytes, request: Request | None = None) -> bool:
        """Queue a line without its LF, unlogged unless its request is named.

        For messages to everyone, which are encoded and logged once, and for lines that
        are passed on as they came.
        """
        self._require_active()
        if request is not None:
            return self._output.request(request, line)
        return self._output.line(line)

    def send_packets(self, frames: Sequence[bytes | bytearray]) -> bool:
        """Queue frames, none between the header and the body of another."""
        self._require_active()
        return self._output.packets(frames)

    def ping(self, now: float) -> None:
        """Ask for a sign of life."""
        self._liveness.ping_sent(now)
        self.send(Ping())

    def send_dump(self, messages: Iterator[Message]) -> None:
        """Send a dump, each message of it when the peer can take it.

        Later messages follow the dump, but for PING and PONG: the end of the dump may
        take longer than the peer waits for them.
        """
        self._require_active()
        self._output.dump(messages)

    @property
    def queued(self) -> int:
        """Bytes that wait to be taken, without the part of a dump not made yet."""
        return self._output.queued

    @property
    def has_output(self) -> bool:
        """Whether ``data_to_send`` would return something."""
        return not self._output.empty

    def data_to_send(self, limit: int | None = None) -> bytes:
        """Take what is queued, encrypted as it has to be; no more than the limit."""
        return self._output.take(limit)

    def _require_active(self) -> None:
        # Messages about the mesh must not reach a peer without a proved name.
        if not self._active:
            raise RuntimeError("nothing may be sent before the handshake is complete")

    # Time.

    def next_timer(self) -> float:
        """Return when :meth:`handle_timer` has something to do; never is infinite."""
        if self._failed:
            return math.inf
        if self._output.error is not None:
            return -math.inf
        return self._liveness.deadline(active=self._active, paused=self.paused)

    def handle_timer(self, now: float, *, unheard: bool = False) -> None:
        """Queue a PING or give the peer up, if it is time for that.

        A peer that may be ``unheard``, since nobody looked at what came, is kept.
        """
        if now < self.next_timer():
            return
        with self._ending():
            if self._output.error is not None:
                raise self._output.error
            if self._active and not self.pinged:
                self.ping(now)
            elif not unheard:
                raise self._liveness.lost(now, active=self._active)
