"""What a flood is to the receive buffer, and what junk does to calm."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.daemon.plane import Plane
from tests.daemon.test_singlereader import Desk
from tests.transport.fakes import FakeLoop
from tests.tunnel.world import HERE, neighbours, sized
from tincd_compat.daemon import readers
from tincd_compat.daemon.readers import LONG, READ_BURST
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.pure import PureOpener

T = TypeVar("T")


class Buffer:
    """A receive buffer that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def flooded(self, now: float) -> None:
        self.told.append("flooded")

    def calm(self, now: float) -> None:
        self.told.append("calm")


@pytest.fixture
def buffer(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> Buffer:
    made = Buffer()
    monkeypatch.setattr(plane.subject._readers, "_buffers", [made])
    return made


def frames(count: int, size: int) -> list[bytearray]:
    return [sized(size, "10.1.0.1", "10.2.0.1") for _ in range(count)]


@pytest.mark.parametrize(
    ("long", "short", "junk", "verdict"),
    [
        (READ_BURST, 0, 0, "calm"),
        (0, READ_BURST, 0, "flooded"),
        (READ_BURST - 20, 20, 0, "calm"),
        (20, READ_BURST - 20, 0, "flooded"),
        (0, 0, READ_BURST, "flooded"),
        (READ_BURST - 10, 0, 10, "calm"),
        (30, 0, READ_BURST - 30, "flooded"),
        # What is not full has left nothing behind.
        (0, READ_BURST - 1, 0, "calm"),
        (0, 0, READ_BURST - 1, "calm"),
    ],
)
def test_what_a_flood_is(
    plane: Plane, buffer: Buffer, long: int, short: int, junk: int, verdict: str
) -> None:
    sealer = plane.far_end().sealer
    assert sealer is not None
    genuine = sealer.seal_train([*frames(long, LONG), *frames(short, 60)])
    plane.from_udp(*genuine, *(os.urandom(LONG) for _ in range(junk)))
    assert len(plane.device.written) == long + short
    assert buffer.told == [verdict]


def test_buffers_that_somebody_has_asked_for(
    loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def buffer(_: object, *, elastic: bool) -> Buffer:
        asked.append(elastic)
        return Buffer()

    monkeypatch.setattr(readers, "ReceiveBuffer", buffer)
    Plane(loop)
    Plane(loop, udp_rcvbuf=1000)
    assert asked == [True, False]


class TestCalm:
    @pytest.fixture
    def desk(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> Desk:
        monkeypatch.setattr(codec, "core", None)
        caplog.set_level(logging.INFO, "tincd.traffic")
        return Desk(neighbours("b"))

    def test_junk_touches_nothing(self, desk: Desk) -> None:
        assert desk.receivable(bytes(100))
        assert desk.receivable(bytes(100), b"", bytes(2000))
        genuine = desk.world.peers["b"].seal(sized(60, HERE))
        assert not desk.receivable(bytes(100), *genuine)

    def test_junk_is_tested_once(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tested: list[str] = []
        for name in ("open", "open_train"):
            noted = _noting(tested, getattr(PureOpener, name))
            monkeypatch.setattr(PureOpener, name, noted)
        for size in (60, 61):
            desk.receivable(*desk.world.peers["b"].seal(sized(size, HERE)))
        tested.clear()
        for _ in range(3):
            desk.receivable(bytes(100))
        assert tested == ["open", *["open_train"] * 3]
        tested.clear()
        for size in (60, 61):
            desk.receivable(*desk.world.peers["b"].seal(sized(size, HERE)))
        assert tested == ["open_train", "open"]


def _noting(calls: list[str], method: Callable[..., T]) -> Callable[..., T]:
    def noted(*args: Any) -> T:
        calls.append(method.__name__)
        return method(*args)

    return noted
