from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.samples import public_pem
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.parser import Entry
from tincd_compat.config.settings import Settings
from tincd_compat.crypto.sptps.edwards import SigningKey
from tincd_compat.crypto.sptps.keytext import public_text
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


KEY = SigningKey.generate(lambda n: bytes(range(n))).public
LINE = f"Ed25519PublicKey = {public_text(KEY)}\n"


def test_a_key_of_protocol_17_7_counts_for_who_speaks_it(directory: Path) -> None:
    with (directory / "hosts/peer").open("a") as file:
        file.write(LINE)
    for sptps, key in ((True, KEY), (False, None)):
        files = HostFiles(directory, (), sptps=sptps)
        identity = files.identity("peer", files.read("peer"), 0)
        assert identity.ed25519 == key
        assert identity.public_key is not None


def test_a_peer_of_protocol_17_7_needs_no_other_key(directory: Path) -> None:
    (directory / "hosts/peer").write_text(LINE)
    files = HostFiles(directory, (), sptps=True)
    identity = files.identity("peer", files.read("peer"), 0)
    assert (identity.ed25519, identity.public_key) == (KEY, None)
    with pytest.raises(PeerError, match="No public key for peer specified!"):
        HostFiles(directory, ()).identity("peer", files.read("peer"), 0)


def test_a_learned_key_counts_even_if_it_cannot_be_written(directory: Path) -> None:
    files = HostFiles(directory, (), sptps=True)
    host = files.read("peer")
    assert files.identity("peer", host, 0).ed25519 is None
    path = directory / "hosts/peer"
    path.rename(directory / "away")
    with pytest.raises(ConfigError, match="add the line"):
        files.learn("peer", public_text(KEY))
    assert files.identity("peer", host, 0).ed25519 == KEY
    (directory / "away").rename(path)
    files.learn("peer", public_text(KEY))
    assert path.read_text().endswith(LINE)


def test_a_learned_key_counts_until_its_line_is_removed(directory: Path) -> None:
    files = HostFiles(directory, (), sptps=True)
    path = directory / "hosts/peer"
    before = path.read_text()
    files.learn("peer", public_text(KEY))
    assert files.identity("peer", files.read("peer"), 0).ed25519 == KEY
    path.write_text(before)
    assert files.identity("peer", files.read("peer"), 0).ed25519 is None


def test_a_broken_key_of_a_peer_is_not_passed_over(directory: Path) -> None:
    with (directory / "hosts/peer").open("a") as file:
        file.write("Ed25519PublicKey = short\n")
    files = HostFiles(directory, (), sptps=True)
    with pytest.raises(PeerError, match="Invalid Ed25519 public key for peer"):
        files.identity("peer", files.read("peer"), 0)
