"""Values that a start refuses or ignores, and ones that are hardly meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.config.check.mistakes import (
    Mistake,
    alpha,
    beta,
    each_is_found,
    main,
)
from tests.config.samples import SUITES, config
from tincd_compat.config.check.findings import Report
from tincd_compat.config.check.values import check_settings, check_values
from tincd_compat.config.settings import Settings
from tincd_compat.config.variables import Scope


def check(text: str, warnings: Sequence[str] = ()) -> tuple[list[str], Settings]:
    """Return what is said about a tinc.conf, and the settings that remain."""
    report = Report()
    good = check_values(config(text), Scope.OWN, report)
    suites = replace(SUITES, warnings=lambda *suite: warnings)
    settings = check_settings(good, "alpha", suites, report)
    return [str(finding) for finding in report.findings], settings


def test_values_that_are_refused_leave_the_default() -> None:
    text = "Cipher = rot13\nPort = 1\nMode = x\nMACLength = 99\nDigest = SHA1\n"
    lines, settings = check(text)
    assert [line.split(" (")[0] for line in lines] == [
        "tinc.conf:1: error: Unrecognized cipher type!",
        "tinc.conf:3: error: Invalid routing mode!",
        "tinc.conf:4: error: MAC length exceeds size of digest!",
    ]
    assert settings == Settings(name="alpha", port="1", port_set=True, digest="SHA1")


@pytest.mark.parametrize(
    ("warning", "line"),
    [
        ("Blowfish is not available", 2),
        ("bf-cbc is not available", 2),
        ("SHA1 is not available", 3),
        ("MACLength = 0: forged", 1),
    ],
)
def test_where_a_warning_of_the_suite_belongs(warning: str, line: int) -> None:
    text = "MACLength = 0\nCipher = blowfish\nDigest = SHA1\n"
    lines, _ = check(text, [warning])
    assert lines == [f"tinc.conf:{line}: warning: {warning}"]


def test_a_warning_about_defaults_has_no_place() -> None:
    assert check("Port = 1", ["aes-256-cbc is not available"])[0] == []


ROWS: list[Mistake] = [
    (
        main("Mode = bridge"),
        "tinc.conf:3: error: Invalid routing mode! (Mode: `bridge' is not one of "
        "router, switch, hub)",
    ),
    (
        main("TCPOnly = true"),
        'tinc.conf:3: error: "yes" or "no" expected for configuration variable TCPOnly',
    ),
    (
        beta("TCPOnly = true\n"),
        'hosts/beta:1: warning: "yes" or "no" expected for configuration variable '
        "TCPOnly",
    ),
    (
        main("PingTimeout = fast"),
        "tinc.conf:3: error: Integer expected for configuration variable PingTimeout",
    ),
    (main("PingInterval = 30s"), "tinc.conf:3: warning: `30s' is read as 30"),
    (
        main("Compression = 99"),
        "tinc.conf:3: error: Bogus compression level! (Compression: 99 is not allowed, "
        "use at least 0 and at most 33)",
    ),
    (
        main("DeviceType = vde"),
        "tinc.conf:3: error: Unknown device type vde! (DeviceType: VDE is not "
        "supported, neither here nor by Debian's tincd)",
    ),
    (
        main("ConnectTo = be-ta"),
        "tinc.conf:3: error: Invalid name for outgoing connection",
    ),
    (
        main("Proxy = socks5 localhost"),
        "tinc.conf:3: error: Host and port argument expected for proxy! (Proxy: write "
        "`socks5 HOST PORT' with one space between the words)",
    ),
    (
        main("MinTimeout = 20", "MaxTimeout = 10"),
        "tinc.conf:3: warning: Minimum timeout (20 s) cannot be larger than maximum "
        "timeout (10 s). Correcting !",
    ),
    (
        main("Port = 70000"),
        "tinc.conf:3: error: there is no port 70000, the highest is 65535",
    ),
    (
        main("BindToAddress = * 655abc"),
        "tinc.conf:3: error: `655abc' is neither a number nor the name of a service",
    ),
    (
        beta("Address = x -1\n"),
        "hosts/beta:1: error: there is no port -1, the highest is 65535",
    ),
    # Packets that others can read or forge.
    (
        main("Cipher = none"),
        "tinc.conf:3: warning: Cipher = none: whoever is on their way can read the "
        "packets to us",
    ),
    (
        main("Digest = None"),
        "tinc.conf:3: warning: Digest = none: anybody can forge and alter packets to "
        "us, and senders are known by their addresses only",
    ),
    (
        alpha("MACLength = 0\n"),
        "hosts/alpha:1: warning: MACLength = 0: anybody can forge and alter packets to "
        "us, and senders are known by their addresses only",
    ),
    (
        main("MACLength = 33"),
        "tinc.conf:3: error: MAC length exceeds size of digest! (MACLength: sha256 "
        "allows 0 to 32 bytes)",
    ),
    (
        main("MACLength = none"),
        "tinc.conf:3: error: Integer expected for configuration variable MACLength",
    ),
    (
        main("Cipher = rot13"),
        "tinc.conf:3: error: Unrecognized cipher type! (Cipher: `rot13' is neither "
        "`none' nor a cipher known here)",
    ),
    (
        main("Cipher = aes-256-gcm"),
        "tinc.conf:3: warning: aes-256-gcm cannot carry packets: a packet has no room "
        "for its authentication tag; packets to us have to travel over TCP",
    ),
    (
        main("Cipher = rot13", "Digest = crc32"),
        "tinc.conf:4: error: Unrecognized digest type! (Digest: `crc32' is neither "
        "`none' nor a digest known here)",
    ),
    (
        main("ReplayWindow = 0"),
        "tinc.conf:3: warning: packets that somebody recorded are taken again",
    ),
]

test_a_mistake_is_found = each_is_found(ROWS)
