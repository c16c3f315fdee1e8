"""Link-local addresses: dialled from one and listened on, on the right interface.

Both nodes have two interfaces, on networks of their own, so an address without its
interface leads nowhere.  B listens on the link-local address of the second alone.
"""

from __future__ import annotations

import re
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import pair
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario

_INTERFACE: Final = "eth1"


def play(lab: Lab, placement: Placement) -> None:
    lans = [lab.lan(1), lab.lan(2)]
    mesh = pair(lab, placement, lans={"a": lans, "b": lans})
    a, b = mesh
    places = {node.name: f"{_address(node)}%{_INTERFACE}" for node in mesh}
    for node in mesh:
        main = node.etc / "tinc.conf"
        bound = f"BindToAddress = {places[node.name]}\n"
        main.write_text(bound + main.read_text())
    host = a.etc / "hosts" / "b"
    known = re.sub(r"(?m)^Address.*\n", "", host.read_text())
    host.write_text(f"Address = {places['b']}\n{known}")
    mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    refused = a.log.count("^Can't bind to ")
    expect_equal("addresses that a could not dial from", refused, 0)
    row = b.row("a")
    expect(row is not None and row.host.startswith(places["a"]), f"b has a at {row}")
    expect_ping(a, b.address, count=20, size=700)
    expect_ping(b, a.address, count=20, size=700)


def _address(node: TincNode) -> str:
    done = node.namespace.run("ip", "-6", "-o", "address", "show", "dev", _INTERFACE)
    found = re.search(r"(fe80::[0-9a-f:]+)/", done.stdout)
    expect(found is not None, f"no link-local address on {_INTERFACE}")
    return found[1] if found else ""


SCENARIO: Final = Scenario(
    name="linklocal",
    summary="link-local addresses are dialled from and listened on, by interface",
    placements=TWO,
    play=play,
)
