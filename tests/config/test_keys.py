from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.config.samples import (
    BLOCK,
    CIPHERTEXT,
    HEX_EXPONENT,
    HEX_MODULUS,
    PUBLIC,
    private_pem,
    public_pem,
)
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.keys import load_private_key, load_public_key
from tincd_compat.config.settings import Settings
from tincd_compat.crypto.rsa import PublicKey
from tincd_compat.errors import ConfigError


def own(**values: str) -> Settings:
    return Settings(name="alpha", **values)  # type: ignore[arg-type]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "rsa_key.priv"
    path.write_bytes(private_pem())
    path.chmod(0o600)
    return tmp_path


def test_the_default_file(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []

    def random_bytes(length: int) -> bytes:
        asked.append(length)
        return os.urandom(length)

    key = load_private_key(own(), directory, random_bytes)
    assert key.decrypt(CIPHERTEXT) == BLOCK
    assert replace(key, library=None).decrypt(CIPHERTEXT) == BLOCK
    assert asked
    assert caplog.messages == []


def test_another_file(directory: Path) -> None:
    path = directory / "other"
    (directory / "rsa_key.priv").rename(path)
    key = load_private_key(own(private_key_file=str(path)), directory)
    assert key.public == PUBLIC


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_private_key(own(), tmp_path)
    path = tmp_path / "rsa_key.priv"
    assert str(caught.value).startswith(
        f"Error reading RSA private key file `{path}': No such file or directory"
    )


def test_a_file_without_key(directory: Path) -> None:
    path = directory / "rsa_key.priv"
    path.write_bytes(public_pem())
    with pytest.raises(ConfigError) as caught:
        load_private_key(own(), directory)
    assert str(caught.value) == (
        f"Reading RSA private key file `{path}' failed: "
        "there is no RSA private key in it"
    )


def test_a_directory_is_no_key_file(directory: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Error reading .*: Is a directory$"):
        load_private_key(own(private_key_file=str(directory)), directory)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_narrow_modes(
    directory: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    (directory / "rsa_key.priv").chmod(mode)
    load_private_key(own(), directory)
    assert caplog.messages == []


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o610, 0o4600, 0o1600])
def test_wide_modes_get_a_warning(
    directory: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = directory / "rsa_key.priv"
    path.chmod(mode)
    load_private_key(own(), directory)
    assert caplog.messages == [
        f"Warning: insecure file permissions for RSA private key file `{path}'!"
        f" (`chmod 600 {path}' makes it private)"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_the_warning_comes_before_the_failure(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = directory / "rsa_key.priv"
    path.write_bytes(b"")
    path.chmod(0o644)
    with pytest.raises(ConfigError):
        load_private_key(own(), directory)
    assert len(caplog.messages) == 1


def test_hexadecimal_keys_have_another_exponent(tmp_path: Path) -> None:
    settings = own(private_key=HEX_EXPONENT.lower(), public_key=HEX_MODULUS)
    key = load_private_key(settings, tmp_path)
    assert key.primes is not None
    assert key.public == PublicKey(int(HEX_MODULUS, 16), 65535)
    assert key.decrypt(key.public.encrypt(BLOCK)) == BLOCK


def test_a_modulus_without_two_factors_still_works(tmp_path: Path) -> None:
    # This number is prime; tincd never asks what the modulus is made of.
    modulus = 2**512 + 727
    exponent = pow(65535, -1, modulus - 1)
    settings = own(private_key=f"{exponent:x}", public_key=f"{modulus:x}")
    key = load_private_key(settings, tmp_path)
    assert key.primes is None


@pytest.mark.parametrize(
    ("private", "public", "message"),
    [
        ("12", None, "PrivateKey used but no PublicKey found!"),
        ("12zz", "15", "Invalid PrivateKey for myself!"),
        ("-12", "15", "Invalid PrivateKey for myself!"),
        ("0x12", "15", "Invalid PrivateKey for myself!"),
        ("12", "1 5", "Invalid PublicKey for myself!"),
        ("12", "15", "Invalid PublicKey for myself!"),
        ("12", HEX_MODULUS, "Invalid PrivateKey for myself!"),
        (HEX_EXPONENT, HEX_MODULUS[:-1] + "1", "Invalid PrivateKey for myself!"),
    ],
)
def test_bad_hexadecimal_keys(
    tmp_path: Path, private: str, public: str | None, message: str
) -> None:
    settings = Settings(name="alpha", private_key=private, public_key=public)
    with pytest.raises(ConfigError) as caught:
        load_private_key(settings, tmp_path)
    assert str(caught.value).startswith(f"{message} (")
    assert HEX_EXPONENT not in str(caught.value)


def test_the_public_key_in_the_host_file(tmp_path: Path) -> None:
    host = HostSettings(pem=b"Address = x\n" + public_pem())
    assert load_public_key(host, tmp_path, "beta") == PUBLIC


def test_no_public_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_public_key(HostSettings(pem=b"Address = x\n"), tmp_path, "beta")
    assert str(caught.value).startswith("No public key for beta specified! (")
    assert str(tmp_path / "hosts" / "beta") in str(caught.value)


def test_the_hexadecimal_public_key_comes_first(tmp_path: Path) -> None:
    host = HostSettings(public_key=HEX_MODULUS, pem=public_pem())
    expected = PublicKey(int(HEX_MODULUS, 16), 65535)
    assert load_public_key(host, tmp_path, "beta") == expected
    for text in ("xyz", "12 34", "15"):
        bad = HostSettings(public_key=text, pem=public_pem())
        with pytest.raises(ConfigError, match=r"^Invalid PublicKey for beta! \("):
            load_public_key(bad, tmp_path, "beta")


def test_a_public_key_file_does_not_fall_back(tmp_path: Path) -> None:
    path = tmp_path / "beta.pub"
    host = HostSettings(public_key_file=str(path), pem=public_pem())
    with pytest.raises(ConfigError) as caught:
        load_public_key(host, tmp_path, "beta")
    assert str(caught.value) == (
        f"Error reading RSA public key file `{path}': No such file or directory"
    )
    path.write_bytes(b"nothing\n")
    with pytest.raises(ConfigError) as caught:
        load_public_key(host, tmp_path, "beta")
    assert str(caught.value).startswith(
        f"Reading RSA public key file `{path}' failed: "
    )
    path.write_bytes(public_pem())
    assert load_public_key(host, tmp_path, "beta") == PUBLIC
