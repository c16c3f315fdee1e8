"""The counters of all parts of the daemon, in one record."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final

from tincd_compat import logs
from tincd_compat.daemon.clock import Clock
from tincd_compat.observe.summary import Counters, Histogram, Process
from tincd_compat.observe.words import Carrier, Direction, DropReason
from tincd_compat.tunnel.traffic import Traffic
from tincd_compat.tunnel.tunnels import Totals, Tunnels

if TYPE_CHECKING:
    from tincd_compat.daemon.control import ControlPlane
    from tincd_compat.daemon.dataplane import DataPlane
    from tincd_compat.daemon.dials import Dials
    from tincd_compat.daemon.links import Links
    from tincd_compat.daemon.own import OwnFacts
    from tincd_compat.daemon.scriptresults import ScriptResults

#: Upper bounds of the buckets of :class:`LoopLag` in seconds.
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class LoopLag:
    """The delays of planned calls of the loop."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        lag = max(0.0, seconds)
        self._counts[bisect_left(BOUNDS, lag)] += 1
        self._sum += lag

    def histogram(self) -> Histogram:
        """Return how many were at most as late as each bound, all of them last."""
        counts, total = [], 0
        for count in self._counts:
            total += count
            counts.append(total)
        return Histogram(bounds=BOUNDS, counts=tuple(counts), sum=self._sum)


def _first_number(path: str, column: int) -> int | None:
    """Return a number of the first line of a file, None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return int(file.readline().split()[column])
    except (OSError, ValueError, IndexError):
        return None


def process() -> Process:
    """Return what the system says of this process; in a chroot that is little."""
    page = os.sysconf("SC_PAGE_SIZE")
    size = _first_number("/proc/self/statm", 0)
    resident = _first_number("/proc/self/statm", 1)
    times = os.times()
    try:
        # One of them is that of the listing itself.
        descriptors = len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        descriptors = None
    return Process(
        cpu_seconds=times.user + times.system,
        resident_bytes=None if resident is None else resident * page,
        virtual_bytes=None if size is None else size * page,
        open_fds=descriptors,
        max_fds=os.sysconf("SC_OPEN_MAX"),
    )


def _by_carrier(
    totals: Totals, number: Callable[[Traffic], int]
) -> dict[Direction, dict[Carrier, int]]:
    return {
        Direction.SENT: {
            Carrier.UDP: number(totals.sent),
            Carrier.TCP: number(totals.sent_by_tcp),
        },
        Direction.RECEIVED: {
            Carrier.UDP: number(totals.received),
            Carrier.TCP: number(totals.received_by_tcp),
        },
    }


class Counting:
    """The maker of the record of counters."""

    def __init__(
        self,
        own: OwnFacts,
        dials: Dials,
        scripts: ScriptResults,
        links: Links,
        control: ControlPlane,
        dataplane: DataPlane,
        tunnels: Tunnels,
        clock: Clock,
    ) -> None:
        self._own = own
        self._dials = dials
        self._scripts = scripts
        self._links = links
        self._control = control
        self._dataplane = dataplane
        self._tunnels = tunnels
        self._clock = clock
        self.lag = LoopLag()

    def count(self) -> Generator[None, None, Counters]:
        """Return the counters; a generator, since tunnels and links are many."""
        totals = yield from self._tunnels.totals()
        moved = yield from self._links.totals()
        links, own = self._links, self._own.view()
        received = {request.name: n for request, n in links.received.items()}
        sent = {request.name: n for request, n in moved.sent.items()}
        return Counters(
            at=self._clock.now(),
            started=own.started,
            dropped=self._dropped(),
            meta_messages={Direction.SENT: sent, Direction.RECEIVED: received},
            meta_bytes={
                Direction.SENT: moved.bytes_sent,
                Direction.RECEIVED: moved.bytes_received,
            },
            meta_duplicates=self._control.gossip.duplicates,
            graph_runs=self._control.runs.count,
            graph_runs_deferred=self._control.runs.deferred,
            queue_bytes=moved.queued,
            queue_bytes_most=moved.most_queued,
            loop_lag=self.lag.histogram(),
            script_runs=(*self._scripts.runs(),),
            connect_attempts=(*self._dials.attempts(),),
            data_bytes=_by_carrier(totals, lambda traffic: traffic.bytes),
            data_packets=_by_carrier(totals, lambda traffic: traffic.packets),
            failed_handshakes={
                str(reason): count for reason, count in links.failed_callers.items()
            },
            log_suppressed=logs.suppressed.count,
            reload_ok=own.reload_ok,
            process=process(),
        )

    def _dropped(self) -> dict[DropReason, int]:
        dropped = dict.fromkeys(DropReason, 0)
        for text, count in self._dataplane.drops().items():
            dropped[DropReason.of(text)] += count
        return dropped
