from __future__ import annotations

from typing import cast

from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.statusline import StatusLine
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh

ADDRESS = SocketAddress("192.0.2.1", 655)


class FakeLinks:
    def __init__(self) -> None:
        self.count = 0

    def active(self) -> list[int]:
        return [0] * self.count


def test_changes_are_told_once() -> None:
    mesh, links, told = Mesh("me"), FakeLinks(), list[str]()
    times = iter(["10:00:00", "10:00:05", "never"])
    line = StatusLine(mesh, cast(Links, links), told.append, lambda: next(times))
    line.update()
    line.update()
    a, b = mesh.get_or_add("a"), mesh.get_or_add("b")
    mesh.get_or_add("gone")
    for one, other in ((mesh.myself, a), (a, b)):
        mesh.add_edge(one, other, ADDRESS, 0, 1)
        mesh.add_edge(other, one, ADDRESS, 0, 1)
    graph.run(mesh)
    links.count = 1
    line.update()
    line.update()
    assert told == [
        "0 connected, 0 of 0 nodes reachable, 0 of them through others;"
        " last change at 10:00:00",
        "1 connected, 2 of 3 nodes reachable, 1 of them through others;"
        " last change at 10:00:05",
    ]
