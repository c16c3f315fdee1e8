"""``python -m conformance.bench_mesh``: what it costs a daemon to learn a large mesh.

A synthetic peer goes through the handshake and announces a random connected mesh in one
go.  The clock runs from its first byte until the daemon has answered a REQ_KEY and a
PING sent behind the last line; then the daemon's tables must be those of the mesh.

What it costs C tincd depends on the order: as a dump, by names and with the edge to the
daemon at the end, nearly nothing is reachable while it learns; in random order, as from
a mesh that floods, nearly everything is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from conformance import storm
from conformance.harness.announce import PaperMesh, Size, edge_line
from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.dumps import REACHABLE
from conformance.harness.kinds import Kind, c_tincd_problem, own_tincd_problem
from conformance.harness.lab import Lab, temporary_lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Peer, Target
from conformance.harness.usage import usage
from conformance.harness.waits import Failed
from conformance.requirements import machine_problem, strict
from tincd_compat.meta.messages import Message, Pong, ReqKey

_BOTH: Final = "1000/6000/1998"
_OURS: Final = "5000/30000/10000"
_RANDOM: Final = "random"
_DUMP: Final = "dump"
_ORDERS: Final = (_RANDOM, _DUMP)
_SEED: Final = 655
#: C tincd needs minutes for meshes not much larger than the default.
_LIMIT: Final = 900.0
_DUMP_LIMIT: Final = 120.0
#: A peer that waits for its answer longer than this would be taken for dead.
_SERVER: Final = ("PingInterval = 3600",)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One daemon that learned one mesh; seconds and KiB, memory before and after."""

    kind: str
    size: str
    order: str
    wall: float
    cpu: float
    before: int
    after: int


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the answer is the exit status."""
    options = _options(arguments)
    missing = machine_problem() or own_tincd_problem()
    if missing is not None:
        print(f"Nothing can be measured here: {missing}.")
        return 1 if strict() else 0
    try:
        report = _storm() if options.storm else _mesh(options)
    except Failed as error:
        print(f"failed: {error}")
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.bench_mesh")
    for flag, default in (("--both", _BOTH), ("--ours", _OURS)):
        parser.add_argument(
            flag,
            nargs="*",
            type=Size.parse,
            default=[Size.parse(default)],
            metavar="NODES/EDGES/SUBNETS",
        )
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--debug", type=int, default=0, metavar="LEVEL")
    parser.add_argument("--order", nargs="+", choices=_ORDERS, default=_ORDERS)
    parser.add_argument("--storm", action="store_true", help="let 100 peers restart")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


def _storm() -> object:
    figures = _in_lab(storm.run)
    print(figures.text())
    if faults := figures.faults():
        raise Failed("; ".join(faults))
    return asdict(figures)


def _mesh(options: argparse.Namespace) -> object:
    problem = c_tincd_problem()
    if problem is not None and options.both:
        print(f"c: left out, {problem}")
    print(_HEADER)
    measured = []
    for size, kinds in _plan(options, with_c=problem is None):
        for order in options.order:
            found = [_measure(kind, size, order, options) for kind in kinds]
            measured += found
            if len(found) == 2:
                _print_ratio(*found)
    return [asdict(each) for each in measured]


def _plan(
    options: argparse.Namespace, *, with_c: bool
) -> Iterator[tuple[Size, Sequence[Kind]]]:
    for size in options.both:
        yield size, (Kind.C, Kind.OURS) if with_c else (Kind.OURS,)
    for size in options.ours:
        yield size, (Kind.OURS,)


_HEADER: Final = (
    f"{'nodes/edges/subnets':<20}{'order':<8}{'':<6}{'wall s':>8}{'CPU s':>8}"
    f"{'us/line':>9}{'RSS MiB':>9}{'grown':>7}{'KiB/node':>10}"
)


def _measure(
    kind: Kind, size: Size, order: str, options: argparse.Namespace
) -> Measurement:
    """Let fresh daemons learn the mesh; the one with the median CPU time counts."""
    runs = [
        _in_lab(partial(_learn, kind, size, order, options.seed + number, options))
        for number in range(options.repeat)
    ]
    runs.sort(key=lambda run: run.cpu)
    run = runs[(len(runs) - 1) // 2]
    grown = run.after - run.before
    print(
        f"{run.size:<20}{run.order:<8}{run.kind:<6}{run.wall:>8.2f}{run.cpu:>8.2f}"
        f"{run.cpu / size.lines * 1e6:>9.0f}{run.after / 1024:>9.1f}"
        f"{grown / 1024:>7.1f}{grown / size.nodes:>10.2f}",
        flush=True,
    )
    return run


def _print_ratio(c: Measurement, ours: Measurement) -> None:
    wall, cpu = c.wall / ours.wall, c.cpu / max(ours.cpu, 0.01)
    print(f"{'':<28}{'c/ours':<6}{wall:>8.1f}{cpu:>8.1f}", flush=True)


def _learn(
    kind: Kind,
    size: Size,
    order: str,
    seed: int,
    options: argparse.Namespace,
    lab: Lab,
) -> Measurement:
    plans = [
        Plan(name="daemon", kind=kind, server=_SERVER, debug=options.debug, subnets=()),
        Plan(name="peer", kind=kind, subnets=()),
    ]
    daemon, other = Mesh(lab, plans)
    daemon.start()
    keys = lab.keys.pair(1), lab.keys.pair(0)
    peer = TalkingPeer(Target.of(daemon, other.namespace.name, *keys))
    own_edge = edge_line(seed, "peer", "daemon", 0, 1)
    lines = list(PaperMesh("peer", size, seed).lines())
    if order == _RANDOM:
        peer.tell([own_edge])
        random.Random(seed).shuffle(lines)
    else:
        lines.append(own_edge)
    before = usage(daemon.pid)
    peer.say([*lines, ReqKey("peer", "daemon").encode()])
    started = time.monotonic()
    peer.tell([])
    wall = time.monotonic() - started
    after = usage(daemon.pid)
    _check_tables(daemon, size)
    peer.close()
    daemon.stop()
    cpu = after.cpu - before.cpu
    memory = before.resident, after.resident
    return Measurement(kind, str(size), order, wall, cpu, *memory)


class TalkingPeer(Peer):
    """A peer that waits for the answer to a PING behind what it says."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, "peer", self._hear)
        self._pongs = 0
        self.connect()

    def _hear(self, message: Message, line: bytes) -> None:
        self._pongs += isinstance(message, Pong)

    def tell(self, lines: Iterable[bytes]) -> None:
        """Say something and wait until all that was said has been dealt with."""
        wanted = self._pongs + 1
        self.say(lines)
        self.ping()
        self.exchange(lambda: self._pongs == wanted, "PONG", _LIMIT)


def _check_tables(daemon: TincNode, size: Size) -> None:
    """Demand that the daemon knows the whole mesh, itself and its edges included."""
    mark = daemon.log.mark()
    daemon.signal(signal.SIGUSR2)
    daemon.log.wait(r"^End of subnet list\.$", _DUMP_LIMIT, mark)
    text = daemon.log.text(mark)
    statuses = re.findall(r"^ \S+ at .* status ([0-9a-f]+) nexthop ", text, re.M)
    reachable = sum(bool(int(status, 16) & REACHABLE) for status in statuses)
    expect_equal("reachable nodes", reachable, size.nodes + 1)
    edges = re.findall(r"^ \S+ to \S+ at ", text, re.M)
    expect_equal("edges", len(edges), size.edges + 2)
    subnets = re.findall(r"^ \S+ owner ", text, re.M)
    expect_equal("subnets", len(subnets), size.subnets)


def _in_lab(work: Callable[[Lab], T]) -> T:
    """Do work in a laboratory of its own, without the record of its waits."""
    with temporary_lab("bench") as lab, contextlib.redirect_stdout(io.StringIO()):
        return work(lab)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
