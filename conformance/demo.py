"""``python -m conformance.demo``: a mesh of three, for people to look at.

Two C daemons with ours between them where a C tincd is installed, else three of ours:
who knows whom, pings, a transfer with its checksum, what an operator sees at ours, and
nothing left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.kinds import Kind, Placement, c_tincd_problem, parse_placement
from conformance.harness.lab import Lab, temporary_lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_no_ping, ping, wait_ping
from conformance.harness.scenario import Case, Scenario
from conformance.harness.transfers import transfer
from conformance.harness.waits import Failed
from conformance.requirements import Requirements, strict

_NAMES: Final = ("alice", "bob", "carol")
_KIND_TEXT: Final = {Kind.C: "C tincd", Kind.OURS: "ours"}
_PINGS: Final = 20
_MEGABYTES: Final = 20


def main(arguments: Sequence[str]) -> int:
    """Show the mesh; the answer is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.demo")
    parser.add_argument("--placement", type=parse_placement, metavar="KINDS")
    placement: Placement | None = parser.parse_args(arguments).placement
    if placement is None:
        edge = Kind.OURS if c_tincd_problem() else Kind.C
        placement = (edge, Kind.OURS, edge)
    scenario = Scenario(name="demo", summary="", placements=(placement,), play=_show)
    case, requirements = Case(scenario, placement), Requirements()
    missing = requirements.missing_for(case)
    if missing is not None:
        print(f"The demo cannot run here: {missing}.")
        return 1 if strict() else 0
    fault = requirements.fault_for(case)
    if fault is not None:
        print(f"The demo failed: {fault}")
        return 1
    return _run(case)


def _run(case: Case) -> int:
    with temporary_lab("demo") as lab:
        try:
            case.scenario.play(lab, case.placement)
        except (Failed, OSError) as error:
            print(f"The demo failed: {error}")
            return 1
        except KeyboardInterrupt:
            print("interrupted")
            return 1
    return 0


def _show(lab: Lab, placement: Placement) -> None:
    with _quiet():
        plans = [
            Plan(name=name, kind=kind, connect_to=() if name == "bob" else ("bob",))
            for name, kind in zip(_NAMES, placement, strict=True)
        ]
        mesh = Mesh(lab, plans)
    alice, bob, carol = mesh
    _introduce(mesh)
    with _quiet():
        alice.start()
        expect_no_ping(alice, carol.address)
    print(f"alice alone     no answer from {carol.address}, as it should be")
    with _quiet(), _Stopwatch() as watch:
        bob.start()
        carol.start()
        mesh.wait_reachable()
        wait_ping(alice, carol.address)
    print(f"all started     everybody reaches everybody after {watch.seconds:.1f} s")
    with _quiet(), _Stopwatch() as watch:
        alice.wait_pmtu("bob", "carol")
    mtu = alice.dump().nodes["carol"].mtu
    print(
        f"direct UDP      alice and carol met through bob; MTU {mtu} found after "
        f"{watch.seconds:.1f} s"
    )
    for size in (56, 1300):
        result = ping(alice, carol.address, count=_PINGS, size=size)
        print(
            f"ping            alice > carol, {size} bytes: {result.received} of "
            f"{result.sent} answered"
        )
        if result.lost:
            raise Failed(f"{result.lost} pings were lost")
    for source, target in ((alice, carol), (carol, alice), (alice, bob)):
        _transfer(lab, source, target)
    _print_table(bob)
    for words in (("status",), ("explain", "carol")):
        _ask(bob, *words)
    with _quiet():
        lab.finish()
    print("\nstopped         exit status 0 each; no pid file, device or route is left")


def _introduce(mesh: Mesh) -> None:
    print("Three nodes, each in a network namespace, joined by a bridge:\n")
    for node in mesh:
        to = "listens" if node.name == "bob" else "connects to bob"
        kind = _KIND_TEXT[node.kind]
        print(f"  {node.name:<7}{kind:<9}{node.outer[0]:<11}{node.address:<12}{to}")
    print()


def _transfer(lab: Lab, source: TincNode, target: TincNode) -> None:
    with _quiet():
        result = transfer(lab, source, target, _MEGABYTES)
    print(
        f"transfer        {source.name} > {target.name}, {_MEGABYTES} MB in "
        f"{result.seconds:.2f} s, {result.megabits_per_second:.0f} Mbit/s, "
        f"SHA-256 {result.sha256[:12]}... on both sides"
    )


def _print_table(node: TincNode) -> None:
    dump = node.dump()
    print(f"\nWhat {node.name} knows (SIGUSR2):\n")
    print(f"  {'node':<7}{'address':<22}{'via':<7}{'MTU':<6}subnets")
    for row in dump.nodes.values():
        subnets = [each.subnet for each in dump.subnets if each.owner == row.name]
        print(
            f"  {row.name:<7}{row.host:<22}{row.via:<7}{row.mtu:<6}{', '.join(subnets)}"
        )


def _ask(node: TincNode, *words: str) -> None:
    """Show what ``tincd-compat`` says of the mesh at a node of ours."""
    if node.kind is not Kind.OURS:
        return
    argv = [sys.executable, "-m", "tincd_compat.admin", *words]
    argv += ["-n", NETNAME, f"--socket={node.pidfile}.sock"]
    done = node.namespace.run(*argv, check=False)
    if done.returncode not in (0, 1):
        raise Failed(f"tincd-compat {' '.join(words)}: {done.stderr}")
    print(f"\n$ tincd-compat {' '.join(words)}")
    print("".join(f"  {line}\n" for line in done.stdout.splitlines()), end="")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the record that the harness prints for the suite to itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


class _Stopwatch:
    """How long a block took, in seconds."""

    seconds = 0.0

    def __enter__(self) -> _Stopwatch:
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
