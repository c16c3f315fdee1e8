"""A daemon under test that carries pings of a real node while a member is talking."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from conformance.harness.announce import PaperMesh, Size
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.lab import Lab
from conformance.harness.member import Member
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.probes import SteadyPing, ping
from conformance.harness.usage import usage
from conformance.harness.waits import wait_for
from conformance.harness.watcher import Watcher
from conformance.probes.probe import Contender, Figure
from conformance.probes.scene import answers

#: The mesh that stands behind the member: nodes, directed edges, subnets.
SIZE: Final = Size(3000, 6000, 1500)
_SEED: Final = 655
_PINGS: Final = 9000
_PING_EVERY: Final = 0.02
#: A group without members: whoever gets a frame to it passes it on, nobody answers.
_GROUP: Final = "224.0.0.99"
_PIECE: Final = 0.02
_LIMIT: Final = 120.0
#: Seconds for twenty pings where nothing holds them up.
_AT_REST: Final = 0.8
#: The median of what waits for the daemon, in milliseconds; C's is well below one.
_PROMPT: Final = 20.0


class Tunnel:
    """The subject, the node that pings it, and a member with a mesh behind it.

    :param server: further lines of tinc.conf of both daemons
    """

    def __init__(
        self, lab: Lab, contender: Contender, *, server: tuple[str, ...] = ()
    ) -> None:
        calls = ("subject",)
        plans = [
            Plan(name="subject", kind=contender.kind, server=server, debug=0),
            Plan(name="watcher", kind=contender.kind, subnets=()),
            Plan(
                name="witness",
                kind=contender.kind,
                server=server,
                connect_to=calls,
                debug=0,
            ),
        ]
        subject, watcher, witness = Mesh(lab, plans)
        hosts = subject.etc / "hosts"
        (hosts / "member").write_text((hosts / "watcher").read_text())
        contender.dress(subject, witness)
        for node in (subject, witness):
            node.start()
        witness.wait_reachable("subject")
        witness.wait_pmtu("subject")
        subject.wait_pmtu("witness")
        keys = lab.keys.pair(1), lab.keys.pair(0)
        self._lab = lab
        self._target = Target.of(subject, watcher.namespace.name, *keys)
        self.subject, self.witness = subject, witness
        self.member = Member(self._target, "member")

    def learn(self) -> None:
        """Let the member announce its mesh, as a dump; the witness hears it too."""
        self.member.connect()
        self.member.say(PaperMesh("member", SIZE, _SEED).lines())
        self.member.introduce()
        self.member.settle(_LIMIT)
        wait_for("the witness is at rest", self._is_at_rest, _LIMIT)

    def _is_at_rest(self) -> bool:
        started = time.monotonic()
        result = ping(
            self.witness, self.subject.address, count=20, interval=_PING_EVERY
        )
        return result.lost == 0 and time.monotonic() - started < _AT_REST

    def measure(
        self, lines: Iterable[bytes], rate: float, seconds: float
    ) -> list[Figure]:
        """Let the member say ``rate`` lines a second and watch what becomes of others.

        The witness pings the subject, and sends frames to everybody.
        """
        watcher = Watcher(self._target)
        pings = SteadyPing(
            self._lab,
            self.witness,
            self.subject.address,
            count=_PINGS,
            interval=_PING_EVERY,
        )
        shouts = _shout(self._lab, self.witness)
        before = usage(self.subject.pid).cpu
        self._talk(iter(lines), rate, seconds)
        spent = usage(self.subject.pid).cpu - before
        found, result = watcher.stop(), pings.finish()
        shouts()
        return [
            *answers(found),
            Figure("worst ping", max(pings.times()), "ms"),
            Figure("median ping", pings.median(), "ms", _PROMPT),
            Figure("pings lost", 100 * result.lost / result.sent, "%", 2.0),
            Figure("CPU", 100 * spent / seconds, "%"),
        ]

    def _talk(self, lines: Iterator[bytes], rate: float, seconds: float) -> None:
        started, said = time.monotonic(), 0
        while (elapsed := time.monotonic() - started) < seconds:
            due = int(elapsed * rate) - said
            self.member.say(itertools.islice(lines, due))
            said += due
            self.member.turn(_PIECE)
            time.sleep(_PIECE)
        self.member.settle(_LIMIT)

    def close(self) -> None:
        self.member.close()
        for node in (self.witness, self.subject):
            node.stop()


def _shout(lab: Lab, node: TincNode) -> Callable[[], None]:
    """Send frames to everybody until the answer is called."""
    words = ("ping", "-n", "-q", "-I", NETNAME, "-i", str(_PING_EVERY), _GROUP)
    child = lab.processes.start(node.namespace.command(*words), what="ping")

    def end() -> None:
        child.terminate()
        child.wait()

    return end
