"""Path MTU discovery by probing, and the liveness of UDP towards one node.

A probe is an ordinary packet with a frame whose ethertype is zero; the other side sends
it back with its first byte set.  All lengths are frame lengths, Ethernet header
included.  ``minmtu`` is the longest frame proved to get through, ``maxmtu`` the longest
not proved impossible, ``mtu`` what routing enforces.  With P = ``mtuprobes`` a step is

1. P += 1.  Without a valid key or reachability: P = 0, stop; a new key starts it again.
2. P > 32: the batch of P = 32 went unanswered.  If UDP never worked, idle (P = 31);
   else forget both bounds and start over with P = 1.
3. 10 <= P < 32 and nothing was ever answered: give up for now, P = 31.
4. P = 30, or earlier if the bounds have met: the smaller bound is the MTU, P = 31.
5. P = 31: idle for PingInterval.  P = 32: send a batch, wait PingTimeout for answers.
   Otherwise: send a batch, next step after a second.

A batch is three lengths drawn from between the bounds, once these have met always that
length; a liveness batch starts with one 8 bytes above ``maxmtu``, to notice that the
path has become wider.

Only answers of lengths that were really sent count, or any peer could claim a path
wider than it is.  With compression an answer is credited with its frame length all the
same: random bytes do not shrink, so a frame of that length is no longer on the wire
than the probe was.

No clock and no socket here: the caller performs a step when its delay has passed, sends
the probes it yields, and reports replies and EMSGSIZE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from tincd_compat import logs

#: Largest frame, and the first guess at what a path carries.
MTU: Final = 1518
#: Shortest probe.
MIN_PROBE: Final = 64
#: Bytes above ``maxmtu`` at which a wider path is looked for.
INCREASE: Final = 8
BATCH: Final = 3
#: Seconds between batches of the discovery.
INTERVAL: Final = 1.0

GIVE_UP: Final = 10
LIMIT: Final = 30
IDLE: Final = 31
LIVENESS: Final = 32

#: Destination, source and ethertype of a request, all zero.
_HEADER: Final = bytes(14)


class Probe(NamedTuple):
    """A probe by its length; ``broadcast``: to the local network, not to the node."""

    length: int
    broadcast: bool = False


class Step(NamedTuple):
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


class PmtuDiscovery:
    """The state of one node; ``peer`` renders as ``NODE (HOST)`` in log lines.

    ``randint`` draws a length from a range, both ends included.  Times in seconds.
    """

    def __init__(
        self,
        peer: object,
        randint: Callable[[int, int], int],
        *,
        ping_interval: float = 60,
        ping_timeout: float = 5,
        local_discovery: bool = False,
    ) -> None:
        self.minmtu = 0
        self.maxmtu = MTU
        self.mtu = MTU
        self.mtuprobes = 0
        #: Whether a further step is due.
        self.started = False
        self._peer = peer
        self._randint = randint
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._local_discovery = local_discovery
        self._sent: set[int] = set()

    def reset(self) -> None:
        """The node became reachable or unreachable; ``mtu`` keeps its value."""
        self.minmtu = 0
        self.maxmtu = MTU
        self.mtuprobes = 0
        self.started = False
        self._sent.clear()

    def limit(self, mtu: int) -> None:
        """Start with no more than the PMTU variable says; discovery may raise it."""
        self.mtu = max(0, min(self.mtu, mtu))

    def step(self, *, usable: bool) -> Step:
        """Perform the step that is due; ``usable``: reachable, and we hold its key."""
        self.mtuprobes += 1
        if not usable:
            logs.traffic.info(
                "Trying to send MTU probe to unreachable or rekeying node %s",
                self._peer,
            )
            self.mtuprobes = 0
            return self._next(None)
        if self.mtuprobes > LIVENESS:
            if not self.minmtu:
                self.mtuprobes = IDLE
                return self._next(self._ping_interval)
            self._restart()
        self._settle()
        if self.mtuprobes == IDLE:
            return self._next(self._ping_interval)
        alive = self.mtuprobes == LIVENESS
        return self._next(self._ping_timeout if alive else INTERVAL, self._batch())

    def reply(self, length: int) -> bool:
        """Credit an answer of that frame length; False if no such probe was sent."""
        if length not in self._sent:
            return False
        if self.mtuprobes > LIMIT:
            if length == self.maxmtu + INCREASE:
                logs.traffic.info(
                    "Increase in PMTU to %s detected, restarting PMTU discovery",
                    self._peer,
                )
                self.maxmtu = MTU
                self.mtuprobes = GIVE_UP
                return True
            self.mtuprobes = LIMIT if self.minmtu else 1
        self.minmtu = max(self.minmtu, min(length, self.maxmtu))
        return True

    def too_big(self, length: int) -> None:
        """The kernel refused a single datagram with a frame of that length."""
        below = max(0, length - 1)
        self.maxmtu = min(self.maxmtu, below)
        self.mtu = min(self.mtu, below)
        # What never left cannot be answered.
        self._sent.discard(length)

    def _next(self, delay: float | None, probes: Iterable[Probe] = ()) -> Step:
        self.started = delay is not None
        return Step(delay, probes)

    def _restart(self) -> None:
        logs.traffic.info(
            "%s did not respond to UDP ping, restarting PMTU discovery", self._peer
        )
        self.reset()
        self.mtuprobes = 1

    def _settle(self) -> None:
        """End the discovery if it got no answer, or as far as it could get."""
        if GIVE_UP <= self.mtuprobes < LIVENESS and not self.minmtu:
            logs.traffic.info("No response to MTU probes from %s", self._peer)
            self.mtuprobes = IDLE
        met = self.mtuprobes < LIMIT and self.minmtu >= self.maxmtu
        if met or self.mtuprobes == LIMIT:
            self.mtu = self.minmtu = self.maxmtu = min(self.minmtu, self.maxmtu)
            logs.traffic.info(
                "Fixing MTU of %s to %d after %d probes",
                *(self._peer, self.mtu, self.mtuprobes),
            )
            self.mtuprobes = IDLE

    def _batch(self) -> Iterator[Probe]:
        """Yield the probes of this step, each by the bounds as they are by then."""
        mtuprobes = self.mtuprobes
        if mtuprobes >= LIMIT and self.maxmtu + INCREASE < MTU:
            yield self._probe(self.maxmtu + INCREASE)
        for _ in range(BATCH):
            yield self._probe(self._length())
        if self._local_discovery:
            yield self._probe(self._length(), broadcast=mtuprobes <= GIVE_UP)

    def _length(self) -> int:
        if self.maxmtu <= self.minmtu:
            return self.maxmtu
        return self._randint(self.minmtu + 1, self.maxmtu)

    def _probe(self, length: int, broadcast: bool = False) -> Probe:
        length = max(length, MIN_PROBE)
        logs.traffic.info("Sending MTU probe length %d to %s", length, self._peer)
        self._sent.add(length)
        return Probe(length, broadcast)
