"""Which driver a configuration gets, and what it hears if there is none."""

from __future__ import annotations

import pytest

from tests.device.fakes import FakeSystem
from tincd_compat.device.base import DeviceOptions, open_device
from tincd_compat.errors import DeviceError

TUN = "Linux tun/tap device (tun mode)"
TAP = "Linux tun/tap device (tap mode)"


@pytest.mark.parametrize(
    ("device_type", "router", "info"),
    [
        (None, True, TUN),
        (None, False, TAP),
        ("tun", True, TUN),
        ("tun", False, TUN),
        ("tap", True, TAP),
        ("TAP", False, TAP),
        ("Dummy", True, "dummy device"),
        ("dummy", False, "dummy device"),
    ],
)
def test_driver(device_type: str | None, router: bool, info: str) -> None:
    options = DeviceOptions(device_type=device_type, router=router)
    assert open_device(options, FakeSystem()).info == info


@pytest.mark.parametrize(
    ("interface", "netname", "asked"),
    [
        (None, None, b""),
        (None, "vpn", b"vpn"),
        ("mesh0", "vpn", b"mesh0"),
        ("mesh%d", None, b"mesh%d"),
        (None, "a_very_long_network_name", b"a_very_long_net"),
    ],
)
def test_interface(interface: str | None, netname: str | None, asked: bytes) -> None:
    system = FakeSystem()
    open_device(DeviceOptions(interface=interface, netname=netname), system)
    _, request = system.requests[0]
    assert request[:16].rstrip(b"\0") == asked


@pytest.mark.parametrize(
    ("device", "opened"), [(None, "/dev/net/tun"), ("/dev/misc/tun", "/dev/misc/tun")]
)
def test_device(device: str | None, opened: str) -> None:
    system = FakeSystem()
    assert open_device(DeviceOptions(device=device), system).path == opened
    assert system.opened == [opened]


@pytest.mark.parametrize(
    ("device_type", "text"),
    [
        ("fd", "Unknown device type fd!"),
        ("Tunnel", "Unknown device type Tunnel!"),
        ("vde", "Unknown device type vde!"),
    ],
)
def test_refusal(device_type: str, text: str) -> None:
    system = FakeSystem()
    with pytest.raises(DeviceError) as caught:
        open_device(DeviceOptions(device_type=device_type), system)
    assert str(caught.value) == text
    assert system.opened == []
