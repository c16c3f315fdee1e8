"""The dummy device."""

from __future__ import annotations

import logging

import pytest

from tincd_compat.device.base import Device
from tincd_compat.device.virtual import Dummy


def test_dummy() -> None:
    dummy: Device = Dummy()
    assert (dummy.path, dummy.interface, dummy.info) == (
        "dummy",
        "dummy",
        "dummy device",
    )
    assert dummy.fileno() == -1
    assert dummy.read_batch(64) == []
    assert dummy.read_pause == 0
    dummy.write_batch([bytearray(98), bytearray(60)])
    assert (dummy.bytes_in, dummy.bytes_out) == (0, 158)
    dummy.close()


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Dummy()
    assert caplog.record_tuples == [("tincd", 20, "dummy (dummy) is a dummy device")]
