"""A test bench for one daemon: frames in at any side, frames out at every side.

The daemon is real and so is its device. Its neighbours are played: what one of them
says over its meta connection are frames byte by byte, and what the daemon sends to it
comes back as such. So two daemons on two benches can be given the same and must give
the same.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from conformance.harness.checks import expect, expect_equal, expect_same_text
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan, inside6
from conformance.harness.packets import ETHERNET, Ipv4, frame4, hexdump
from conformance.harness.packetsocket import open_packets
from conformance.harness.played import PLAIN, Neighbour, Played
from conformance.harness.port import read
from conformance.harness.waits import Failed, say

#: Where a frame goes in or comes out, beside the names of neighbours.
DEVICE: Final = "device"
#: The daemon under test.
SUBJECT: Final = "s"

_LIMIT: Final = 30.0
#: Of a second, when frames have time to be handled within it.
_EARLY: Final = 0.05
_LATE: Final = 0.5
_PATIENCE: Final = 0.001
#: Even the longest frame fits into a datagram.
_LAN_MTU: Final = 2000
#: At most three errors in any second, wherever that second begins.
_ERRORS_APART: Final = 0.34

#: Where the text of a mark begins; what is before may change on the way.
_MARK: Final = ETHERNET + 20

_ADDRESS: Final = "172.30.1.1"
#: Neither does the kernel speak on the device, nor does it answer what comes out.
_UP: Final = (
    'echo 1 > "/proc/sys/net/ipv6/conf/$INTERFACE/disable_ipv6"',
    'ip link set "$INTERFACE" arp off up',
    f'ip addr add {_ADDRESS}/16 dev "$INTERFACE"',
)
#: A persistent device, since its MAC address must be known before the start.
TAP_MAC: Final = bytes.fromhex("020000000001")
_MAKE_TAP: Final = f"""
ip tuntap add {NETNAME} mode tap
ip link set {NETNAME} address {TAP_MAC.hex(":")} arp off
echo 1 > /proc/sys/net/ipv6/conf/{NETNAME}/disable_ipv6
ip link set {NETNAME} up
ip link set {NETNAME} down
"""
_TAP_DOWN: Final = """#!/bin/sh
ip addr flush dev "$INTERFACE"
ip link set "$INTERFACE" down
"""

#: Lines that say what became of a frame, whoever it came from.
_TELLING: Final = re.compile(
    r"^(?:Cannot route|Packet looping|Routing loop|Packet for .* larger than MTU|"
    r"Fragmenting|Clamping|Got too short|Got ARP|Got neighbor|Length of packet|"
    r"Broadcasting|Setting|Learned).*",
    re.M,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A daemon's configuration and what is around it.

    The daemon is node 1 of the mesh, the neighbours the next in their order.
    """

    neighbours: tuple[Neighbour, ...]
    server: tuple[str, ...] = ()
    tap: bool = False
    #: MAC addresses behind the daemon and behind the first neighbour.
    stations: tuple[bytes, bytes] = (bytes(6), bytes(6))


@dataclass(frozen=True, slots=True)
class Row:
    """Frames that go in at one side, one after another.

    ``ours`` is what we do on purpose where C does otherwise: (where, frame) pairs.
    """

    title: str
    origin: str
    frames: tuple[bytes, ...]
    ours: tuple[tuple[str, bytes], ...] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out, as (where, frame) pairs, and what the log says about it."""

    frames: tuple[tuple[str, bytes], ...]
    lines: tuple[str, ...]

    def text(self, *, with_log: bool) -> str:
        shown = [f"{where}, {len(f)} bytes:\n{hexdump(f)}" for where, f in self.frames]
        if with_log:
            shown += [f"log: {line}\n" for line in self.lines]
        return "".join(shown) or "nothing\n"


class Bench:
    """A started daemon and its neighbours.

    :param debug: at level 5 it tells about every frame, below it may take short cuts
    :param datagrams: whether frames travel by UDP, and not over TCP
    """

    def __init__(
        self,
        lab: Lab,
        kind: Kind,
        setup: Setup,
        *,
        part: str,
        debug: int = 5,
        datagrams: bool = False,
    ) -> None:
        device = ("DeviceType = tap",) if setup.tap else ()
        plain = PLAIN if datagrams else ()
        subject = Plan(
            name=SUBJECT,
            kind=kind,
            server=(*setup.server, *device, *plain),
            up=_UP,
            debug=debug,
            address=_ADDRESS,
        )
        plans = [Plan(name=n.name, kind=Kind.C, host=n.host) for n in setup.neighbours]
        lan = lab.lan(mtu=_LAN_MTU, part=part)
        lans = {plan.name: [lan] for plan in (subject, *plans)}
        mesh = Mesh(lab, [subject, *plans], lans=lans, part=part)
        self.part = part
        self.node: TincNode = mesh[SUBJECT]
        # The device is to speak for nobody, but errors must come from somewhere.
        self.node.namespace.add_address("eth0", inside6(1), 48)
        self._tap = setup.tap
        if setup.tap:
            self.node.namespace.run("sh", "-ec", _MAKE_TAP)
            down = self.node.etc / "tinc-down"
            down.write_text(_TAP_DOWN)
            down.chmod(0o755)
        self.node.start()
        self._device = open_packets(self.node.namespace, NETNAME)
        self.neighbours = {
            each.name: Played(lab, mesh, SUBJECT, each, datagrams=datagrams)
            for each in setup.neighbours
        }
        self._marker = 0
        self._marks: set[bytes] = set()
        self._station, self._other = setup.stations
        self._out: list[tuple[str, bytes]] = []
        self._next_error = 0.0
        self._settle()
        came = next(iter(self.neighbours.values())).datagrams
        expect_equal("marks that came by UDP", came, 1 if datagrams else 0)
        # Who was announced last is reachable with the next run of the graph, for which
        # a daemon that is told much at once may wait; a dump does not.
        self.node.dump()

    def play(self, row: Row) -> Outcome:
        """Put the frames of a row in, and return what comes out for them."""
        time.sleep(max(0.0, self._next_error - time.monotonic()))
        if len(row.frames) > 1:
            self._await_second()
        mark = self.node.log.mark()
        self._put(row.origin, row.frames)
        self._settle()
        out, self._out = tuple(self._out), []
        errors = sum(where == row.origin for where, _ in out)
        self._next_error = time.monotonic() + errors * _ERRORS_APART
        lines = _TELLING.findall(self.node.log.text(mark))
        return Outcome(out, tuple(lines))

    def _await_second(self) -> None:
        """Wait for the first half of a second of the clock by which errors are limited.

        C reads the time of day, we a clock that never jumps.
        """
        clock = time.time if self.node.kind is Kind.C else time.monotonic
        while not _EARLY <= clock() % 1 < _LATE:
            time.sleep(0.01)

    def close(self) -> None:
        for member in self.neighbours.values():
            member.close()
        self._device.close()
        self.node.stop()

    def _put(self, origin: str, frames: Iterable[bytes]) -> None:
        if origin != DEVICE:
            self.neighbours[origin].put(frames)
            return
        for frame in frames:
            kind = int.from_bytes(frame[12:14], "big")
            data = frame if self._tap else frame[ETHERNET:]
            self._device.sendto(data, (NETNAME, kind))

    def _settle(self) -> None:
        """Wait until the daemon has handled what was put in before, and take it all.

        Frames are handled in the order in which they came from one side; and before a
        neighbour's request, those that led there.
        """
        first, *_ = everybody = list(self.neighbours.values())
        for played in everybody:
            played.settle()
        mark = self._mark("172.30.2.250", self._other + self._station)
        self._put(DEVICE, [mark])
        self._wait("pass the device", lambda: first.take_one(mark[_MARK:]))
        mark = self._mark("172.30.1.250", self._station + self._other)
        first.put([mark])
        self._wait("reach the device", lambda: self._arrived(mark[_MARK:]))
        for played in everybody:
            played.settle()
            came = played.take()
            self._out += [each for each in came if each[1][_MARK:] not in self._marks]

    def _mark(self, target: str, macs: bytes) -> bytes:
        self._marker += 1
        text = b"mark %d" % self._marker
        self._marks.add(text)
        return frame4("172.30.1.250", target, text, Ipv4(macs=macs))

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _LIMIT
        while not done():
            if time.monotonic() > deadline:
                raise Failed(f"{self.part}{SUBJECT}: the mark did not {what}")
            next(iter(self.neighbours.values())).turn(_PATIENCE)

    def _arrived(self, text: bytes) -> bool:
        """Take frames from the device, until there is this one."""
        while (found := read(self._device)) is not None:
            data, kind = found
            if data.endswith(text):
                return True
            if not self._tap:
                data = bytes(12) + kind.to_bytes(2, "big") + data
            self._out.append((DEVICE, data))
        return False


def compare(
    lab: Lab,
    kind: Kind,
    setup: Setup,
    rows: Sequence[Row],
    *,
    part: str = "",
    datagrams: bool = False,
) -> None:
    """Play all rows with C and with ``kind``, and demand the same of both.

    The latter is asked twice: telling all, while everything travels over TCP; and by
    UDP, where our own daemon takes short cuts.

    :param part: begins the names of this comparison's benches
    :param datagrams: whether all frames travel by UDP; then their TOS is compared, too
    """
    wanted = Bench(lab, Kind.C, setup, part=f"{part}ref-", datagrams=datagrams)
    telling = Bench(lab, kind, setup, part=f"{part}sub-", datagrams=datagrams)
    quick = Bench(lab, kind, setup, part=f"{part}udp-", debug=3, datagrams=True)
    actual = [telling, quick]
    benches = [wanted, *actual]
    differences: list[str] = []
    for row in rows:
        model, *outcomes = [bench.play(row) for bench in benches]
        say(f"          {row.title}: {_summary(model)}")
        for bench, outcome in zip(actual, outcomes, strict=True):
            try:
                _judge(row, bench, outcome, model)
            except Failed as difference:
                differences.append(str(difference))
    expect(not differences, "\n".join(differences))
    for bench in benches:
        bench.close()


def _judge(row: Row, bench: Bench, outcome: Outcome, model: Outcome) -> None:
    with_log = bench.node.debug >= 5
    if row.ours is not None:
        expect(model.frames != row.ours, f"{row.title}: C does the same as we")
        if bench.node.kind is Kind.C:
            # What C does may be another thing by UDP than over TCP.
            return
        model, with_log = Outcome(row.ours, ()), False
    expect_same_text(
        f"{row.title} ({bench.part}{SUBJECT})",
        outcome.text(with_log=with_log),
        model.text(with_log=with_log),
    )


def _summary(outcome: Outcome) -> str:
    frames = [f"{where} {len(frame)}" for where, frame in outcome.frames]
    return ", ".join([*frames, *outcome.lines]) or "nothing"
