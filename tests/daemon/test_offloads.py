"""The switches of the offloads, and what the log says of them."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.daemon.descriptors import FakeDevice
from tests.device.fakes import FakeSystem
from tincd_compat._fast import core
from tincd_compat.config.settings import Settings
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.offloads import ENVIRONMENT, AllowedOffloads, allowed, report
from tincd_compat.device.base import DeviceOptions, open_device
from tincd_compat.segments import offload
from tincd_compat.transport.udp import UdpSocket, segmentation_is_sound
from tincd_compat.transport.udp_options import DatagramSocket
from tincd_compat.tunnel import codec, pumps
from tincd_compat.tunnel.pumps import Pumps

OURS = Settings(name="us", tun_tso=True)
FIELDS = [field.name for field in dataclasses.fields(AllowedOffloads)]


def test_all_are_allowed() -> None:
    assert allowed(OURS, {}) == AllowedOffloads()


@pytest.mark.parametrize("compiled", [True, False])
def test_python_does_not_cut_segments_unasked(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offload, "COMPILED", compiled)
    assert allowed(Settings(name="us"), {}) == AllowedOffloads(tun_tso=compiled)
    assert allowed(OURS, {}) == AllowedOffloads()
    assert not allowed(OURS, {"TINCD_COMPAT_NO_TUN_TSO": "1"}).tun_tso


def test_every_offload_has_a_switch() -> None:
    assert sorted(ENVIRONMENT.values()) == sorted(FIELDS)


@pytest.mark.parametrize(("variable", "field"), ENVIRONMENT.items())
def test_environment(variable: str, field: str) -> None:
    off = dataclasses.replace(AllowedOffloads(), **{field: False})
    assert allowed(OURS, {variable: "1"}) == off
    assert (
        allowed(OURS, {variable: "0"})
        == allowed(OURS, {variable: ""})
        == AllowedOffloads()
    )


@pytest.mark.parametrize("field", FIELDS)
def test_configuration(field: str) -> None:
    off = dataclasses.replace(AllowedOffloads(), **{field: False})
    switches: dict[str, Any] = {field: False}
    assert allowed(dataclasses.replace(OURS, **switches), {}) == off


class Socket:
    """Takes every option, and remembers that coalescing was asked for."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.asked = 0

    def setsockopt(self, _level: int, _option: int, value: int) -> None:
        self.asked = value

    def getsockopt(self, _level: int, _option: int) -> int:
        return self.asked


@pytest.mark.parametrize("gso", [False, True])
@pytest.mark.parametrize("gro", [False, True])
def test_sockets(gso: bool, gro: bool) -> None:
    offloads = AllowedOffloads(udp_gso=gso, udp_gro=gro)
    (udp,) = offloads.sockets([cast(DatagramSocket, Socket())])
    assert udp.coalescing is gro
    assert udp.segmentation is (gso and segmentation_is_sound(os.uname().release))


@pytest.mark.parametrize(
    ("features", "offloads", "text"),
    [
        (
            0x7F,
            AllowedOffloads(),
            "UDP segmentation, UDP coalescing, device segmentation, device coalescing"
            + ("" if offload.COMPILED else " of TCP"),
        ),
        (
            0x7F,
            AllowedOffloads(udp_gso=False, tun_tso=False, tun_gro=False),
            "UDP coalescing",
        ),
        (0, AllowedOffloads(udp_gro=False, udp_gso=False, tun_gro=False), "none"),
    ],
)
def test_report(
    features: int,
    offloads: AllowedOffloads,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    system = FakeSystem()
    system.features = features
    device = open_device(DeviceOptions(offloads=offloads.device), system)
    udp = UdpSocket(
        cast(DatagramSocket, Socket()),
        segmentation=offloads.udp_gso,
        coalescing=offloads.udp_gro,
        release="6.12.0",
    )
    with caplog.at_level(logging.INFO, "tincd.connections"):
        report(device, [udp], "some code", "AES-NI")
    line = f"Packets are handled by some code (AES-NI); offloads in use: {text}"
    assert caplog.record_tuples[-1] == ("tincd.connections", logging.INFO, line)


def test_other_devices_have_none(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        report(FakeDevice(3), [], "Python code", "OpenSSL")
    assert caplog.messages[-1].endswith("offloads in use: none")


COMPILED = "compiled code"


@pytest.mark.parametrize(
    ("built", "outward", "text"),
    [
        (True, True, COMPILED),
        # Priorities are inherited, or everything goes over TCP.
        (True, False, f"{COMPILED} inward, Python code outward"),
        # Any device that is not tun or tap, or hub mode.
        (True, None, "Python code with compiled steps"),
        (False, None, "Python code"),
    ],
)
def test_who_handles_packets(
    built: bool, outward: bool | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps, "core", object() if built else None)
    started = None if outward is None else SimpleNamespace(outward=outward)
    assert pumps.handler(cast(Pumps | None, started)) == text


@pytest.mark.parametrize(
    ("features", "cipher", "digest", "text"),
    [
        ("AES-NI, SHA-NI", "aes-256-cbc", "sha256", "AES-NI, SHA-NI"),
        ("AES-NI, SHA-NI", "aes-128-cbc", "sha1", "AES-NI, OpenSSL"),
        ("AES-NI, SHA-NI", "aes-256-ecb", "sha256", "OpenSSL, SHA-NI"),
        ("AES-NI, SHA-NI", "camellia-128-cbc", "sha512", "OpenSSL"),
        ("AES-NI, SHA-NI", "none", "sha256", "SHA-NI"),
        ("AES-NI, SHA-NI", "aes-256-cbc", "none", "AES-NI"),
        ("AES-NI, SHA-NI", "none", "none", "no cryptography"),
        ("AES-NI", "aes-256-cbc", "sha256", "AES-NI, portable SHA-256"),
        ("SHA-NI", "aes-256-cbc", "sha256", "OpenSSL, SHA-NI"),
        ("OpenSSL", "aes-256-cbc", "sha256", "OpenSSL, portable SHA-256"),
        (None, "aes-256-cbc", "sha256", "OpenSSL"),
        (None, "none", "none", "no cryptography"),
    ],
)
def test_what_does_the_cryptography(
    features: str | None,
    cipher: str,
    digest: str,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = None if features is None else SimpleNamespace(features=features)
    monkeypatch.setattr(codec, "core", fake)
    assert codec.cryptography(Suite.configured(cipher, digest, 4)) == text


@pytest.mark.skipif(not offload.COMPILED, reason="the compiled half is not built")
def test_the_compiled_half_uses_words_known_here() -> None:
    words = set(core.features.split(", "))
    assert words <= {"AES-NI", "SHA-NI", "OpenSSL"}
