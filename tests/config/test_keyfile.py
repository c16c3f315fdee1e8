from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat, PublicFormat

from tests.config.samples import private_pem, public_pem
from tincd_compat.config.keyfile import (
    DISABLED,
    REMOVE_BY_HAND,
    KeyFile,
    disable_keys,
)
from tincd_compat.config.pem import blocks
from tincd_compat.errors import ConfigError

NEW = b"-----BEGIN RSA PUBLIC KEY-----\nMTIz\n-----END RSA PUBLIC KEY-----\n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def add(path: Path, *, private: bool = False) -> str | None:
    file = KeyFile.open(path, NEW, private=private)
    file.prepare()
    return file.commit()


def alone(path: Path) -> bool:
    """Whether nothing was left beside the file."""
    return os.listdir(path.parent) == [path.name]


def test_labels() -> None:
    pem = (
        public_pem()
        + public_pem(PublicFormat.SubjectPublicKeyInfo)
        + private_pem()
        + private_pem(PrivateFormat.PKCS8)
        + private_pem(PrivateFormat.PKCS8, b"x")
    )
    disabled = disable_keys(b"Port = 1\n" + pem)
    assert [block.label for block in blocks(disabled)] == [
        "OLD PUBLIC KEY",
        "OLD PUBLIC KEY",
        "OLD PRIVATE KEY",
        "OLD PRIVATE KEY",
        "OLD ENCRYPTED PRIVATE KEY",
    ]
    assert disable_keys(disabled) == disabled
    assert disabled.startswith(b"Port = 1\n")


@pytest.mark.parametrize(
    "data",
    [b"", b" " + NEW[:30], b"x -----BEGIN RSA", b"-----BEGIN CERTIFICATE-----\n"],
)
def test_what_is_left_alone(data: bytes) -> None:
    assert disable_keys(data) == data


@pytest.mark.parametrize("private", [False, True])
def test_a_new_file(tmp_path: Path, private: bool) -> None:
    path = tmp_path / "key"
    assert add(path, private=private) is None
    assert path.read_bytes() == b"\n" + NEW
    assert mode(path) == 0o600
    assert alone(path)


def test_nothing_is_visible_before_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "key"
    file = KeyFile.open(path, NEW, private=True)
    file.prepare()
    assert file.temporary is not None
    assert not path.exists()
    assert mode(file.temporary) == 0o600
    file.discard()
    assert os.listdir(tmp_path) == []


def test_a_host_file_keeps_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(b"Subnet = 10.0.0.0/8")
    path.chmod(0o644)
    assert add(path) is None
    assert path.read_bytes() == b"Subnet = 10.0.0.0/8\n" + NEW
    assert mode(path) == 0o644


def test_old_keys_are_disabled(tmp_path: Path) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(b"Port = 1\n" + public_pem())
    assert add(path) == DISABLED
    old = public_pem().replace(b"RSA", b"OLD")
    assert path.read_bytes() == b"Port = 1\n" + old + b"\n" + NEW
    assert alone(path)


def test_a_private_file_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"")
    path.chmod(0o644)
    add(path, private=True)
    assert mode(path) == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(public_pem())
    link.symlink_to(target)
    assert add(link) == DISABLED
    assert link.is_symlink()
    assert target.read_bytes().endswith(NEW)


def test_a_dangling_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    add(link, private=True)
    assert link.is_symlink()
    assert mode(target) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(public_pem())
    os.chown(path, 4711, 4712)
    add(path)
    status = path.stat()
    assert (status.st_uid, status.st_gid) == (4711, 4712)


def test_a_missing_directory(tmp_path: Path) -> None:
    path = tmp_path / "hosts" / "alpha"
    with pytest.raises(ConfigError) as caught:
        KeyFile.open(path, NEW, private=False)
    text = f"Error opening file `{path}': No such file or directory"
    assert str(caught.value) == text


def test_only_regular_files(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(ConfigError, match="Not a regular file"):
            KeyFile.open(path, NEW, private=False)


def test_a_full_disk_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(public_pem())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    file = KeyFile.open(path, NEW, private=False)
    with pytest.raises(ConfigError, match="alpha': No space left on device"):
        file.prepare()
    assert path.read_bytes() == public_pem()
    assert alone(path)


def refuse_temporary(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(**arguments: object) -> tuple[int, str]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)


def test_appending_where_the_directory_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(b"Port = 1\n")
    path.chmod(0o644)
    refuse_temporary(monkeypatch, errno.EACCES)
    assert add(path) is None
    assert path.read_bytes() == b"Port = 1\n\n" + NEW
    assert mode(path) == 0o644
    assert add(path, private=True) == REMOVE_BY_HAND
    assert path.read_bytes() == b"Port = 1\n\n" + NEW + b"\n" + NEW
    assert mode(path) == 0o600


def test_appending_to_a_mount_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(b"Port = 1\n")

    def busy(source: Path, target: Path) -> Path:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    assert add(path) is None
    assert path.read_bytes() == b"Port = 1\n\n" + NEW
    assert alone(path)


def test_a_failing_append_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(b"Port = 1\n")
    refuse_temporary(monkeypatch, errno.EROFS)
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(ConfigError, match="No space left"):
        add(path)
    assert path.read_bytes() == b"Port = 1\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_no_new_file_without_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_temporary(monkeypatch, number)
    file = KeyFile.open(tmp_path / "alpha", NEW, private=False)
    # Before the other file of a pair is in place.
    with pytest.raises(ConfigError, match="Error opening file"):
        file.prepare()


def test_no_appending_to_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alpha"
    path.write_bytes(b"Port = 1\n")
    file = KeyFile.open(path, NEW, private=False)

    def full(source: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    file.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(ConfigError, match="No space left"):
            file.commit()
    assert alone(path)
    refuse_temporary(monkeypatch, errno.ENOSPC)
    with pytest.raises(ConfigError, match="No space left"):
        file.prepare()
    assert path.read_bytes() == b"Port = 1\n"


def test_nothing_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alpha"
    before = set(os.listdir("/proc/self/fd"))
    add(path)
    add(path)
    refuse_temporary(monkeypatch, errno.EACCES)
    add(path)
    assert path.read_bytes().count(b"BEGIN") == 3
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(private_pem())
    assert "BEGIN" not in repr(KeyFile.open(path, private_pem(), private=True))
