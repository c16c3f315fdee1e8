"""A loop for each test, all log lines, and what is built upon the loop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.fakes import Remote, World
from tests.daemon.life import Life
from tests.daemon.plane import Plane
from tests.transport.fakes import FakeLoop
from tincd_compat import logs


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.shut()


@pytest.fixture(autouse=True)
def every_level(caplog: pytest.LogCaptureFixture) -> None:
    for logger in logs.THRESHOLDS:
        caplog.set_level(logging.DEBUG, logger.name)


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
