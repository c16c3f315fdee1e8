"""Signals and ticks that walk through a table give way to the loop after every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.costs.crowded import Crowded
from tests.costs.tables import STATIONS, TABLES
from tincd_compat.daemon import dumps, slices
from tincd_compat.daemon.graphdump import DUMP_INTERVAL

SIZE: Final = 40


def _signal(name: str) -> Callable[[Crowded], None]:
    return lambda crowded: crowded.signal(name)


def _strict(crowded: Crowded) -> None:
    """Leave nothing of what the host files said."""
    (crowded.directory / "hosts" / "n1").write_text("")
    crowded.signal("HUP")


def _strict_subnets(crowded: Crowded, size: int) -> None:
    lines = (f"Subnet = 10.64.0.{number}\n" for number in range(size))
    (crowded.directory / "hosts" / "n1").write_text("".join(lines))
    crowded.signal("HUP")


def _no_own_subnets(crowded: Crowded) -> None:
    crowded.write(crowded.configuration, host="")
    crowded.signal("HUP")


def _minute(crowded: Crowded) -> None:
    crowded.loop.advance(DUMP_INTERVAL)


def _stations_are_silent(crowded: Crowded) -> None:
    crowded.loop.advance(700)


def _tick(crowded: Crowded) -> None:
    crowded.loop.advance(15)


Fill = Callable[[Crowded, int], None]
Step = Callable[[Crowded], None]

WALKS: Final[dict[str, tuple[str, Fill, Step]]] = {
    "nodes are dumped": ("", TABLES["nodes"], _signal("USR2")),
    "edges are dumped": ("", TABLES["edges"], _signal("USR2")),
    "subnets are dumped": ("", TABLES["subnets of one node"], _signal("USR2")),
    "links are dumped": ("", TABLES["links"], _signal("USR1")),
    "unreachable nodes are purged": ("", TABLES["unreachable nodes"], _signal("WINCH")),
    "weights of the unreachable are purged": (
        "",
        TABLES["weights of an unreachable node"],
        _signal("WINCH"),
    ),
    "own subnets are reloaded": ("", TABLES["own subnets"], _no_own_subnets),
    "links are reloaded": ("", TABLES["links"], _signal("HUP")),
    "strict subnets are reloaded": (
        "StrictSubnets = yes\n",
        _strict_subnets,
        _strict,
    ),
    "own stations expire": (
        "Mode = switch\n",
        STATIONS["own stations"],
        _stations_are_silent,
    ),
    "contested edges are settled": ("", TABLES["contested"], _tick),
    "deferred updates are judged": ("", TABLES["deferred"], _tick),
    "replaced keys are forgotten": ("", TABLES["keys"], _tick),
    "the graph is dumped": ("GraphDumpFile = graph\n", TABLES["nodes"], _minute),
}


@pytest.mark.parametrize("walk", WALKS)
def test_walk_gives_way(
    walk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration, fill, step = WALKS[walk]
    monkeypatch.chdir(tmp_path)

    def turns(patience: float) -> int:
        directory = tmp_path / str(patience)
        crowded = Crowded(directory, monkeypatch, configuration)
        fill(crowded, SIZE)
        crowded.calm_down()
        before = crowded.loop.turns
        with monkeypatch.context() as patch:
            patch.setattr(slices, "SLICE", patience)
            patch.setattr(dumps, "LINES_AT_ONCE", 1)
            step(crowded)
        crowded.loop.shut()
        return crowded.loop.turns - before

    assert turns(-1.0) - turns(1.0) >= SIZE // 2
