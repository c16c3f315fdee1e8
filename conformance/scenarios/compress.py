"""Compression levels: those of tinc 1.0 with C, and zstd around a C that knows none.

Packets travel by UDP once C has found by one probe a second that the path takes them:
six rounds wait for that.
"""

from __future__ import annotations

import re
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan, pair
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer
from conformance.harness.waits import say

#: The inner MTU, with which TCP segments travel by UDP before the path MTU is final.
_INNER: Final = 1280
_UP: Final = (f'ip link set "$INTERFACE" mtu {_INNER}',)
_HEADER: Final = 14
#: Zeros, of which a packet of 1100 becomes one of less than 200.
_ZEROS: Final = {"count": 5, "size": 1100, "interval": 0, "pattern": "00"}
#: Datagrams of the size of such a ping; probes are larger by then.
_LARGE: Final = "udp port 655 and greater 1100 and less 1300"
_COMPLAINTS: Final = re.compile(r"^Error while (un)?compress|bogus|\bbad\b", re.I)


def play(lab: Lab, placement: Placement) -> None:
    """Level n in one direction and 11 - n in the other, for six n."""
    mesh = pair(lab, placement, up=_UP, debug=5)
    a, b = mesh
    texts = {node.name: (node.etc / "tinc.conf").read_text() for node in mesh}
    for low in range(6):
        levels = {"a": low, "b": 11 - low}
        say(f"  level {levels['a']} to a, {levels['b']} to b")
        for node in mesh:
            text = f"{texts[node.name]}Compression = {levels[node.name]}\n"
            (node.etc / "tinc.conf").write_text(text)
        mesh.start()
        for node, peer in ((a, b), (b, a)):
            wait_ping(node, peer.address)
            _expect_level(node, peer.name, levels[peer.name])
        for node, peer in ((a, b), (b, a)):
            expect_ping(node, peer.address, **_ZEROS)
            transfer(lab, node, peer, 1)
        mesh.stop()
        for node in mesh:
            expect_equal(f"complaints of {node.name}", _complaints(node), [])


def _expect_level(node: TincNode, peer: str, level: int) -> None:
    row = node.wait_row(
        peer, "reached by UDP", lambda row: row.minmtu >= _INNER + _HEADER, limit=40
    )
    expect_equal(f"level of {node.name} towards {peer}", row.compression, level)


def play_zstd(lab: Lab, placement: Placement) -> None:
    """A - B - C with D at A; B is a C tincd, and later C is one, too."""
    kinds = dict(zip("abcd", placement, strict=True))
    levels = {"a": 14, "b": 0, "c": 22, "d": 0}
    links = {"a": ("b",), "b": (), "c": ("b",), "d": ("a",)}
    plans = [
        Plan(
            name=name,
            kind=kinds[name],
            connect_to=links[name],
            server=(f"Compression = {levels[name]}",),
            up=_UP,
            debug=5,
        )
        for name in kinds
    ]
    mesh = Mesh(lab, plans)
    mesh.start()
    mesh.wait_reachable()
    a, b, c, d = mesh
    for node in mesh:
        for peer in mesh:
            if node is not peer:
                wait_ping(node, peer.address)
    say("  among ourselves, by a C relay and as neighbours")
    for node, peer in ((a, c), (c, a), (a, d), (d, a), (c, d), (d, c)):
        _expect_level(node, peer.name, levels[peer.name])
    say("  C is asked for what it knows")
    for peer, level in ((a, 10), (c, 9), (d, 0)):
        _expect_level(b, peer.name, level)
        _expect_level(peer, "b", 0)
    capture = lab.capture(c, _LARGE)
    for node, peer in ((a, c), (b, a), (b, c), (d, a), (d, c)):
        expect_ping(node, peer.address, **_ZEROS)
    capture.stop()
    # Towards d and b nothing is compressed: the answers of c are large.
    large = capture.count(f"dst host {c.outer[0]}")
    expect_equal("large datagrams of zeros to c", large, 0)
    transfer(lab, a, c, 2)
    transfer(lab, d, a, 2)
    expect_equal("complaints of b", _complaints(b), [])

    say("  another daemon, a C one, takes the place of c")
    c.stop()
    c.kind = Kind.C
    conf = c.etc / "tinc.conf"
    conf.write_text(conf.read_text().replace("Compression = 22", "Compression = 1"))
    c.start()
    for node, peer in ((a, c), (c, a)):
        wait_ping(node, peer.address)
    _expect_level(a, "c", 1)
    _expect_level(c, "a", 10)
    expect_ping(a, c.address, **_ZEROS)
    expect_equal("complaints of c", _complaints(c), [])
    expect_equal("complaints of b", _complaints(b), [])


def _complaints(node: TincNode) -> list[str]:
    """Return the lines in which a daemon finds fault with what it is sent."""
    return [line for line in node.log.text().splitlines() if _COMPLAINTS.search(line)]


SCENARIO = Scenario(
    name="compress",
    summary="levels 0 to 11 with compressible and random data",
    placements=TWO,
    play=play,
    seconds=30,
)

ZSTD = Scenario(
    name="zstd",
    summary="two of ours agree on zstd by way of a C that notices nothing",
    placements=((Kind.OURS, Kind.C, Kind.OURS, Kind.OURS),),
    play=play_zstd,
)
