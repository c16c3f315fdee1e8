"""A daemon that datagrams are thrown at while a neighbour pings it through the tunnel.

``subject`` is under test and ``witness`` its true neighbour, of the same kind.
``member`` is played: it may join, and what it seals the subject will open.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from conformance.harness.checks import expect
from conformance.harness.forger import Datagram, Forger, Fragment, Place
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing
from conformance.harness.usage import usage
from conformance.harness.waits import say
from conformance.probes.probe import Contender, Figure

_PORT: Final = 655
_PING_APART: Final = 0.01
_MANY_PINGS: Final = 9000
_IDLE_PINGS: Final = 100
_UDP_LIMIT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Toll:
    """What a flood has cost.

    The round trips of a neighbour's pings are in milliseconds, median and the one that
    95 of 100 stay below; ``lost`` are pings of a hundred, ``each`` the microseconds of
    CPU time that a datagram has cost the subject, ``rate`` datagrams a second.
    """

    median: float
    high: float
    lost: float
    each: float
    rate: float

    def round_trip(self, what: str, most: float | None = None) -> Figure:
        return Figure(f"{what}: round trip", self.median, "ms", most)

    def figures(self, what: str, most: float | None = None) -> Iterator[Figure]:
        """Yield all; the most that is promised is for the median."""
        yield self.round_trip(what, most)
        yield Figure(f"{what}: 95 of 100 within", self.high, "ms")
        yield Figure(f"{what}: pings lost", self.lost, "%")
        yield Figure(f"{what}: CPU each", self.each, "us")


class Field:
    """The subject, the witness and everybody else's datagrams on one network."""

    def __init__(
        self,
        lab: Lab,
        contender: Contender,
        *,
        server: tuple[str, ...] = (),
        part: str = "",
    ) -> None:
        kind = contender.kind
        self.lan = lab.lan(part=part)
        plans = [
            Plan(name="subject", kind=kind, server=server, debug=0),
            Plan(name="witness", kind=kind, connect_to=("subject",), debug=0),
            Plan(name="member", kind=kind),
        ]
        mesh = Mesh(
            lab, plans, lans={plan.name: [self.lan] for plan in plans}, part=part
        )
        self.subject, self.witness, player = mesh
        contender.dress(self.subject)
        self._lab, self._mesh = lab, mesh
        self._forger = Forger(lab.outsider(self.lan, part=part))
        self.target: Place = self.subject.outer[0], _PORT
        self.witness_place: Place = self.witness.outer[0], _PORT
        self.member_place: Place = player.outer[0], _PORT
        nodes = self.subject, self.witness
        for node in nodes:
            node.start()
        for node, other in zip(nodes, reversed(nodes), strict=True):
            node.wait_row(other.name, "on UDP", lambda row: row.minmtu > 0, _UDP_LIMIT)

    def joined(self) -> Member:
        """Let the member join; it owns a network, and no key is known of it."""
        member = Member(calling(self._lab, self._mesh, "subject", "member"), "member")
        member.connect()
        member.introduce()
        member.own("172.30.3.0/24")
        member.settle()
        return member

    def endure(
        self, datagrams: Sequence[Datagram | Fragment], rate: int, seconds: float
    ) -> Toll:
        """Send the datagrams over and over, as many a second, and watch the pings."""
        cpu = self._cpu()
        steady = self._ping(_IDLE_PINGS)
        steady.wait()
        idle = (self._cpu() - cpu) / (_IDLE_PINGS * _PING_APART)
        steady, cpu = self._ping(_MANY_PINGS), self._cpu()
        sent = self._forger.flood(datagrams, rate, seconds, even=True)
        cpu = self._cpu() - cpu - idle * seconds
        steady.catch_up()
        times = sorted(steady.times())
        result = steady.finish()
        expect(self.subject.alive and self.witness.alive, "a daemon is dead")
        say(f"          {sent} datagrams, {result}, {times[-1]} ms at the most")
        return Toll(
            median=statistics.median(times),
            high=times[len(times) * 95 // 100],
            lost=100 * result.lost / result.sent,
            each=1e6 * max(0.0, cpu) / max(1, sent),
            rate=sent / seconds,
        )

    def close(self) -> None:
        """Stop everything; Failed if a daemon does not go in order."""
        self._forger.close()
        self._mesh["witness"].stop()
        self._mesh["subject"].stop()

    def _cpu(self) -> float:
        return usage(self.subject.pid).cpu

    def _ping(self, count: int) -> SteadyPing:
        words = self._lab, self.witness, self.subject.address
        return SteadyPing(*words, count=count, interval=_PING_APART)
