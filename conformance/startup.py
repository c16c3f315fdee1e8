"""``python -m conformance.startup``: start-up time, idle CPU and memory, side by side.

From exec to the pid file is what Debian's ifupdown hook waits for, three seconds at
most; where a start detaches, the interface is configured as soon as it returns.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.harness.daemon import TincNode, daemon_environment
from conformance.harness.kinds import Kind, c_tincd_problem, command, own_tincd_problem
from conformance.harness.lab import Lab, temporary_lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.signals import signal_idle
from conformance.harness.waits import Failed
from conformance.requirements import machine_problem, strict
from tincd_compat.service.launcher import Launcher

_STARTS: Final = 20
_EXECS: Final = 200
_IDLE_SECONDS: Final = 10.0
_LIMIT: Final = 10.0
_POLL: Final = 0.0005
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one kind; seconds, share of one CPU, KiB."""

    #: By what is waited for, in words.
    seconds: dict[str, list[float]]
    start_cpu: list[float]
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
    cost = _launcher_cost(_EXECS) * 1000
    print(f"the launcher's share of an exec, median of {_EXECS}: {cost:.1f} ms")
    return 0


def _measure(kind: Kind, starts: int, idle: float) -> Figures:
    with temporary_lab("startup") as lab, contextlib.redirect_stdout(io.StringIO()):
        # Who the daemon becomes has to find the host files.
        lab.directory.chmod(0o711)
        return _measure_in(lab, kind, starts, idle)


def _measure_in(lab: Lab, kind: Kind, starts: int, idle: float) -> Figures:
    plans = [
        Plan(name="a", kind=kind, connect_to=("b",), debug=0),
        Plan(name="b", kind=kind, debug=0),
    ]
    mesh = Mesh(lab, plans)
    a, b = mesh
    seconds: dict[str, list[float]] = {}
    start_cpu: list[float] = []
    for _ in range(starts):
        for what, taken in (*_start(b, start_cpu), *_detached(b), *_chroot(b)):
            seconds.setdefault(what, []).append(taken)
    mesh.start()
    mesh.wait_reachable()
    a.wait_pmtu("b")
    before, started = _cpu_seconds(a.pid), time.monotonic()
    time.sleep(idle)
    share = (_cpu_seconds(a.pid) - before) / (time.monotonic() - started)
    resident, proportional = _memory(a)
    mesh.stop()
    return Figures(
        seconds=seconds,
        start_cpu=start_cpu,
        idle_cpu=share,
        resident=resident,
        proportional=proportional,
    )


def _start(node: TincNode, cpu: list[float]) -> Iterator[tuple[str, float]]:
    """Start and stop it once in the foreground; ``cpu`` gets what a start costs."""
    mark = node.log.mark()
    node.start(wait=False)
    started = node.started
    yield "exec to pid file", _wait(node, lambda: _has_text(node.pidfile)) - started
    yield "exec to Ready", _wait(node, lambda: node.log.has("^Ready$", mark)) - started
    cpu.append(_cpu_seconds(node.pid))
    node.stop()


def _detached(node: TincNode) -> Iterator[tuple[str, float]]:
    words = ["-c", str(node.etc), f"--pidfile={node.pidfile}"]
    words.append(f"--logfile={node.log.path}")
    mark = node.log.mark()
    started = time.monotonic()
    child = subprocess.Popen(
        node.namespace.command(*command(node.kind), *words), env=daemon_environment()
    )
    try:
        _until(lambda: _has_text(node.pidfile), "no pid file of a detached daemon")
        written = time.monotonic()
        child.wait(_LIMIT)
        yield "detached: exec to pid file", written - started
        yield "detached: exec to return", time.monotonic() - started
    finally:
        # C's first number is the parent's, and a signal before its loop runs leaves the
        # pid file behind.
        _until(lambda: node.log.has("^Ready$", mark), "a detached daemon is not ready")
        signal_idle(int(node.pidfile.read_text().split()[0]), signal.SIGTERM)
        _until(lambda: not node.pidfile.exists(), "a detached daemon did not end")


def _chroot(node: TincNode) -> Iterator[tuple[str, float]]:
    node.start("-R", "-U", "nobody", wait=False)
    started = node.started
    inside = os.path.realpath(node.etc)
    yield (
        "-R -U: exec to pid file",
        _wait(node, lambda: _has_text(node.pidfile)) - started,
    )
    _wait(node, lambda: os.readlink(f"/proc/{node.pid}/root") == inside)
    # The user changes last.
    _wait(node, lambda: os.stat(f"/proc/{node.pid}").st_uid != 0)
    yield "-R -U: exec to the change", time.monotonic() - started
    node.signal(signal.SIGTERM)
    _until(lambda: not node.alive, "a daemon did not end")
    node.pidfile.unlink(missing_ok=True)


def _wait(node: TincNode, condition: Callable[[], bool]) -> float:
    """Wait for a condition; return when it came true."""
    _until(
        condition,
        lambda: f"did not start; its log ends with:\n{node.log.tail()}",
        lambda: not node.alive,
    )
    return time.monotonic()


def _until(
    condition: Callable[[], bool],
    problem: str | Callable[[], str],
    hopeless: Callable[[], bool] = lambda: False,
) -> None:
    deadline = time.monotonic() + _LIMIT
    while not condition():
        if time.monotonic() > deadline or hopeless():
            raise Failed(problem if isinstance(problem, str) else problem())
        time.sleep(_POLL)


def _has_text(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
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


def _launcher_cost(times: int) -> float:
    """Return the seconds that the launcher adds to the start of a program.

    The program does nothing; the record is that of this interpreter.
    """
    with tempfile.TemporaryDirectory(prefix="tincd-launcher-") as name:
        here, state = Path(name, "here"), Path(name, "state")
        Launcher("/bin/true", Path("/nowhere"), here=here, state=state).write()
        record = [sys.executable, "-P", "-m", "tincd_compat.probe", str(state / "seen")]
        subprocess.run(record, check=True, stdout=subprocess.DEVNULL)
        launcher = str(here / "tincd")
        ours = str(here / "ours/tincd")
        ways: dict[str, list[str]] = {launcher: [], ours: [launcher]}
        seconds: dict[str, list[float]] = {program: [] for program in ways}
        for _ in range(times):
            for program, words in ways.items():
                started = time.perf_counter()
                subprocess.run([program, *words], check=True)
                seconds[program].append(time.perf_counter() - started)
    with_it, without = map(statistics.median, seconds.values())
    return with_it - without


def _print_figures(figures: dict[Kind, Figures], idle: float) -> None:
    if not figures:
        return
    print(f"{'':<36}" + "".join(f"{kind:>12}" for kind in figures))
    rows: dict[str, list[str]] = {}
    for what in next(iter(figures.values())).seconds:
        for name, of in (("median", statistics.median), ("slowest", max)):
            rows[f"{what}, {name}"] = [
                f"{of(each.seconds[what]) * 1000:.1f} ms" for each in figures.values()
            ]
    rows |= {
        "CPU until Ready, median": [
            f"{statistics.median(each.start_cpu) * 1000:.0f} ms"
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
        print(f"{what:<36}" + "".join(f"{value:>12}" for value in values))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
