"""All eight scripts, in the same order and with the same environment as under C."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_same_text
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import wait_for

_SCRIPTS: Final = (
    "tinc-up",
    "tinc-down",
    "host-up",
    "host-down",
    "hosts/beta-up",
    "hosts/beta-down",
    "subnet-up",
    "subnet-down",
)
_OWN_SUBNETS: Final = ("172.30.1.0/24", "172.30.1.7/32#3", "fd30:0:0:1::/64#20")
_PEER_SUBNETS: Final = (
    "172.30.2.0/24#7",
    "172.30.2.9/32",
    "fd30:0:0:2::/64",
    "00:1a:2b:03:4d:5e#4",
)
_EVENTS_UP: Final = 1 + len(_OWN_SUBNETS) + 2 + len(_PEER_SUBNETS)


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    wanted = _record(lab, Kind.C, "ref-")
    actual = _record(lab, kind, "sub-")
    for script in _SCRIPTS:
        expect(f"== {script}\n" in wanted, f"C ran no {script}")
    expect_same_text("what the scripts saw", actual, wanted)


def _record(lab: Lab, kind: Kind, part: str) -> str:
    """Let a peer come and go, stop, and return what the scripts wrote."""
    plans = [
        Plan(
            name="alpha", kind=kind, connect_to=("beta",), subnets=_OWN_SUBNETS, debug=2
        ),
        Plan(name="beta", kind=Kind.C, subnets=_PEER_SUBNETS),
    ]
    mesh = Mesh(lab, plans, part=part)
    alpha, beta = mesh
    record = alpha.directory / "record.txt"
    _install(alpha, record)
    beta.start()
    alpha.start()
    _wait_events(record, _EVENTS_UP)
    beta.stop()
    _wait_events(record, _EVENTS_UP + 2 + len(_PEER_SUBNETS))
    alpha.stop()
    return record.read_text()


def _install(node: TincNode, record: Path) -> None:
    for name in _SCRIPTS:
        path = node.etc / name
        lines = path.read_text() if path.exists() else "#!/bin/sh\n"
        path.write_text(lines + _recorder(name, record))
        path.chmod(0o755)


def _recorder(name: str, record: Path) -> str:
    # The environment the script was given, not what its shell made of it.
    return (
        f"{{ echo '== {name}'\n"
        "  tr '\\0' '\\n' < /proc/$$/environ | LC_ALL=C sort\n"
        '  echo "arguments: $#" directory: "$(pwd)" umask: "$(umask)"\n'
        f"}} >> '{record}'\n"
    )


def _wait_events(record: Path, count: int) -> None:
    wait_for(
        f"{count} scripts have run",
        lambda: record.exists() and record.read_text().count("arguments:") >= count,
        limit=20,
    )


SCENARIO = Scenario(
    name="scripts",
    summary="all eight scripts: order and environment as under C",
    placements=ONE,
    play=play,
    seconds=3,
    needs_c=True,
)
