from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.statusline import NODES_PER_SECOND, PROGRAM, SOON, StatusLine
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh

ADDRESS = SocketAddress("192.0.2.1", 655)


class FakeLinks:
    def __init__(self) -> None:
        self.count = 0

    @property
    def active_count(self) -> int:
        return self.count


def planned_never(seconds: float, function: Callable[[], None]) -> None:
    raise AssertionError("nobody has said that anything changed")


def test_a_change_is_told_soon_and_several_at_once() -> None:
    mesh, links, told = Mesh("me"), FakeLinks(), list[str]()
    planned: list[tuple[float, Callable[[], None]]] = []
    line = StatusLine(
        mesh,
        cast(Links, links),
        told.append,
        lambda: "now",
        lambda seconds, function: planned.append((seconds, function)),
    )
    for count in range(3):
        links.count = count
        line.changed()
    assert told == []
    ((seconds, update),) = planned
    assert seconds < 1
    update()
    assert len(told) == 1
    assert "2 connected" in told[0]
    line.changed()
    assert len(planned) == 2


def test_changes_are_told_once() -> None:
    mesh, links, told = Mesh("me"), FakeLinks(), list[str]()
    times = iter(["10:00:00", "10:00:05", "never"])
    line = StatusLine(
        mesh, cast(Links, links), told.append, lambda: next(times), planned_never
    )
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
        f"{PROGRAM}: 0 connected, 0 of 0 nodes reachable, 0 of them through others;"
        " last change at 10:00:00",
        f"{PROGRAM}: 1 connected, 2 of 3 nodes reachable, 1 of them through others;"
        " last change at 10:00:05",
    ]


def test_a_storm_has_so_many_nodes_counted_a_second_and_in_steps() -> None:
    mesh, begun = Mesh("me"), list[Iterable[object]]()
    for number in range(NODES_PER_SECOND // 2):
        mesh.get_or_add(f"n{number}")
    planned: list[tuple[float, Callable[[], None]]] = []
    line = StatusLine(
        mesh,
        cast(Links, FakeLinks()),
        lambda text: None,
        lambda: "now",
        lambda seconds, function: planned.append((seconds, function)),
        lambda subject, work: begun.append(work),
    )
    seconds = counted = 0.0
    while seconds < 60:
        # A member says something before each look, and right after it.
        line.changed()
        line.changed()
        delay, update = planned.pop()
        assert not planned
        assert delay >= SOON
        seconds += delay
        update()
        counted += len(mesh.nodes)
    assert counted <= NODES_PER_SECOND * seconds
    assert len([*begun[0]]) >= len(mesh.nodes) // 64
