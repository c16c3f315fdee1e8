"""Patience with failing reads: rest longer each time, give up after ten."""

from __future__ import annotations

import errno

import pytest

from tests.device.fakes import oserror
from tincd_compat.device.failures import ReadFailures, WriteFailures
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


def test_a_device_that_is_read_again_works() -> None:
    failures = ReadFailures("dummy", "/dev/net/tun")
    assert failures.words is None
    failures.failed(BAD_STATE)
    assert failures.words == (
        "Error while reading from dummy /dev/net/tun: File descriptor in bad state"
    )
    failures.succeeded()
    assert failures.words is None


def test_a_device_that_takes_a_frame_again_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals, words = WriteFailures("tun", "vpn"), "Can't write to tun vpn: "
    assert refusals.words(0) is None
    refusals.failed(oserror(errno.EIO), 84)
    refusals.failed(oserror(errno.EIO), 84, told=True)
    assert refusals.words(84) == caplog.messages[0] == f"{words}Input/output error"
    assert len(caplog.messages) == 1
    assert refusals.words(168) is None


def test_a_frame_that_no_device_would_take_says_nothing_of_the_device(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals = WriteFailures("tun", "vpn")
    refusals.failed(oserror(errno.EMSGSIZE), 0)
    assert caplog.messages == ["Can't write to tun vpn: Message too long"]
    assert refusals.words(0) is None
