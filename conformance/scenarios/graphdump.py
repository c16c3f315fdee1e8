"""GraphDumpFile, once a minute: to a file, to a command, and under another root.

The minute is a constant of C's, and what a case waits for.
"""

from __future__ import annotations

import signal
from typing import Final

from conformance.harness.checks import expect, expect_same_text
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, wait_for

_INTERVAL: Final = 60.0
#: The first dump does not come before a minute, and a loop that sleeps is late.
_LIMIT: Final = _INTERVAL + 15
_WEIGHTS: Final = {"a": 30, "b": 10, "c": 20}


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    file, piped = lab.directory / "graph.dot", lab.directory / "piped.dot"
    dumps = {
        "a": (f"GraphDumpFile = {file}",),
        "b": (f"GraphDumpFile = | cat > {piped}",),
        # Of the root that it has by then.
        "c": ("GraphDumpFile = hosts/graph.dot",),
    }
    plans = [
        Plan(
            name=name,
            kind=kind,
            connect_to=() if name == "b" else ("b",),
            server=dumps[name],
            host=(f"Weight = {_WEIGHTS[name]}",),
        )
        for name in "abc"
    ]
    mesh = Mesh(lab, plans)
    a, b, c = mesh
    for node, options in ((a, ()), (b, ()), (c, ("-R",))):
        node.start(*options)
    mesh.wait_reachable()
    wanted = _expected(a)
    wait_for("the file", file.exists, _LIMIT, every=0.2)
    expect_same_text("the file", file.read_text(), wanted)
    expect(not file.with_name("graph.dot.new").exists(), "graph.dot.new is still there")
    wait_for("what was piped", lambda: piped.exists() and piped.read_text(), 15)
    expect_same_text("what was piped", piped.read_text(), wanted)
    inside = c.etc / "hosts" / "graph.dot"
    wait_for("the file under another root", inside.exists, 15)
    expect_same_text("the file under another root", inside.read_text(), wanted)
    for node in mesh:
        expect(node.log.has(r"^Dumping graph$"), f"{node.name} logged no dump")
    # C cannot take its pid file away any more.
    c.signal(signal.SIGTERM)
    wait_for("c ends", lambda: not c.alive, SOON)


def _expected(node: TincNode) -> str:
    """Nodes by name, edges by weight and names."""
    dump = node.dump()
    edges = sorted((row.weight, row.source, row.target) for row in dump.edges)
    lines = [f'\t"{name}" [label = "{name}"];' for name in sorted(dump.nodes)]
    lines += [f'\t"{source}" -> "{target}";' for _, source, target in edges]
    return "\n".join(["digraph {", *lines, "}", ""])


SCENARIO = Scenario(
    name="graphdump",
    summary="the graph in a file and in a pipe, after a minute",
    placements=ONE,
    play=play,
    seconds=55,
)
