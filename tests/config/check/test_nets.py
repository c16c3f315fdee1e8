"""Ports that two nets of one host want."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.check.conftest import build, write
from tests.config.check.mistakes import said_about

OTHER = "Name = gamma\n"
ADVICE = "with both started, one cannot listen; give one another Port"


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "office").mkdir()
    build(tmp_path / "office")
    return tmp_path


def said(nets: Path, main: str, other: str, *options: str) -> list[str]:
    """Return what is said about ``office`` beside a net ``home``."""
    net = nets / "office"
    write(net / "tinc.conf", f"Name = alpha\nConnectTo = beta\n{main}")
    (nets / "home").mkdir()
    write(nets / "home" / "tinc.conf", OTHER + other)
    lines = said_about(net, *options, nets=nets)
    return [line.replace(str(nets), "NETS") for line in lines]


@pytest.mark.parametrize(
    ("main", "other", "place", "port"),
    [
        ("", "", "tinc.conf", "655"),
        ("Port = 656\n", "Port = 656\n", "tinc.conf:3", "656"),
        ("BindToAddress = 192.0.2.1\n", "", "tinc.conf", "655"),
        ("BindToAddress = 192.0.2.1 7\n", "Port = 7\n", "tinc.conf", "7"),
        ("", "BindToAddress = * 8\nBindToAddress = ::1\n", "tinc.conf", "655"),
        ("BindToInterface = eth0\n", "AddressFamily = ipv4\n", "tinc.conf", "655"),
    ],
)
def test_only_one_can_listen(
    nets: Path, main: str, other: str, place: str, port: str
) -> None:
    assert said(nets, main, other) == [
        f"{place}: warning: port {port} is that of the net in NETS/home too: {ADVICE}"
    ]


@pytest.mark.parametrize(
    ("main", "other"),
    [
        ("Port = 656\n", ""),
        ("Port = 0\n", "Port = 0\n"),
        ("BindToAddress = 192.0.2.1\n", "BindToAddress = 192.0.2.2\n"),
        ("BindToAddress = 192.0.2.1 656\n", ""),
        ("BindToInterface = eth0\n", "BindToInterface = eth1\n"),
        ("AddressFamily = ipv4\n", "AddressFamily = ipv6\n"),
        ("", "AddressFamily = x\nPort = 1\n"),
    ],
)
def test_both_can(nets: Path, main: str, other: str) -> None:
    assert said(nets, main, other) == []


@pytest.mark.parametrize("main", ["Name\n", "Name = $NOBODY\n", "Mode = hub\n"])
def test_a_net_that_does_not_start_takes_no_port(nets: Path, main: str) -> None:
    (nets / "home").mkdir()
    write(nets / "home" / "tinc.conf", main)
    assert said_about(nets / "office", nets=nets) == []


def test_a_port_of_the_command_line_counts(nets: Path) -> None:
    assert said(nets, "", "", "Port=7") == []


def test_the_port_in_the_own_host_file_of_another_net_counts(nets: Path) -> None:
    (nets / "home" / "hosts").mkdir(parents=True)
    write(nets / "home" / "hosts" / "gamma", "Port = 7\n")
    write(nets / "home" / "tinc.conf", OTHER)
    assert said_about(nets / "office", nets=nets) == []


def test_the_net_without_a_name_is_another_one(nets: Path) -> None:
    write(nets / "tinc.conf", OTHER)
    [line] = said_about(nets / "office", nets=nets)
    assert f"that of the net in {nets} too" in line


def test_copies_and_other_files_are_no_nets(nets: Path) -> None:
    for name in ("old.bak", "old~", "nets.d"):
        (nets / name).mkdir()
    write(nets / "old.bak" / "tinc.conf", OTHER)
    write(nets / "old~" / "tinc.conf", OTHER)
    write(nets / "nets.boot", "office\n")
    (nets / "link").symlink_to(nets / "office")
    (nets / "loop").symlink_to(nets / "loop")
    assert said_about(nets / "office", nets=nets) == []


def test_a_host_without_nets(nets: Path) -> None:
    assert said_about(nets / "office", nets=nets / "nowhere") == []
