"""Patience with failing reads: rest longer each time, give up after ten."""

from __future__ import annotations

import errno

import pytest

from tests.device.fakes import oserror
from tincd_compat.device.failures import ReadFailures
from tincd_compat.errors import DeviceError

BAD_STATE = oserror(errno.EBADFD)


def test_pauses_grow_until_the_end() -> None:
    failures = ReadFailures("Linux tun/tap device (tun mode)", "/dev/net/tun")
    pauses = [failures.failed(BAD_STATE) for _ in range(10)]
    assert pauses == pytest.approx([i * 0.05 for i in range(1, 11)])
    with pytest.raises(DeviceError) as caught:
        failures.failed(BAD_STATE)
    assert str(caught.value) == "Too many errors from /dev/net/tun, exiting!"


def test_a_good_read_starts_afresh() -> None:
    failures = ReadFailures("Linux tun/tap device (tun mode)", "/dev/net/tun")
    for _ in range(10):
        failures.failed(BAD_STATE)
    failures.succeeded()
    assert failures.failed(BAD_STATE) == pytest.approx(0.05)


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    ReadFailures("Linux tun/tap device (tap mode)", "/dev/net/tun").failed(BAD_STATE)
    assert caplog.record_tuples == [
        (
            "tincd",
            40,
            "Error while reading from Linux tun/tap device (tap mode) /dev/net/tun:"
            " File descriptor in bad state",
        )
    ]
