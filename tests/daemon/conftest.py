"""A loop for each test, all log lines, and what is built upon the loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.fakes import Remote, World
from tests.daemon.life import Life
from tests.daemon.plane import Plane
from tests.transport.fakes import FakeLoop


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.shut()


@pytest.fixture(autouse=True)
def always_every_level(every_level: None) -> None:
    """Capture all levels in each test of the daemon."""


@pytest.fixture
def world(loop: FakeLoop) -> World:
    return World(loop)


@pytest.fixture
def peer(world: World) -> Remote:
    return world.connect("peer")


@pytest.fixture
def other(world: World, peer: Remote) -> Remote:
    other = world.connect("other")
    peer.take()
    return other


@pytest.fixture
def life(loop: FakeLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    life = Life(loop, tmp_path)
    life.surround(monkeypatch)
    return life


@pytest.fixture
def plane(loop: FakeLoop) -> Plane:
    return Plane(loop)
