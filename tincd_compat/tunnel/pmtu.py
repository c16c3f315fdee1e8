"""Path MTU discovery by probing, and the liveness of UDP towards one node.

A probe is an ordinary packet with a frame whose ethertype is zero; the other side sends
it back with its first byte set.  All lengths are frame lengths, Ethernet header
included.  ``minmtu`` is the longest frame proved to get through, ``maxmtu`` the longest
not proved impossible, ``mtu`` what routing enforces.  Four phases:

OFF
    No key, or the node is unreachable.  A key starts the search.
SEARCH
    A batch of three probes every second narrows the gap between the bounds.  A length
    that stays unanswered is doubted, asked again each time, and taken as too long after
    the fourth time.  When the bounds meet, at the latest after 30 batches, the MTU is
    fixed; ten batches without any answer are given up.
IDLE
    Nothing for PingInterval, unless packets other than probes left meanwhile: then one
    probe of full length every PingTimeout confirms the path.
CHECK
    What PingInterval or an unconfirmed path leads to: batches of two probes of full
    length and a shorter one.  Full length is answered: IDLE.  Only shorter ones in four
    batches: the path has become narrower, SEARCH from what was answered.  Nothing at
    all for PingTimeout: SEARCH from nothing, and all data goes over TCP meanwhile.
    The regular check begins 8 bytes above the MTU, to notice a wider path.

Where ``keepalive`` says so, a path over which nothing has left for almost so many
seconds gets one short probe, without a change of phase: an address translation on the
way, which forgets whom it hears nothing from, lets the node's packets in.

An idle path costs what it costs tincd: four probes every PingInterval + PingTimeout.
A busy one costs one more every PingTimeout, and for that a path which silently becomes
narrower is noticed within 2 * PingTimeout; tincd needs PingInterval + PingTimeout.

``mtu`` stays as it is while the search goes on: before the MTU is known nobody is told
that fragmentation is needed, what does not fit goes over TCP.

Only answers of lengths that were really sent count, or any peer could claim a path
wider than it is.  With compression an answer is credited with its frame length all the
same: random bytes do not shrink, so a frame of that length is no longer on the wire
than the probe was.

No clock and no socket here: the caller performs a step when its delay has passed, sends
the probes it yields, and reports replies and EMSGSIZE.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from tincd_compat import logs

#: Largest frame, and the first guess at what a path carries.
MTU: Final = 1518
#: Shortest probe.
MIN_PROBE: Final = 64
#: Bytes above ``maxmtu`` at which a wider path is looked for.
INCREASE: Final = 8
BATCH: Final = 3
#: Seconds between batches.
PROBE_INTERVAL: Final = 1.0

#: Batches of a search without any answer.
GIVE_UP: Final = 10
#: Batches of a search.
LIMIT: Final = 30
#: Probes of one length without an answer that prove it too long.
CERTAIN: Final = 4
#: Batches of a check in which only shorter probes are answered.  At a loss of 30 % each
#: way, one check in a hundred ends so by accident.
NARROWER: Final = 4
#: Probes that the kernel may refuse in one batch; each halves the range, none costs.
_TRIES: Final = 16

#: Destination, source and ethertype of a request, all zero.
_HEADER: Final = bytes(14)
#: How an answer begins that has not the length of the probe.
_SHORT: Final = b"\2"


class Phase(Enum):
    OFF = "off"
    SEARCH = "search"
    IDLE = "idle"
    CHECK = "check"


class Probe(NamedTuple):
    """A probe by its length; ``broadcast``: to the local network, not to the node."""

    length: int
    broadcast: bool = False


class ProbeStep(NamedTuple):
    """What a step asks for: probes now, and the next step after ``delay`` seconds.

    ``probes`` must be drawn one at a time, each sent before the next: EMSGSIZE on one
    changes those that follow.  ``delay`` None means that no step is due any more.
    """

    delay: float | None
    probes: Iterable[Probe]


def is_probe(frame: bytes | bytearray) -> bool:
    """Tell a probe, request or reply, from a frame to be routed."""
    return len(frame) >= 14 and not frame[12] and not frame[13]


def is_request(frame: bytes | bytearray) -> bool:
    """Tell a probe to be answered from an answer."""
    return not frame[0]


def request(length: int, random_bytes: Callable[[int], bytes]) -> bytes:
    """Return a probe of ``length`` bytes."""
    return _HEADER + random_bytes(length - len(_HEADER))


def answer(frame: bytes | bytearray) -> bytes:
    """Return the answer to a probe: the same bytes with the first one set."""
    return b"\1" + frame[1:]


def short_answer(frame: bytes | bytearray) -> bytes:
    """Return the answer of protocol 17.3 and up, 18 bytes: it names the length alone.

    ``2 || be16 length || 9 bytes || 0 0 || 4 bytes``; what a probe has at random goes
    into the bytes that mean nothing.  (tinc 1.1 behaviour)
    """
    length = len(frame).to_bytes(2)
    rest = frame[18:22].ljust(9, b"\0"), bytes(2), frame[14:18].ljust(4, b"\0")
    return b"".join((_SHORT, length, *rest))


def answered_length(frame: bytes | bytearray) -> int:
    """Return the length of the probe that an answer of either kind is about."""
    return int.from_bytes(frame[1:3]) if frame[:1] == _SHORT else len(frame)


class PmtuDiscovery:
    """The state of one node; ``peer`` renders as ``NODE (HOST)`` in log lines.

    Times in seconds.  ``rounds`` counts the batches of the present phase.
    """

    def __init__(
        self,
        peer: object,
        *,
        ping_interval: float = 60,
        ping_timeout: float = 5,
        local_discovery: bool = False,
    ) -> None:
        #: Called when ``minmtu`` or ``mtu`` is another one.
        self.changed: Callable[[], None] = lambda: None
        self._minmtu = 0
        self.maxmtu = MTU
        self._mtu = MTU
        self.phase = Phase.OFF
        self.rounds = 0
        #: The number of steps since the node became reachable.
        self.steps = 0
        self._peer = peer
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._local_discovery = local_discovery
        #: Lengths of probes that ever left: an answer may be slow.
        self._sent: set[int] = set()
        #: How often each length was asked in this search.
        self._asked: Counter[int] = Counter()
        #: EMSGSIZE below ``minmtu``: what it proved no longer holds.
        self._refuted = False
        #: Seconds since the last regular check; negative until the next.
        self._elapsed = 0.0
        self._regular = False
        #: Whether a probe of full length was answered since the last step.
        self._confirmed = False
        #: The longest answer of the present check.
        self._shorter = 0
        self._numbers = 0
        self._own_numbers = 0
        #: Seconds for which the path may be silent, 0 for any.
        self.keepalive = 0.0
        #: For how long nothing has left, at most, and how long ago the last step was.
        self._silence = 0.0
        self._delay = 0.0

    @property
    def minmtu(self) -> int:
        return self._minmtu

    @minmtu.setter
    def minmtu(self, length: int) -> None:
        if length != self._minmtu:
            self._minmtu = length
            self.changed()

    @property
    def mtu(self) -> int:
        return self._mtu

    @mtu.setter
    def mtu(self, length: int) -> None:
        if length != self._mtu:
            self._mtu = length
            self.changed()

    @property
    def started(self) -> bool:
        """Whether a further step is due."""
        return self.phase is not Phase.OFF

    def reset(self) -> None:
        """Begin anew for a node that came or went; ``mtu`` keeps its value."""
        self.minmtu = 0
        self.maxmtu = MTU
        self.phase = Phase.OFF
        self.rounds = self.steps = 0
        self._refuted = self._confirmed = False
        self._sent.clear()

    def limit(self, mtu: int) -> None:
        """Start with no more than the PMTU variable says; discovery may raise it."""
        self.mtu = max(0, min(self.mtu, mtu))

    def hurry(self) -> None:
        """Check at the next step, however short the path was idle."""
        self._elapsed = self._ping_interval

    def not_data(self) -> None:
        """A datagram leaves that does not make the path a busy one.

        It is the answer to a probe of the node, or a probe that an operator wants.
        """
        self._own_numbers += 1

    def step(self, *, usable: bool, numbers: int = 0) -> ProbeStep:
        """Perform the step that is due.

        ``usable``: the node is reachable, and we hold its key; ``numbers``: how many
        datagrams of any kind were made under this key.
        """
        self.steps += 1
        busy = self._busy(numbers)
        if not usable:
            logs.traffic.info(
                "Trying to send MTU probe to unreachable or rekeying node %s",
                self._peer,
            )
            self.phase, self.rounds = Phase.OFF, 0
            return ProbeStep(None, ())
        if self.phase is Phase.OFF:
            self._search(self.minmtu, self.maxmtu)
        elif self.phase is Phase.IDLE:
            self._wait(busy)
        elif self.phase is Phase.CHECK:
            self._judge()
        if self.phase is Phase.SEARCH:
            self._settle()
        return self._next()

    def reply(self, length: int) -> bool:
        """Credit an answer of that frame length; False if no such probe was sent."""
        if length not in self._sent:
            return False
        if self.phase in (Phase.OFF, Phase.SEARCH):
            if length <= self.maxmtu:
                self.minmtu = max(self.minmtu, length)
        elif not self.minmtu:
            self._search(min(length, self.maxmtu), self.maxmtu)
        elif length > self.maxmtu:
            self._log("Increase in PMTU to %s detected, restarting PMTU discovery")
            self._search(length, MTU, GIVE_UP)
        elif length == self.maxmtu:
            self.phase, self._confirmed = Phase.IDLE, True
        else:
            self._shorter = max(self._shorter, length)
        return True

    def too_big(self, length: int) -> None:
        """Lower the limit: the kernel refused a datagram of a frame this long."""
        # A probe that never left cannot be answered.
        self._sent.discard(length)
        below = max(0, length - 1)
        if self.phase is Phase.OFF:
            # Without a search this is all that will ever be known of the path.
            self.mtu = min(self.mtu, below)
        if length > self.maxmtu:
            return
        self.maxmtu = below
        if self.minmtu <= below:
            return
        self._refuted = True
        self.minmtu = below
        if self.phase in (Phase.IDLE, Phase.CHECK):
            self._decrease(below, below)

    # The phases.

    def _busy(self, numbers: int) -> bool:
        """Tell whether more than probes and answers left since the last step."""
        used = numbers - self._numbers if numbers >= self._numbers else numbers
        busy = used > self._own_numbers
        self._silence = self._delay + (0.0 if used else self._silence)
        self._numbers, self._own_numbers = numbers, 0
        return busy

    def _search(self, minmtu: int, maxmtu: int, rounds: int = 0) -> None:
        self.minmtu, self.maxmtu = minmtu, maxmtu
        self.phase, self.rounds = Phase.SEARCH, rounds
        self._asked.clear()

    def _decrease(self, minmtu: int, maxmtu: int) -> None:
        self._log("Decrease in PMTU to %s detected, restarting PMTU discovery")
        self._search(minmtu, maxmtu)

    def _idle(self) -> None:
        self.phase = Phase.IDLE
        self._elapsed = 0.0

    def _settle(self) -> None:
        """Begin the next batch of the search, unless it is over."""
        if self._refuted:
            self._refuted = False
            self.minmtu = self.rounds = 0
        self.rounds += 1
        if self.rounds >= GIVE_UP and not self.minmtu:
            self._log("No response to MTU probes from %s")
            self._idle()
        elif self._known() or self.rounds >= LIMIT:
            self.mtu = self.maxmtu = self.minmtu
            logs.traffic.info(
                "Fixing MTU of %s to %d after %d probes",
                *(self._peer, self.mtu, self.rounds),
            )
            self._idle()

    def _known(self) -> bool:
        above = self.minmtu + 1
        met = above > self.maxmtu or self._asked[above] >= CERTAIN
        return self.minmtu > 0 and met

    def _wait(self, busy: bool) -> None:
        """End the idle time, if it is over or if data relies on the path."""
        self._regular = self._elapsed >= self._ping_interval
        busy = busy and self.minmtu > 0 and not self._confirmed
        self._confirmed = False
        if self._regular or busy:
            self.phase, self.rounds, self._shorter = Phase.CHECK, 1, 0
        if self._regular:
            self._elapsed = -self._ping_timeout

    def _judge(self) -> None:
        """Go on with a check that was not answered at full length so far."""
        if not self.minmtu:
            self.phase = Phase.IDLE
        elif self._shorter:
            if self.rounds >= NARROWER:
                self._decrease(self._shorter, self.maxmtu)
        elif self.rounds * PROBE_INTERVAL >= self._ping_timeout:
            self._log("%s did not respond to UDP ping, restarting PMTU discovery")
            self._search(0, MTU)
        self.rounds += self.phase is Phase.CHECK

    def _next(self) -> ProbeStep:
        delay, probes = PROBE_INTERVAL, self._check()
        if self.phase is Phase.SEARCH:
            probes = self._narrow()
        elif self.phase is Phase.IDLE:
            delay = self._ping_interval - self._elapsed
            if self.minmtu:
                delay = min(delay, self._ping_timeout)
                if self.keepalive:
                    delay = min(delay, self.keepalive / 3)
            delay = max(delay, PROBE_INTERVAL)
            probes = self._keep_alive(delay)
        self._elapsed += delay
        self._delay = delay
        return ProbeStep(delay, probes)

    # The batches.

    def _narrow(self) -> Iterator[Probe]:
        """Yield the probes of a search, each by the bounds as they are by then."""
        if self._local_discovery and self.rounds <= GIVE_UP:
            yield self._probe(MIN_PROBE, broadcast=True)
        doubted = self._doubted()
        low, left = self.minmtu, 0
        for tried in range(_TRIES):
            ceiling = min(doubted, self.maxmtu + 1)
            between = tried > 0 and ceiling - low > 1
            length = (low + ceiling) // 2 if between else min(ceiling, self.maxmtu)
            length = max(length, MIN_PROBE)
            yield self._probe(length)
            if length in self._sent:
                self._asked[length] += 1
                left += 1
                if left == BATCH:
                    break
                # Upwards: as long as nothing is in doubt the path is rather wide.
                low = length if between else low
            elif self.maxmtu < MIN_PROBE:
                break

    def _doubted(self) -> int:
        """Return the shortest length that was asked and not answered."""
        if not self.minmtu:
            # Even the first batch may have met a node that did not have our key yet:
            # look for any sign of life, half as long each time, and again.
            self._asked.clear()
            return (self.maxmtu + 1) >> (self.rounds - 1) % 5
        doubted = (length for length in self._asked if length > self.minmtu)
        return min(doubted, default=MTU + 1)

    def _check(self) -> Iterator[Probe]:
        """Yield the probes of a check."""
        full = self.maxmtu
        if not self.minmtu:
            for length in (MIN_PROBE, full // 2, full):
                yield self._probe(length)
            return
        first = self.rounds == 1
        if first and self._regular and full < MTU:
            yield self._probe(min(full + INCREASE, MTU))
        yield self._probe(full)
        if first and not self._regular:
            return
        yield self._probe(full)
        yield self._probe((full // 2, full * 3 // 4, MIN_PROBE)[self.rounds % 3])

    def _keep_alive(self, delay: float) -> Iterator[Probe]:
        """Yield a probe if the path would else be silent for too long."""
        if self.keepalive and self.minmtu and self._silence + delay > self.keepalive:
            yield self._probe(MIN_PROBE)

    def _probe(self, length: int, broadcast: bool = False) -> Probe:
        length = max(length, MIN_PROBE)
        logs.traffic.info("Sending MTU probe length %d to %s", length, self._peer)
        self._sent.add(length)
        self._own_numbers += 1
        return Probe(length, broadcast)

    def _log(self, text: str) -> None:
        logs.traffic.info(text, self._peer)
