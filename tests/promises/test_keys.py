"""Private keys are for their owner alone, and no key is ever shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.samples import private_pem, settings
from tincd_compat.config.keyfile import KeyFile
from tincd_compat.config.keys import load_private_key
from tincd_compat.errors import ConfigError
from tincd_compat.meta.messages import AnsKey, MetaKey


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_key_file_is_born_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    made: list[tuple[int, int]] = []
    system_open = os.open

    def note(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_CREAT:
            made.append((flags, mode))
        return system_open(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", note)
    before = os.umask(umask)
    try:
        file = KeyFile.open(tmp_path / "rsa_key.priv", private_pem(), private=True)
        file.prepare()
        file.commit()
    finally:
        os.umask(before)
    [(flags, mode)] = made
    assert (flags & os.O_EXCL, mode) == (os.O_EXCL, 0o600)
    assert (tmp_path / "rsa_key.priv").stat().st_mode & 0o777 == 0o600


@given(st.integers(30, 1600), st.integers(0, 60), st.binary(max_size=3))
def test_no_key_in_errors(
    tmp_path_factory: pytest.TempPathFactory, at: int, length: int, instead: bytes
) -> None:
    pem = private_pem()
    directory = tmp_path_factory.getbasetemp()
    path = directory / "rsa_key.priv"
    path.write_bytes(pem[:at] + instead + pem[at + length :])
    path.chmod(0o600)
    try:
        load_private_key(settings("Name = a"), directory)
    except ConfigError as error:
        shown = f"{error} {error!r} {error.__cause__!r}"
        lines = pem.decode().splitlines()[1:-1]
        pieces = (line[i : i + 12] for line in lines for i in range(0, 48, 12))
        assert not [piece for piece in pieces if piece in shown]


@pytest.mark.parametrize("text", ["zz" * 40, "1234567890ABCDEF" * 16, "12345678 9"])
def test_no_key_of_the_configuration_in_errors(tmp_path: Path, text: str) -> None:
    own = settings(f"Name = a\nPrivateKey = {text}\nPublicKey = {'F1' * 128}")
    with pytest.raises(ConfigError) as caught:
        load_private_key(own, tmp_path)
    assert text[:8] not in f"{caught.value} {caught.value.__cause__!r}"


def test_no_key_of_a_message_is_shown() -> None:
    secret = "C0FFEE" * 16
    for message in (
        AnsKey("a", "b", secret, 427, 672, 4, 0),
        MetaKey(429, 672, 0, 0, secret),
    ):
        assert secret not in repr(message)
        assert secret.encode() in message.encode()
