"""What the compiled pumps leave to Python altogether."""

from __future__ import annotations

import logging

import pytest

from tests.tunnel.pumping import Lab
from tincd_compat import logs
from tincd_compat.tunnel import pumps
from tincd_compat.tunnel._fast import core
from tincd_compat.tunnel.pumps import Progress

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


def test_a_dead_device_is_for_python(lab: Lab) -> None:
    lab.ours.close()
    assert lab.pumps.from_device(lab.world.now) is Progress.REFUSED


def test_single_packets_are_logged_by_python(lab: Lab) -> None:
    logs.traffic.setLevel(logging.DEBUG)
    assert lab.pumps.from_device(lab.world.now) is Progress.REFUSED
    assert lab.pumps.from_udp(0, lab.world.now) is Progress.REFUSED


def test_none_without_the_compiled_half(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps, "core", None)
    world = lab.world
    assert pumps.start(lab.direct, world.pipeline, world.mesh, lab.sockets) is None


def test_none_for_other_devices(lab: Lab) -> None:
    world = lab.world
    assert pumps.start(None, world.pipeline, world.mesh, lab.sockets) is None
