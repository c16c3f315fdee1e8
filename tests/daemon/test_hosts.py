from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.samples import public_pem
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.parser import Entry
from tincd_compat.config.settings import Settings
from tincd_compat.daemon.hosts import HostFiles, link_options, own_options
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.options import CLAMP_MSS, INDIRECT, PMTU_DISCOVERY, TCPONLY

USUAL = PMTU_DISCOVERY | CLAMP_MSS


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(name="us"), 0xC),
        (Settings(name="us", indirect_data=True), USUAL | INDIRECT),
        (Settings(name="us", tcp_only=True, pmtu_discovery=False), 0xB),
        (Settings(name="us", tcp_only=True), TCPONLY | INDIRECT | USUAL),
        (Settings(name="us", pmtu_discovery=False), CLAMP_MSS),
        (Settings(name="us", clamp_mss=False), PMTU_DISCOVERY),
    ],
)
def test_own_options(settings: Settings, expected: int) -> None:
    assert own_options(settings) == expected


@pytest.mark.parametrize(
    ("own", "host", "expected"),
    [
        (USUAL, HostSettings(), USUAL),
        (USUAL, HostSettings(indirect_data=True), USUAL | INDIRECT),
        # TCPOnly leaves no UDP whose path could be searched.
        (USUAL, HostSettings(tcp_only=True), TCPONLY | INDIRECT | CLAMP_MSS),
        (USUAL | TCPONLY | INDIRECT, HostSettings(), TCPONLY | INDIRECT | CLAMP_MSS),
        (USUAL | INDIRECT, HostSettings(), USUAL | INDIRECT),
        (CLAMP_MSS, HostSettings(), CLAMP_MSS),
        # ClampMSS of the host file decides both ways.
        (USUAL, HostSettings(clamp_mss=False), PMTU_DISCOVERY),
        (PMTU_DISCOVERY, HostSettings(clamp_mss=True), USUAL),
        (PMTU_DISCOVERY, HostSettings(), PMTU_DISCOVERY),
    ],
)
def test_options_of_a_link(own: int, host: HostSettings, expected: int) -> None:
    assert link_options(own, host) == expected


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "peer").write_bytes(b"Weight = 7\n" + public_pem())
    return tmp_path


def test_a_host_file_is_read_each_time(directory: Path) -> None:
    files = HostFiles(directory, ())
    assert files.read("peer").weight == 7
    (directory / "hosts" / "peer").write_text("Weight = 8\n")
    assert files.read("peer").weight == 8


def test_the_command_line_comes_first(directory: Path) -> None:
    options = (
        ("peer", Entry("Weight", "9", None, 1)),
        ("other", Entry("Weight", "10", None, 2)),
    )
    assert HostFiles(directory, options).read("peer").weight == 9


def test_identity_of_a_peer(directory: Path) -> None:
    files = HostFiles(directory, ())
    identity = files.identity("peer", files.read("peer"), PMTU_DISCOVERY)
    assert identity.public_key is not None
    assert identity.public_key.size == 64
    assert (identity.weight, identity.options) == (7, PMTU_DISCOVERY)


def test_nobody_is_known_without_a_file_or_a_key(directory: Path) -> None:
    files = HostFiles(directory, ())
    with pytest.raises(ConfigError):
        files.read("nobody")
    with pytest.raises(PeerError, match="No public key for peer specified!"):
        files.identity("peer", HostSettings(), 0)
