"""SIGUSR1 and SIGUSR2 print what C prints, volatile fields masked."""

from __future__ import annotations

import re
from typing import Final

from conformance.harness.checks import expect_same_text
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON

#: Fields that differ between two runs of the same daemon.
_MASKS: Final = (
    (r" socket \d+ ", " socket N "),
    (r" outbuf \d+/\d+/\d+$", " outbuf N/N/N"),
    # The source port of an accepted connection.
    (r"( at \S+ port )(?!655 )\d+( options \S+ socket )", r"\g<1>N\2"),
    # Whether a ping is under way this moment.
    (r"( status 01c)[23]( outbuf)", r"\g<1>2\2"),
    (r"^( total bytes (?:in|out): )[ \d]{10,}$", r"\1##########"),
)
#: Fixed, since a measured weight differs from run to run.
_WEIGHT: Final = ("Weight = 7",)


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    wanted = _stages(lab, Kind.C, "ref-")
    actual = _stages(lab, kind, "sub-")
    expect_same_text("the dumps", _joined(actual), _joined(wanted))


def _stages(lab: Lab, kind: Kind, part: str) -> dict[str, str]:
    """Return the dumps of the subject in every stage of its life.

    ``far`` is behind ``near``, which the subject dials; ``guest`` dials the subject.
    """
    plans = [
        Plan(name="subject", kind=kind, connect_to=("near",), host=_WEIGHT),
        Plan(name="near", kind=Kind.C, host=_WEIGHT, server=("Cipher = aes-128-cbc",)),
        Plan(
            name="far",
            kind=Kind.C,
            connect_to=("near",),
            host=_WEIGHT,
            subnets=("172.30.3.0/24#3", "fd30:0:0:3::/64", "0:1a:2b:3:4d:5e"),
        ),
        Plan(
            name="guest",
            kind=Kind.C,
            connect_to=("subject",),
            host=(*_WEIGHT, "Compression = 1", "IndirectData = yes"),
        ),
    ]
    mesh = Mesh(lab, plans, part=part)
    subject, near, far, guest = mesh
    stages = {}
    subject.start()
    stages["alone"] = _dump(subject)
    for node in (near, far, guest):
        node.start()
    mesh.wait_reachable()
    subject.wait_pmtu("near", "guest")
    stages["in the mesh"] = _dump(subject)
    far.stop()
    subject.wait_unreachable("far")
    stages["with an unreachable node"] = _dump(subject)
    for node in (guest, near):
        node.stop()
    subject.wait_connected([], limit=SOON)
    stages["alone again"] = _dump(subject)
    subject.stop()
    return stages


def _joined(stages: dict[str, str]) -> str:
    return "".join(f"== {stage}\n{text}" for stage, text in stages.items())


def _dump(node: TincNode) -> str:
    text = node.dump().text
    for pattern, replacement in _MASKS:
        text = re.sub(pattern, replacement, text, flags=re.M)
    # The connections have no order of their own.
    head, rows, rest = text.partition("End of connections.")
    first, *lines = head.splitlines()
    return "\n".join([first, *sorted(lines), rows + rest])


SCENARIO = Scenario(
    name="dump",
    summary="USR1 and USR2 as C prints them",
    placements=ONE,
    play=play,
    seconds=15,
    needs_c=True,
)
