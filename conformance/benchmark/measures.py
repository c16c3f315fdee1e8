"""What is measured of a pair; every function takes a few seconds, returns numbers.

Throughput is what the receiver got.  CPU time is that of the two daemons, user and
system, from /proc; the kernel charges sending and receiving to whoever calls it.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

from conformance.benchmark.pairs import SINK_PORT, End, Pair, background, run
from conformance.harness.lab import Lab
from conformance.harness.transfers import ENDPOINT
from conformance.harness.usage import usage
from conformance.harness.waits import Failed

#: Payload in a UDP packet of 1400 bytes of IP: fits every path that is measured.
PACKET: Final = 1372
#: Packets a second for CPU time per packet: what the slowest contender can carry.
PACED: Final = 10_000
#: Packets a second of a gigabit.
GIGABIT: Final = 91_000
#: Loss up to which a packet rate counts as carried, in percent.
TOLERATED: Final = 1.0
#: Doublings and halvings of the interval in the search for the highest rate.
_STEPS: Final = 6
_FLOOR: Final = 2_000
_CEILING: Final = 400_000
_PING_TIME: Final = re.compile(r"time=([\d.]+) ms")


@dataclass(frozen=True, slots=True)
class Load:
    """One run of iperf3: bits per second, and CPU seconds of a, b while it ran."""

    rate: float
    volume: float
    cpu_a: float
    cpu_b: float
    packets: int = 0
    loss: float = 0.0
    #: Packets a second that the source brought forth.
    offered: float = 0.0


def stream(pair: Pair, seconds: int, *, streams: int = 1, direction: str = "") -> Load:
    """TCP from a to b; ``direction`` is ``-R`` or ``--bidir`` for the other ways."""
    options = ["-P", str(streams), *([direction] if direction else [])]
    end, cpu_a, cpu_b = _iperf(pair, seconds, options)
    found = [end["sum_received"]]
    if direction == "--bidir":
        found.append(end["sum_received_bidir_reverse"])
    rate = sum(each["bits_per_second"] for each in found)
    volume = sum(each["bytes"] for each in found)
    return Load(rate, volume, cpu_a, cpu_b)


def datagrams(pair: Pair, seconds: int, size: int, rate: int) -> Load:
    """UDP from a to b: packets of ``size`` bytes of payload, ``rate`` a second."""
    before, cpu_a, cpu_b = _arrived(pair.b, size), _cpu(pair.a), _cpu(pair.b)
    words = (pair.b.address, str(SINK_PORT), str(size), str(rate), str(seconds))
    text = run(pair.a, sys.executable, "-I", str(ENDPOINT), "blast", *words)
    sent, took = int(text.split()[0]), float(text.split()[1])
    # What is still under way belongs to it.
    time.sleep(0.2)
    arrived = _arrived(pair.b, size) - before
    loss = 100.0 * max(0, sent - arrived) / max(1, sent)
    return Load(
        arrived / took,
        float(arrived * size),
        _cpu(pair.a) - cpu_a,
        _cpu(pair.b) - cpu_b,
        arrived,
        loss,
        sent / took,
    )


def highest_rate(pair: Pair, seconds: int, size: int) -> float:
    """Return the most packets a second that arrive with no more than a little loss."""
    low, high, best = _FLOOR, _CEILING, 0.0
    for _ in range(_STEPS):
        # Halfway on a scale of ratios, not of differences.
        rate = int((low * high) ** 0.5)
        load = datagrams(pair, seconds, size, rate)
        if load.loss <= TOLERATED:
            best = max(best, load.rate)
            low = rate
            if load.offered < 0.9 * rate:
                # The source is at its end before the tunnel is.
                break
        else:
            high = rate
    return best


def idle_rtt(pair: Pair, count: int = 200) -> float:
    """Return the median round trip in milliseconds with nothing else under way."""
    return _median(
        run(pair.a, "ping", "-n", "-c", str(count), "-i", "0.005", pair.b.address)
    )


def loaded_rtt(lab: Lab, pair: Pair, seconds: int) -> tuple[float, Load]:
    """Return the median round trip during a TCP stream, and that stream."""
    count = max(10, (seconds - 1) * 20)
    ping = background(
        lab,
        pair.a,
        ["ping", "-n", "-c", str(count), "-i", "0.05", "-W", "2", pair.b.address],
    )
    load = stream(pair, seconds)
    text = ping.communicate(timeout=30)[0].decode()
    return _median(text), load


def packets_per_call(lab: Lab, pair: Pair) -> tuple[float, float]:
    """Return how many packets a and b carry with one system call in a TCP stream.

    Counting slows both down, so this stream is measured for nothing else.
    """
    if shutil.which("strace") is None:
        raise Failed("system calls are counted by strace, which is not installed")
    counters = [
        background(lab, end, ["strace", "-c", "-f", "-q", "-p", str(end.pid)])
        for end in (pair.a, pair.b)
    ]
    time.sleep(0.5)
    packets = stream(pair, 1).volume / PACKET
    found = []
    for counter in counters:
        counter.send_signal(signal.SIGINT)
        text = counter.communicate(timeout=30)[0].decode()
        total = re.search(r"^100\.00 +\S+ +\S+ +(\d+)", text, re.MULTILINE)
        if total is None:
            raise Failed(f"strace said: {text.strip()[-200:]}")
        found.append(packets / int(total[1]))
    return found[0], found[1]


def resident(pair: Pair) -> float:
    """Return the resident memory of the daemon on a in MiB."""
    return usage(pair.a.pid).resident / 1024


def _median(text: str) -> float:
    times = [float(time) for time in _PING_TIME.findall(text)]
    return statistics.median(times) if times else float("nan")


def _iperf(
    pair: Pair, seconds: int, options: list[str]
) -> tuple[dict[str, Any], float, float]:
    cpu_a, cpu_b = _cpu(pair.a), _cpu(pair.b)
    argv = ["iperf3", "-J", "-c", pair.b.address, "-t", str(seconds), *options]
    text = run(pair.a, *argv, timeout=seconds + 30)
    found = json.loads(text)
    if "error" in found:
        raise Failed(f"{' '.join(argv)}: {found['error']}")
    end: dict[str, Any] = found["end"]
    return end, _cpu(pair.a) - cpu_a, _cpu(pair.b) - cpu_b


def _cpu(end: End) -> float:
    return usage(end.pid).cpu


def _arrived(end: End, size: int) -> int:
    """Return how many packets with so much payload have come out of the tunnel.

    Counted where they enter the kernel, so that neither a slow reader nor the tunnel's
    own datagrams count.  A piece of several has one header: all the rest is payload.
    """
    text = run(end, "ip", "-j", "address", "show", "to", end.address)
    names = [link["ifname"] for link in json.loads(text) if link]
    text = run(end, "ip", "-j", "-s", "link", "show", "dev", names[0])
    counts = json.loads(text)[0]["stats64"]["rx"]
    headers = 48 if ":" in end.address else 28
    arrived: int = (counts["bytes"] - counts["packets"] * headers) // size
    return arrived
