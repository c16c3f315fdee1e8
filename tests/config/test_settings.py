from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.config.samples import SUITES, config, settings
from tincd_compat.addresses import Subnet
from tincd_compat.config.parser import (
    options_for,
    parse_option,
    read_server_config,
)
from tincd_compat.config.settings import (
    Settings,
    Suites,
    complete_settings,
    find_name,
    load_settings,
    name_for_keys,
    resolve_name,
)
from tincd_compat.config.values import AddressFamily, ProcessPriority
from tincd_compat.errors import ConfigError
from tincd_compat.modes import BroadcastMode, Forwarding, Mode


def test_defaults() -> None:
    assert settings() == Settings(name="alpha")


def test_unknown_variables_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    text = (
        "AutoConnect = yes\nInvitationExpire = 5\nLogLevel = 3\nUPnP = yes\n"
        "Address = 1.2.3.4\nWeight = x\nPublicKeyFile = y\nScriptsExtension = .sh\n"
        " Mode = nonsense\n"
    )
    with caplog.at_level(logging.DEBUG):
        assert settings(text) == Settings(name="alpha")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ("AddressFamily = IPv6", "address_family", AddressFamily.IPV6),
        ("AddressFamily = any", "address_family", AddressFamily.ANY),
        ("BindToAddress = ::1 7", "bind_to_address", (("::1", "7"),)),
        ("BindToInterface = eth0", "bind_to_interface", "eth0"),
        ("Broadcast = direct", "broadcast", BroadcastMode.DIRECT),
        ("Broadcast = YES", "broadcast", BroadcastMode.MST),
        ("Broadcast = no", "broadcast", BroadcastMode.NO),
        ("Cipher = Blowfish", "cipher", "Blowfish"),
        ("Cipher = NONE", "cipher", "none"),
        ("ClampMSS = no", "clamp_mss", False),
        ("Compression = 11", "compression", 11),
        ("Compression = 33", "compression", 33),
        ("ControlGroup = adm", "control_group", "adm"),
        ("ControlSocket = NO", "control_socket", "no"),
        ("ControlSocket = Yes", "control_socket", "yes"),
        ("ControlSocket = /Run/s", "control_socket", "/Run/s"),
        ("ControlSocket = run/s", "control_socket", "yes"),
        ("DecrementTTL = yes", "decrement_ttl", True),
        ("Device = /dev/net/tun", "device", "/dev/net/tun"),
        ("DeviceType = DUMMY", "device_type", "dummy"),
        ("Digest = SHA1", "digest", "SHA1"),
        ("Digest = None", "digest", "none"),
        ("DirectOnly = yes", "direct_only", True),
        ("EventHistory = 0", "event_history", 0),
        ("Forwarding = kernel", "forwarding", Forwarding.KERNEL),
        ("GraphDumpFile = |dot", "graph_dump_file", "|dot"),
        ("HealthHoldOff = 5", "health_hold_off", 5),
        ("Hostnames = yes", "hostnames", True),
        ("IffOneQueue = yes", "iff_one_queue", True),
        ("IndirectData = yes", "indirect_data", True),
        ("Interface = tinc.%d", "interface", "tinc.%d"),
        ("KeyExpire = -1", "key_expire", -1),
        ("LocalDiscovery = yes", "local_discovery", True),
        ("MACExpire = 5", "mac_expire", 5),
        ("MACLength = 0", "maclength", 0),
        ("MACLength = 32", "maclength", 32),
        ("MaxOutputBufferSize = 9", "max_output_buffer_size", 9),
        ("MaxTimeout = 1", "max_timeout", 1),
        ("MinTimeout = 7", "min_timeout", 7),
        ("Mode = Switch", "mode", Mode.SWITCH),
        ("PMTU = 1400", "pmtu", 1400),
        ("PMTUDiscovery = no", "pmtu_discovery", False),
        ("PriorityInheritance = yes", "priority_inheritance", True),
        ("PrivateKey = 12", "private_key", "12"),
        ("PrivateKeyFile = x", "private_key_file", "x"),
        ("ProcessPriority = High", "process_priority", ProcessPriority.HIGH),
        ("PublicKey = 15", "public_key", "15"),
        ("ReplayWindow = 0", "replay_window", 0),
        ("ScriptsInterpreter = /bin/sh -x", "scripts_interpreter", "/bin/sh -x"),
        ("StrictSubnets = yes", "strict_subnets", True),
        ("Subnet = 1.2.3.4", "subnets", (Subnet.parse("1.2.3.4"),)),
        ("UDPKeepalive = 0", "udp_keepalive", 0),
        ("UDPRcvBuf = 1", "udp_rcvbuf", 1),
        ("UDPSndBuf = 2", "udp_sndbuf", 2),
        ("VDEGroup = g", "vde_group", "g"),
        ("VDEPort = 3", "vde_port", 3),
    ],
)
def test_one_variable(line: str, field: str, expected: object) -> None:
    assert settings(line) == Settings(name="alpha", **{field: expected})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("AddressFamily = ipv5", "Invalid address family!"),
        ("Broadcast = all", "Invalid broadcast mode!"),
        ("Cipher = rot13", "Unrecognized cipher type!"),
        ("Compression = 34", "Bogus compression level!"),
        ("Compression = -1", "Bogus compression level!"),
        ("DeviceType = vde", "Unknown device type vde!"),
        ("Digest = crc", "Unrecognized digest type!"),
        ("EventHistory = 100001", "Bogus event history!"),
        ("Forwarding = none", "Invalid forwarding mode!"),
        ("HealthHoldOff = -1", "HealthHoldOff cannot be negative!"),
        ("MACLength = 33", "MAC length exceeds size of digest!"),
        ("MACLength = -1", "Bogus MAC length!"),
        ("MACLength = 21\nDigest = SHA1", "MAC length exceeds size of digest!"),
        ("MaxTimeout = 0", "Bogus maximum timeout!"),
        ("MinTimeout = -1", "Bogus minimum timeout!"),
        ("Mode = bridge", "Invalid routing mode!"),
        ("ProcessPriority = x", "Invalid priority `x`!"),
        ("Proxy = tor", "Unknown proxy type tor!"),
        ("ReplayWindow = -1", "ReplayWindow cannot be negative!"),
        ("UDPKeepalive = -1", "UDPKeepalive cannot be negative!"),
        ("UDPRcvBuf = 0", "UDPRcvBuf cannot be negative!"),
        ("UDPSndBuf = -1", "UDPSndBuf cannot be negative!"),
    ],
)
def test_fatal_values_say_where(lines: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(lines)
    variable = lines.split()[0]
    assert str(caught.value).startswith(f"{message} ({variable} in tinc.conf line 1: ")


def test_bad_numbers_and_booleans_leave_the_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "PingInterval = x\nDecrementTTL = maybe\nReplayWindow = y\nMaxTimeout = z\n"
    assert settings(text) == Settings(name="alpha")
    assert len(caplog.messages) == 4


@pytest.mark.parametrize(
    ("lines", "interval", "timeout"),
    [
        ("PingInterval = 0", 86400, 5),
        ("PingInterval = -3\nPingTimeout = 0", 86400, 86400),
        ("PingTimeout = 60", 60, 60),
        ("PingTimeout = 61", 60, 60),
        ("PingTimeout = -1", 60, 60),
        ("PingInterval = 3", 3, 3),
        ("PingInterval = 3\nPingTimeout = 2", 3, 2),
        ("PingInterval = 1\nPingTimeout = 1", 1, 1),
        ("PingTimeout = 1", 60, 1),
    ],
)
def test_pings(lines: str, interval: int, timeout: int) -> None:
    result = settings(lines)
    assert (result.ping_interval, result.ping_timeout) == (interval, timeout)


def test_min_timeout_is_corrected(caplog: pytest.LogCaptureFixture) -> None:
    assert settings("MinTimeout = 20\nMaxTimeout = 10").min_timeout == 10
    assert caplog.messages == [
        "Minimum timeout (20 s) cannot be larger than maximum timeout (10 s). "
        "Correcting !"
    ]
    assert caplog.records[0].levelno == logging.WARNING
    caplog.clear()
    assert settings("MinTimeout = 10\nMaxTimeout = 10").min_timeout == 10
    assert caplog.messages == []


def test_tcp_only_implies_indirect_and_no_discovery() -> None:
    result = settings("TCPonly = yes\nIndirectData = no")
    assert result.indirect_data
    assert not result.pmtu_discovery
    assert settings("TCPOnly = yes\nPMTUDiscovery = yes").pmtu_discovery
    assert settings("TCPOnly = no").pmtu_discovery


def test_tunnel_server_implies_strict_subnets() -> None:
    assert settings("TunnelServer = yes\nStrictSubnets = no").strict_subnets


def test_the_mac_length_without_digest_is_free() -> None:
    assert settings("Digest = none\nMACLength = -5").maclength == -5
    assert settings("Digest = NONE\nMACLength = 500").maclength == 500


def test_whether_the_port_was_given() -> None:
    assert (settings().port, settings().port_set) == ("655", False)
    given = settings("Port = tinc")
    assert (given.port, given.port_set) == ("tinc", True)


def test_connect_to_names_a_node_once() -> None:
    assert settings("ConnectTo = b\nConnectTo = a\nConnectTo = b").connect_to == (
        "b",
        "a",
    )


def test_the_private_exponent_is_not_shown() -> None:
    assert "4711" not in repr(settings("PrivateKey = 4711"))


def test_a_reload_takes_what_may_change() -> None:
    old = settings("Port = 1\nConnectTo = b\nPMTU = 1400\nMode = hub")
    new = settings("Port = 2\nConnectTo = c\nGraphDumpFile = g\nScriptsInterpreter = s")
    assert old.reloaded(new) == settings(
        "Port = 1\nMode = hub\nConnectTo = c\nGraphDumpFile = g\nScriptsInterpreter = s"
    )


@pytest.mark.parametrize(
    ("value", "environment", "expected"),
    [
        ("foo", {}, "foo"),
        ("$NODE", {"NODE": "a.b-c d"}, "a_b_c_d"),
        ("$NODE", {"NODE": "ä_b"}, "___b"),
        ("$HOST", {"HOST": "from-env"}, "from_env"),
        ("$HOST", {}, "ab_c_d"),
    ],
)
def test_name(value: str, environment: dict[str, str], expected: str) -> None:
    assert resolve_name(config(f"Name = {value}"), environment, "ab-c.d") == expected


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("Port = 1", []),
        ("Name = a-b", ["Invalid name for myself!"]),
        ("Name = x$HOST", ["Invalid name for myself!"]),
        ("Name = $EMPTY", ["Invalid name for myself!"]),
        ("Name = $NO", ["Invalid Name: environment variable NO does not exist"]),
        ("Name = $HOST", ["Could not get hostname: File name too long"]),
    ],
)
def test_no_name(
    text: str, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_name(config(text), {"EMPTY": ""}, "h" * 32)
    given = text.startswith("Name")
    place = "Name in tinc.conf line 1" if given else "put `Name = NAME' into tinc.conf"
    assert str(caught.value) == (
        f"Name for tinc daemon required! ({place}: "
        "letters, digits and underscores make a name)"
    )
    assert caplog.messages == logged
    assert find_name(config(text), {"EMPTY": ""}, "h" * 32) is None


def test_a_default_that_is_not_known_has_no_place() -> None:
    nothing = Suites(is_cipher=lambda _: False, digest_size=lambda _: None)
    with pytest.raises(ConfigError) as caught:
        load_settings(config(""), "alpha", nothing)
    assert str(caught.value) == "Unrecognized cipher type!"
    with pytest.raises(ConfigError) as caught:
        load_settings(config("Cipher = none"), "alpha", nothing)
    assert str(caught.value) == "Unrecognized digest type!"


def test_a_name_behind_a_byte_order_mark_is_not_asked_for() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_name(config("\ufeffName = alpha"), {}, "h")
    assert str(caught.value) == (
        "Name for tinc daemon required! (Name in tinc.conf line 1: a byte order mark "
        "hides it; save the file without that mark)"
    )


def test_a_host_name_may_have_31_bytes() -> None:
    assert resolve_name(config("Name = $HOST"), {}, "h" * 31) == "h" * 31


def read(directory: Path, *options: str) -> Settings:
    parsed = [parse_option(text, number) for number, text in enumerate(options, 1)]
    entries = read_server_config(directory, options_for(parsed, None))
    return complete_settings(
        entries, directory, parsed, SUITES, environment={}, hostname="h"
    )


def test_our_collection_is_one(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "foo").write_text("Port = 1\n\nConnectTo = c\nMode = hub\n")
    (tmp_path / "tinc.conf").write_text(
        "Name = foo\nConnectTo = b\n\n\nConnectTo = d\n"
    )
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.conf").write_text("#\nPort = 2\n")
    result = read(tmp_path, "foo.KeyExpire=5", "KeyExpire=6", "bar.Mode=switch")
    assert result.name == "foo"
    assert result.port == "1"
    assert result.connect_to == ("b", "c", "d")
    assert result.mode is Mode.HUB
    assert result.key_expire == 5
    assert read(tmp_path, "ConnectTo=z").connect_to == ("z", "b", "c", "d")


def test_the_name_is_not_taken_from_a_host_file(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "foo").write_text("Name = bar\n")
    (tmp_path / "tinc.conf").write_text("\nName = foo\n")
    assert read(tmp_path).name == "foo"
    assert read(tmp_path, "Name=qux").name == "qux"


def name(directory: Path) -> str | None:
    return name_for_keys(directory, [], environment={}, hostname="h")


def test_the_name_for_keys_survives_errors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert name(tmp_path) is None
    (tmp_path / "tinc.conf").write_text("Name = foo\nPort\n")
    assert name(tmp_path) == "foo"
    path = tmp_path / "tinc.conf"
    assert caplog.messages == [
        f"Cannot open config file {path}: No such file or directory",
        f"Failed to read `{path}': No such file or directory",
        f"No value for variable `Port' on line 2 while reading config file {path}",
    ]


def test_a_device_that_is_left_out_on_purpose() -> None:
    with pytest.raises(ConfigError, match="VDE is not supported, neither here nor by"):
        settings("DeviceType = VDE")
