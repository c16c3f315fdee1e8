"""Pings through the tunnel, bounded in number."""

from __future__ import annotations

import re
import signal
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from conformance.harness.checks import expect, expect_equal
from conformance.harness.lab import Lab
from conformance.harness.netns import Namespace
from conformance.harness.waits import SOON, Failed, say, wait_for

_SUMMARY: Final = re.compile(
    r"(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?"
)
_TIME: Final = re.compile(r"time=([\d.]+) ms")
_SEQUENCE: Final = re.compile(r"bytes from .*icmp_seq=(\d+)")
#: What ping tells when it gets SIGQUIT: received/sent.
_SO_FAR: Final = re.compile(r"^\d+/(\d+) packets, \d+% loss", re.M)
#: Pings at the end of a series that may still be on their way.
_TAIL: Final = 2
#: So often a machine may be too busy for the end of a series.
_SERIES: Final = 3
#: Seconds that the last answer may take on a busy machine.
_LATEST: Final = 2.0
_LOOK: Final = 0.05


class Party(Protocol):
    """Who sends and receives: a node, or a host without a daemon."""

    @property
    def name(self) -> str: ...

    @property
    def namespace(self) -> Namespace: ...

    @property
    def address(self) -> str:
        """Its inner IPv4 address."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host without a daemon."""

    name: str
    namespace: Namespace
    address: str


@dataclass(frozen=True, slots=True)
class PingResult:
    sent: int
    received: int
    duplicates: int

    @property
    def lost(self) -> int:
        return self.sent - self.received


def ping(
    node: Party,
    address: str,
    *,
    count: int = 10,
    size: int = 56,
    interval: float = 0.05,
    fragment: str = "want",
    pattern: str = "",
) -> PingResult:
    """Ping from inside a node; ``size`` is the ICMP payload, ``pattern`` fills it.

    ``fragment`` is ping's ``-M``: ``do`` and ``want`` set the do-not-fragment bit,
    ``dont`` leaves the cutting to whoever needs it.

    ping waits for the last answer no longer than ``interval`` or two round trips, which
    a busy machine may exceed: what is still on its way then does not count as sent.
    Where that is more than two, and no other is missing, another series is sent.  All
    of an ``interval`` of 0 are sent at once, and their answers may take a second.
    """
    pace = ("-i", str(interval)) if interval else ("-i", "1", "-l", str(count))
    for _ in range(_SERIES):
        done = node.namespace.run(
            *("ping", "-n", "-c", str(count), *pace, "-W", "2"),
            *("-s", str(size), "-M", fragment),
            *(("-p", pattern) if pattern else ()),
            address,
            check=False,
            timeout=count * interval + 60,
        )
        text = done.stdout + done.stderr
        result = _parse_ping(text)
        if not _is_late(result, text):
            break
    return _without_tail(result, text, _TAIL)


def expect_ping(node: Party, address: str, **settings: Any) -> PingResult:
    """Demand that every ping is answered exactly once.

    What a capture has of them can be less than was asked for: see :func:`ping`.
    """
    result = ping(node, address, **settings)
    text = ", ".join(f"{key} {value}" for key, value in settings.items())
    say(f"          ping {node.name} > {address} {text}: {result}")
    expect(result.received > 0, f"no ping from {node.name} to {address} was answered")
    expect_equal(f"pings lost from {node.name} to {address}", result.lost, 0)
    expect_equal("duplicate ping answers", result.duplicates, 0)
    return result


def expect_no_ping(node: Party, address: str) -> None:
    """Demand that there is no way yet; otherwise a later success proves nothing."""
    result = ping(node, address, count=2, interval=0.2)
    expect_equal(f"pings answered to {node.name} before the tunnel", result.received, 0)


def wait_ping(
    node: Party,
    address: str,
    limit: float = 30,
    *,
    size: int = 56,
    fragment: str = "want",
) -> None:
    """Wait until a ping is answered; ``size`` and ``fragment`` as for ``ping``."""

    def once() -> bool:
        done = node.namespace.run(
            *("ping", "-n", "-q", "-c", "1", "-W", "1"),
            *("-s", str(size), "-M", fragment, address),
            check=False,
        )
        return done.returncode == 0

    wait_for(f"ping {node.name} > {address} of {size} bytes", once, limit)


class SteadyPing:
    """Pings in the background, ``interval`` apart, at most ``count``."""

    def __init__(
        self,
        lab: Lab,
        node: Party,
        address: str,
        *,
        count: int,
        interval: float = 0.05,
    ) -> None:
        self._out = lab.directory / f"ping-{node.name}-{time.monotonic_ns()}.txt"
        argv = node.namespace.command(
            *("ping", "-n", "-D", "-c", str(count), "-i", str(interval), "-W", "2"),
            address,
        )
        with self._out.open("wb") as out:
            self._child = lab.processes.start(argv, what="ping", stdout=out, stderr=out)
        wait_for(f"steady ping {node.name} > {address}", self._answered, limit=30)

    def finish(self) -> PingResult:
        """End it and return the totals, an answer still on its way not counted lost."""
        answered = self._child.poll() is None and self._all_answered()
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
        self._child.wait(30)
        text = self._out.read_text()
        result = _parse_ping(text)
        # What was sent after they were all answered says nothing.
        return _without_tail(result, text, result.sent if answered else _TAIL)

    def _all_answered(self) -> bool:
        """Wait for an answer to the last of those sent by now, or a later one."""
        self._child.send_signal(signal.SIGQUIT)
        deadline = time.monotonic() + _LATEST
        while time.monotonic() < deadline and self._child.poll() is None:
            text = self._out.read_text()
            shown = _SO_FAR.search(text)
            if shown is not None and _last_answered(text) >= int(shown[1]):
                return True
            time.sleep(_LOOK)
        return False

    def wait(self) -> None:
        """Let it go on to its end."""
        self._child.wait(60)

    def catch_up(self) -> None:
        """Wait for one more answer: whoever was asleep is awake again."""
        before = self._answers()
        wait_for("one more ping answered", lambda: self._answers() > before, limit=SOON)

    def times(self) -> list[float]:
        """Return the round trips so far, at least one, in milliseconds."""
        times = [float(text) for text in _TIME.findall(self._out.read_text())]
        if not times:
            raise Failed("no ping was answered")
        return times

    def median(self) -> float:
        """Return the median of the round trips so far, in milliseconds."""
        return statistics.median(self.times())

    def _answered(self) -> bool:
        if self._child.poll() is not None:
            raise Failed(f"ping ended: {self._out.read_text().strip()}")
        return self._answers() > 0

    def _answers(self) -> int:
        return self._out.read_text().count("bytes from")


def _without_tail(result: PingResult, text: str, most: int) -> PingResult:
    """Do not count as lost what may still be on its way: so many of the last."""
    last = _last_answered(text)
    on_its_way = result.sent - last
    if last and 0 < on_its_way <= most:
        return replace(result, sent=result.sent - on_its_way)
    return result


def _is_late(result: PingResult, text: str) -> bool:
    """Tell whether what is missing is the end, and more than may be on its way."""
    last = _last_answered(text)
    return 0 < last == result.received and result.sent - last > _TAIL


def _last_answered(text: str) -> int:
    return max(map(int, _SEQUENCE.findall(text)), default=0)


def _parse_ping(text: str) -> PingResult:
    found = _SUMMARY.search(text)
    if found is None:
        raise Failed(f"ping said: {text.strip()}")
    sent, received, duplicates = (int(number or 0) for number in found.groups())
    return PingResult(sent, received, duplicates)
