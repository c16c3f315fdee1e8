from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tincd_compat.daemon import graphdump
from tincd_compat.daemon.graphdump import DUMP_INTERVAL, GraphDump, feed, write


class Loop:
    """Keeps what is planned until the test lets the time come."""

    def __init__(self) -> None:
        self.planned: list[tuple[float, Callable[[], None]]] = []
        self.tasks: list[Any] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> Loop:
        self.planned.append((delay, call))
        return self

    def create_task(self, work: Any) -> None:
        self.tasks.append(work)

    def cancel(self) -> None:
        self.planned.clear()

    def pass_time(self) -> None:
        (delay, call), *self.planned = self.planned
        assert delay == DUMP_INTERVAL
        call()


class World:
    def __init__(self, target: str | None) -> None:
        self.loop = Loop()
        self.target = target
        self.version = 0
        loop = cast(asyncio.AbstractEventLoop, self.loop)
        self.dump = GraphDump(
            lambda: self.target,
            lambda: f"graph {self.version}",
            lambda: self.version,
            loop,
        )
        self.dump.start()


def test_a_changed_graph_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "graph"
    world = World(str(path))
    world.loop.pass_time()
    assert path.read_text() == "graph 0"
    path.unlink()
    world.loop.pass_time()
    assert not path.exists()
    world.version = 1
    world.loop.pass_time()
    assert path.read_text() == "graph 1"
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_target_nothing_happens_until_a_reload(tmp_path: Path) -> None:
    world = World(None)
    world.loop.pass_time()
    world.target = str(tmp_path / "graph")
    world.loop.pass_time()
    assert (tmp_path / "graph").read_text() == "graph 0"


def test_a_stopped_dump_plans_nothing() -> None:
    world = World("graph")
    world.dump.stop()
    assert world.loop.planned == []


def test_a_command_is_fed_in_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[tuple[str, str]] = []
    monkeypatch.setattr(graphdump, "feed", lambda *given: fed.append(given))
    world = World("|cat > graph")
    world.loop.pass_time()
    assert fed == [("cat > graph", "graph 0")]
    assert len(world.loop.tasks) == 1


def test_a_file_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "missing" / "graph"
    list(write(str(path), "graph"))
    assert caplog.messages == [
        f"Unable to open graph dump file {path}.new: No such file or directory"
    ]


def test_a_file_that_cannot_be_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    list(write(str(tmp_path), "graph"))
    assert caplog.messages == [
        f"Could not rename {tmp_path}.new to {tmp_path}: Is a directory"
    ]


def test_a_command_gets_the_text(tmp_path: Path) -> None:
    asyncio.run(feed(f"cat > {tmp_path}/graph", "digraph {}"))
    assert (tmp_path / "graph").read_text() == "digraph {}"


def test_a_command_that_does_not_read_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asyncio.run(feed("true", "digraph {}" * 100_000))
    assert caplog.messages == []


def test_a_command_that_hangs_is_ended_with_all_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not read either, which is nothing to wait for."""
    command = f"sleep 100 | tee {tmp_path}/graph"
    started: list[asyncio.subprocess.Process] = []
    start = graphdump._start

    async def note(command: str, text: str) -> asyncio.subprocess.Process:
        started.append(await start(command, text))
        # From now on there is no patience, but for what was killed.
        patience = iter([0.0, 20.0])
        monkeypatch.setattr(
            asyncio, "timeout", lambda _: asyncio.timeouts.timeout(next(patience))
        )
        return started[0]

    monkeypatch.setattr(graphdump, "_start", note)
    asyncio.run(feed(command, "digraph {}" * 100_000))
    assert caplog.messages == [f"Graph dump command {command} does not end"]
    assert started[0].returncode == -signal.SIGKILL
