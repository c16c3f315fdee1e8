"""``python -m conformance.startup``: start-up time, idle CPU and memory, side by side.

From exec to the pid file is what Debian's ifupdown hook waits for, three seconds at
most.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.keys import KeyStore
from conformance.harness.kinds import Kind, c_tincd_problem, own_tincd_problem
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.waits import Failed
from conformance.requirements import machine_problem, strict

_STARTS: Final = 20
_IDLE_SECONDS: Final = 10.0
_LIMIT: Final = 10.0
_POLL: Final = 0.0005
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one kind; seconds, share of one CPU, KiB."""

    to_pidfile: list[float]
    to_ready: list[float]
    idle_cpu: float
    resident: int
    proportional: int


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the answer is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.startup")
    parser.add_argument("--starts", type=int, default=_STARTS, metavar="N")
    parser.add_argument("--idle", type=float, default=_IDLE_SECONDS, metavar="S")
    options = parser.parse_args(arguments)
    missing = machine_problem()
    if missing is not None:
        print(f"Start-up cannot be measured here: {missing}.")
        return 1 if strict() else 0
    figures = {}
    for kind, problem in (
        (Kind.C, c_tincd_problem()),
        (Kind.OURS, own_tincd_problem()),
    ):
        if problem is not None:
            print(f"{kind}: left out, {problem}")
            continue
        try:
            figures[kind] = _measure(kind, options.starts, options.idle)
        except Failed as error:
            print(f"{kind}: {error}")
            return 1
    _print_figures(figures, options.idle)
    return 0


def _measure(kind: Kind, starts: int, idle: float) -> Figures:
    tag = f"tcx{os.getpid():x}{secrets.token_hex(2)}"
    with tempfile.TemporaryDirectory(prefix="tincd-startup-") as name:
        keys = KeyStore(Path(name) / "keys")
        keys.fill()
        lab = Lab(Path(name), keys, tag)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return _measure_in(lab, kind, starts, idle)
        finally:
            lab.close()


def _measure_in(lab: Lab, kind: Kind, starts: int, idle: float) -> Figures:
    plans = [
        Plan(name="a", kind=kind, connect_to=("b",), debug=0),
        Plan(name="b", kind=kind, debug=0),
    ]
    mesh = Mesh(lab, plans)
    a, b = mesh
    times = [_start(b) for _ in range(starts)]
    mesh.start()
    mesh.wait_reachable()
    a.wait_pmtu("b")
    before, started = _cpu_seconds(a), time.monotonic()
    time.sleep(idle)
    share = (_cpu_seconds(a) - before) / (time.monotonic() - started)
    resident, proportional = _memory(a)
    mesh.stop()
    return Figures(
        to_pidfile=[each[0] for each in times],
        to_ready=[each[1] for each in times],
        idle_cpu=share,
        resident=resident,
        proportional=proportional,
    )


def _start(node: TincNode) -> tuple[float, float]:
    """Start and stop it once; return seconds to the pid file and to ``Ready``."""
    mark = node.log.mark()
    started = time.monotonic()
    node.start(wait=False)
    written = _wait(node, lambda: _has_text(node.pidfile)) - started
    ready = _wait(node, lambda: node.log.has("^Ready$", mark)) - started
    node.stop()
    return written, ready


def _wait(node: TincNode, condition: Callable[[], bool]) -> float:
    deadline = time.monotonic() + _LIMIT
    while not condition():
        if time.monotonic() > deadline or not node.alive:
            raise Failed(f"did not start; its log ends with:\n{node.log.tail()}")
        time.sleep(_POLL)
    return time.monotonic()


def _has_text(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _cpu_seconds(node: TincNode) -> float:
    fields = Path(f"/proc/{node.pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / _TICKS


def _memory(node: TincNode) -> tuple[int, int]:
    """Return resident and proportional set size in KiB."""
    text = Path(f"/proc/{node.pid}/smaps_rollup").read_text()
    sizes = {}
    for line in text.splitlines()[1:]:
        name, value, *_ = line.split()
        sizes[name.rstrip(":")] = int(value)
    return sizes["Rss"], sizes["Pss"]


def _print_figures(figures: dict[Kind, Figures], idle: float) -> None:
    print(f"{'':<28}" + "".join(f"{kind:>12}" for kind in figures))
    rows = {
        "exec to pid file, median": [
            f"{statistics.median(each.to_pidfile) * 1000:.1f} ms"
            for each in figures.values()
        ],
        "exec to pid file, slowest": [
            f"{max(each.to_pidfile) * 1000:.1f} ms" for each in figures.values()
        ],
        "exec to Ready, median": [
            f"{statistics.median(each.to_ready) * 1000:.1f} ms"
            for each in figures.values()
        ],
        f"idle CPU over {idle:g} s": [
            f"{each.idle_cpu * 100:.2f} %" for each in figures.values()
        ],
        "resident memory": [
            f"{each.resident / 1024:.1f} MiB" for each in figures.values()
        ],
        "of that its own share": [
            f"{each.proportional / 1024:.1f} MiB" for each in figures.values()
        ],
    }
    for what, values in rows.items():
        print(f"{what:<28}" + "".join(f"{value:>12}" for value in values))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
