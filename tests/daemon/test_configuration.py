from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.fakes import start_options, subnet
from tincd_compat.config.parser import Entry, read_server_config
from tincd_compat.daemon.configuration import SUITES, load, load_again
from tincd_compat.errors import ConfigError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "tinc.conf").write_text("Name = us\nConnectTo = peer\n")
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "us").write_text("Subnet = 10.1.0.0/24\nPort = 700\n")
    return tmp_path


def test_both_files_make_the_settings(directory: Path) -> None:
    settings = load(start_options(directory), read_server_config(directory, ()))
    assert (settings.name, settings.port) == ("us", "700")
    assert settings.connect_to == ("peer",)
    assert settings.subnets == (subnet("10.1.0.0/24"),)


def test_the_start_takes_the_entries_it_is_given(directory: Path) -> None:
    entries = read_server_config(directory, ())
    (directory / "tinc.conf").write_text("nonsense")
    assert load(start_options(directory), entries).name == "us"


def test_a_reload_reads_everything_anew(directory: Path) -> None:
    options = start_options(
        directory,
        options=(
            (None, Entry("ConnectTo", "third", None, 1)),
            ("us", Entry("Port", "701", None, 2)),
        ),
    )
    (directory / "tinc.conf").write_text("Name = us\nConnectTo = other\n")
    settings = load_again(options)
    assert settings.connect_to == ("third", "other")
    assert settings.port == "701"


@pytest.mark.parametrize(
    "text",
    [
        "Name =\n",
        "ConnectTo = peer\n",
        "Name = us\nCipher = rot13\n",
        "Name = us\nDigest = crc\n",
        "Name = us\nMACLength = 33\n",
    ],
)
def test_what_will_not_do(directory: Path, text: str) -> None:
    (directory / "tinc.conf").write_text(text)
    with pytest.raises(ConfigError):
        load_again(start_options(directory))


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "none", "AES-256-CBC"])
def test_known_ciphers(directory: Path, cipher: str) -> None:
    (directory / "tinc.conf").write_text(f"Name = us\nCipher = {cipher}\n")
    assert load_again(start_options(directory)).cipher == cipher


@pytest.mark.parametrize(
    ("cipher", "digest"),
    [("id-aes256-GCM", "whirlpool"), ("AES-128-CTR", "md4"), ("rc4", "shake256")],
)
def test_what_c_tincd_starts_with(directory: Path, cipher: str, digest: str) -> None:
    """No node stops because its tincd was replaced; what UDP cannot do is said."""
    text = f"Name = us\n\nCipher = {cipher}\nDigest = {digest}\n"
    (directory / "tinc.conf").write_text(text)
    settings = load_again(start_options(directory))
    assert (settings.cipher, settings.digest) == (cipher, digest)
    warnings = SUITES.warnings(cipher, digest, 4)
    assert "cannot carry packets" in warnings[0]
