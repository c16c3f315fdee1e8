from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.samples import config
from tincd_compat.addresses import Subnet
from tincd_compat.config.hosts import (
    HostSettings,
    host_names,
    load_host_settings,
    read_host_settings,
    read_subnets,
)
from tincd_compat.config.parser import Entry, parse_option
from tincd_compat.errors import ConfigError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "hosts").mkdir()
    return tmp_path


def host(text: str) -> HostSettings:
    return load_host_settings(config(text))


def test_defaults() -> None:
    assert host("") == HostSettings()
    assert host("Mode = nonsense\nName = x\nCompression = 99\n") == HostSettings()


def test_addresses_in_order_with_the_default_port() -> None:
    peer = host("Address = a\nAddress = b 7\nPort = 8\n")
    assert peer.addresses == (("a", None), ("b", "7"))
    assert peer.targets == [("a", "8"), ("b", "7")]
    assert host("Address = a").targets == [("a", "655")]


def test_per_link_values() -> None:
    peer = host("ClampMSS = no\nPMTU = 1400\nWeight = -3\nIndirectData = yes\n")
    assert peer == HostSettings(
        clamp_mss=False, pmtu=1400, weight=-3, indirect_data=True
    )


def test_tcp_only_implies_indirect() -> None:
    assert host("TCPOnly = yes\nIndirectData = no\n").indirect_data


def test_bad_values_are_logged_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    text = "TCPOnly = si\nWeight = heavy\nSubnet = x\nPort = 7\n"
    assert host(text) == HostSettings(port="7", subnets=())
    assert len(caplog.messages) == 3


def test_a_host_file_with_options(directory: Path) -> None:
    data = b"Address = a\n-----BEGIN X-----\nAAAA\n-----END X-----\n"
    (directory / "hosts" / "beta").write_bytes(data)
    peer = read_host_settings(directory, "beta", [Entry("Address", "o", None, 4)])
    assert [address for address, _ in peer.addresses] == ["o", "a"]
    assert peer.pem == data
    assert "AAAA" not in repr(peer)


@pytest.mark.parametrize("content", [None, "Address = a\nPort\n"])
def test_a_missing_or_broken_file_locks_the_peer_out(
    directory: Path, content: str | None
) -> None:
    if content is not None:
        (directory / "hosts" / "beta").write_text(content)
    with pytest.raises(ConfigError):
        read_host_settings(directory, "beta", [Entry("Address", "o", None, 1)])


def test_host_names_skip_what_lies_beside_them(directory: Path) -> None:
    for name in ("b", "a", "x~", "x-up", "y.conf", ".hidden", "a.tmp"):
        (directory / "hosts" / name).write_text("")
    (directory / "hosts" / "NAME.d").mkdir()
    (directory / "hosts" / "folder").mkdir()
    assert host_names(directory) == ["a", "b"]


def test_host_names_need_the_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hosts: No such file or directory"):
        host_names(tmp_path)


def test_subnets_of_all_hosts(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (directory / "hosts" / "a").write_text(
        "Subnet = 10.0.0.1/8\nsubnet = 10.0.0.0/8\nTCPOnly = x\n"
    )
    (directory / "hosts" / "b").write_text("Subnet = 1.2.3.4\nPort\nSubnet = 5.6.7.8\n")
    (directory / "hosts" / "a~").write_text("Subnet = 9.9.9.9\n")
    options = [parse_option("a.Subnet=11.0.0.0/8#3", 1), parse_option("c.Subnet=::", 2)]
    assert dict(read_subnets(directory, options)) == {
        "a": (Subnet.parse("11.0.0.0/8#3"), Subnet.parse("10.0.0.0/8")),
        "b": (Subnet.parse("1.2.3.4"),),
    }
    assert len(caplog.messages) == 2
