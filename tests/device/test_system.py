"""The structures handed to the kernel."""

from __future__ import annotations

import os

import pytest

from tincd_compat.device.system import System, interface_name, interface_request


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        (b"", 0, bytes(40)),
        (b"vpn", 0x0001, b"vpn".ljust(16, b"\0") + b"\1\0" + bytes(22)),
        (b"vpn", 0x1002, b"vpn".ljust(16, b"\0") + b"\2\x10" + bytes(22)),
        (b"abcdefghijklmnopqr", 0, b"abcdefghijklmno".ljust(40, b"\0")),
    ],
)
def test_request(name: bytes, flags: int, expected: bytes) -> None:
    request = interface_request(name, flags)
    assert request == expected
    assert interface_name(request) == os.fsdecode(name[:15])


def test_descriptors_neither_wait_nor_leak() -> None:
    system = System()
    fd = system.open(os.devnull)
    try:
        assert not os.get_blocking(fd)
        assert not os.get_inheritable(fd)
        assert system.writev(fd, (b"\0\0", memoryview(b"frame")[1:])) == 6
        assert system.readv(fd, [memoryview(bytearray(9))]) == 0
    finally:
        system.close(fd)
