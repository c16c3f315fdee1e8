"""Ed25519 keys in the files of a configuration: found, refused, and added."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.config.samples import public_pem
from tincd_compat.config.ed25519 import append_public_key, load_verifying_key
from tincd_compat.config.hosts import HostSettings, read_host_settings
from tincd_compat.config.keys import load_signing_key
from tincd_compat.config.settings import Settings
from tincd_compat.crypto.sptps.edwards import SigningKey
from tincd_compat.crypto.sptps.keytext import private_block, public_block, public_text
from tincd_compat.errors import ConfigError

KEY = SigningKey.generate(lambda n: bytes(range(n)))
OTHER = SigningKey.generate(lambda n: bytes(range(1, n + 1)))
DIGITS = public_text(KEY.public)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "hosts").mkdir()
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


# Ours.


def own(directory: Path, **variables: object) -> SigningKey | None:
    settings = Settings(name="us", **variables)  # type: ignore[arg-type]
    return load_signing_key(settings, directory)


def test_without_a_file_there_is_no_key_and_no_word(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert own(directory) is None
    assert caplog.messages == []


def test_a_file_that_a_distribution_names_need_not_be_there(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert own(directory, ed25519_private_key_file="/nowhere") is None
    assert caplog.messages == []


def test_the_key_is_found_where_tinc_11_puts_it(directory: Path) -> None:
    write(directory / "ed25519_key.priv", f"# mine\n{private_block(KEY)}")
    found = own(directory)
    assert found is not None
    assert found.public == KEY.public


def test_the_key_is_found_where_the_variable_says(directory: Path) -> None:
    write(directory / "ed25519_key.priv", private_block(OTHER))
    path = write(directory / "mine", private_block(KEY))
    found = own(directory, ed25519_private_key_file=str(path))
    assert found is not None
    assert found.public == KEY.public


@pytest.mark.parametrize("experimental", [None, True])
def test_no_switches_it_off(directory: Path, experimental: bool | None) -> None:
    write(directory / "ed25519_key.priv", private_block(KEY))
    assert own(directory, experimental_protocol=experimental) is not None
    assert own(directory, experimental_protocol=False) is None


BROKEN = {
    "": "no key is in it",
    private_block(KEY).replace("END", "FIN"): "has no end",
    private_block(KEY).replace("K", "L"): "Ed25519 private key file",
    private_block(KEY).replace("\n-----END", "!!!!\n-----END"): "base64",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_key_is_said_and_stops_who_wants_one(
    directory: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(directory / "ed25519_key.priv", text)
    assert own(directory) is None
    [said] = caplog.messages
    assert BROKEN[text] in said
    assert "`tincd-compat keys'" in said
    # No part of a key is shown.
    assert not any(len(line) > 8 and line in said for line in text.splitlines()[1:-1])
    with pytest.raises(ConfigError, match=r"ed25519_key\.priv"):
        own(directory, experimental_protocol=True)


def test_who_wants_a_key_and_has_none_does_not_start(directory: Path) -> None:
    with pytest.raises(ConfigError, match=r"Ed25519 private key file .* keys' makes"):
        own(directory, experimental_protocol=True)


def test_others_should_not_read_it(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(directory / "ed25519_key.priv", private_block(KEY))
    path.chmod(0o644)
    assert own(directory) is not None
    [said] = caplog.messages
    assert "insecure file permissions for Ed25519 private key file" in said


# Those of peers.


def peer(directory: Path, text: str | bytes) -> HostSettings:
    data = text.encode() if isinstance(text, str) else text
    (directory / "hosts/peer").write_bytes(data)
    return read_host_settings(directory, "peer", ())


def test_the_forms_of_a_host_file(directory: Path) -> None:
    variable = f"Ed25519PublicKey = {DIGITS}\n"
    path = write(directory / "far", public_block(KEY.public))
    for text in (
        variable,
        public_block(KEY.public),
        f"Address = a\n{public_pem().decode()}{variable}",
        f"{variable}{public_block(OTHER.public)}",
        f"Ed25519PublicKeyFile = {path}\n{public_block(OTHER.public)}",
    ):
        key = load_verifying_key(peer(directory, text), directory, "peer")
        assert key == KEY.public, text
    for text in ("", public_pem().decode()):
        assert load_verifying_key(peer(directory, text), directory, "peer") is None


@pytest.mark.parametrize(
    "text",
    [
        f"Ed25519PublicKey = {DIGITS}A\n",
        f"Ed25519PublicKey = {DIGITS[:-1]}\n",
        f"Ed25519PublicKey = {DIGITS[:-1]}!\n",
        public_block(KEY.public).replace("END", "FIN"),
        "Ed25519PublicKeyFile = /does/not/exist\n",
    ],
)
def test_a_broken_key_of_a_peer_is_no_missing_one(directory: Path, text: str) -> None:
    host = peer(directory, text)
    with pytest.raises(ConfigError, match="Ed25519 public key"):
        load_verifying_key(host, directory, "peer")


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_learned_key_is_added_and_the_rest_stays(directory: Path, end: str) -> None:
    before = f"Address = a{end}"
    path = write(directory / "hosts/peer", before)
    append_public_key(directory, "peer", DIGITS)
    assert path.read_text() == f"Address = a\nEd25519PublicKey = {DIGITS}\n"
    host = read_host_settings(directory, "peer", ())
    assert load_verifying_key(host, directory, "peer") == KEY.public


def test_a_learned_key_that_cannot_be_kept_is_said(directory: Path) -> None:
    line = f"add the line `Ed25519PublicKey = {DIGITS}'"
    with pytest.raises(ConfigError, match="Could not add") as caught:
        append_public_key(directory, "peer", DIGITS)
    assert line in str(caught.value)
    assert os.listdir(directory / "hosts") == []
