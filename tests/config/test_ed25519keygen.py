"""Our Ed25519 key: made beside the RSA key, kept, replaced, and never lost."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.samples import private_pem, public_pem
from tincd_compat.config.ed25519 import load_verifying_key
from tincd_compat.config.ed25519keygen import (
    KeyPlaces,
    OwnKey,
    disable_ed25519,
    find_places,
    make_own_key,
    read_own_key,
)
from tincd_compat.config.hosts import read_host_settings
from tincd_compat.config.keys import load_private_key, load_public_key, load_signing_key
from tincd_compat.config.settings import Settings
from tincd_compat.crypto.sptps.edwards import SigningKey
from tincd_compat.crypto.sptps.keytext import private_block, public_block
from tincd_compat.errors import ConfigError

OLD = SigningKey.generate(lambda n: bytes(range(n)))
OLD_LINE = OwnKey(OLD.public).line


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "tinc.conf").write_text("Name = alpha\n")
    (tmp_path / "hosts" / "alpha").write_bytes(b"Port = 1\n" + public_pem())
    write(tmp_path / "rsa_key.priv", private_pem().decode())
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


def places(directory: Path) -> KeyPlaces:
    return find_places(directory, environment={}, hostname="here")


def make(directory: Path, *, replace: bool = False, seed: int = 7) -> OwnKey:
    def random_bytes(size: int) -> bytes:
        return bytes([seed]) * size

    return make_own_key(places(directory), random_bytes, replace=replace)


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def expect_both_halves(directory: Path, key: OwnKey) -> None:
    """Demand that a start finds the key, and others in the host file."""
    found = load_signing_key(Settings(name="alpha"), directory)
    assert found is not None
    assert found.public == key.public
    host = read_host_settings(directory, "alpha", ())
    assert load_verifying_key(host, directory, "alpha") == key.public


def test_a_new_key(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = make(directory)
    assert (key.made, key.replaced, key.added) == (True, False, True)
    expect_both_halves(directory, key)
    assert (directory / "ed25519_key.priv").stat().st_mode & 0o777 == 0o600
    host = (directory / "hosts" / "alpha").read_text()
    assert host.endswith(f"-----END RSA PUBLIC KEY-----\n\n{key.line}\n")
    assert caplog.messages == []


def test_what_c_tincd_reads_stays(directory: Path) -> None:
    make(directory)
    rsa = load_private_key(Settings(name="alpha"), directory)
    host = read_host_settings(directory, "alpha", ())
    assert load_public_key(host, directory, "alpha") == rsa.public
    assert host.port == "1"


def test_a_second_call_changes_nothing(directory: Path) -> None:
    first = make(directory)
    before = files(directory)
    second = make(directory, seed=8)
    assert (second.made, second.replaced, second.added) == (False, False, False)
    assert second.public == first.public
    assert files(directory) == before


def test_a_line_that_is_missing_is_added(directory: Path) -> None:
    write(directory / "ed25519_key.priv", private_block(OLD))
    before = (directory / "ed25519_key.priv").read_bytes()
    key = make(directory)
    assert (key.made, key.added, key.public) == (False, True, OLD.public)
    assert (directory / "ed25519_key.priv").read_bytes() == before
    expect_both_halves(directory, key)


def test_a_key_is_replaced_when_asked_for_and_kept(directory: Path) -> None:
    write(directory / "ed25519_key.priv", private_block(OLD))
    host = directory / "hosts" / "alpha"
    host.write_text(f"{OLD_LINE}\n{public_block(OLD.public)}Port = 1\n")
    host.chmod(0o644)
    key = make(directory, replace=True)
    assert (key.made, key.replaced, key.added) == (True, True, True)
    assert key.public != OLD.public
    expect_both_halves(directory, key)
    old = private_block(OLD).replace("ED25519", "OLD ED25519")
    assert (directory / "ed25519_key.priv").read_text().startswith(old)
    assert host.read_text().startswith(f"#{OLD_LINE}\n-----BEGIN OLD ED25519 PUBLIC")
    assert host.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "line",
    [
        OLD_LINE,
        OLD_LINE.lower().replace(" = ", "\t"),
        "Ed25519PublicKey = nonsense",
        f"ED25519PUBLICKEY={OLD_LINE[-43:]}",
    ],
)
def test_a_line_of_another_key_does_not_count_any_more(
    directory: Path, line: str
) -> None:
    host = directory / "hosts" / "alpha"
    host.write_text(f"Port = 1\n{line}\n")
    key = make(directory)
    expect_both_halves(directory, key)
    assert f"#{line}\n" in host.read_text()


def test_a_broken_key_is_kept_until_it_is_replaced(directory: Path) -> None:
    broken = private_block(OLD)[:-40]
    path = write(directory / "ed25519_key.priv", broken)
    before = files(directory)
    with pytest.raises(ConfigError, match=r"has no end \(--replace makes another key"):
        make(directory)
    assert files(directory) == before
    key = make(directory, replace=True)
    expect_both_halves(directory, key)
    assert broken.splitlines()[1] in path.read_text()


def test_no_host_file_yet(directory: Path) -> None:
    (directory / "hosts" / "alpha").unlink()
    expect_both_halves(directory, make(directory))


def test_a_line_that_nobody_would_read_is_not_written(directory: Path) -> None:
    host = directory / "hosts" / "alpha"
    host.write_bytes(public_pem()[:-40])
    before = files(directory)
    with pytest.raises(ConfigError, match=r"at the end of .*alpha would not be read"):
        make(directory)
    assert files(directory) == before


def test_the_file_that_the_variable_names(directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere"
    conf = directory / "tinc.conf"
    conf.write_text(f"Name = alpha\nEd25519PrivateKeyFile = {path}\n")
    key = make(directory)
    assert read_own_key(places(directory)) == OwnKey(key.public)
    assert path.exists()
    conf.write_text("Name = alpha\nEd25519PrivateKeyFile = mine\n")
    with pytest.raises(ConfigError, match="relative to wherever tincd runs"):
        places(directory)


@pytest.mark.parametrize(("word", "used"), [("yes", True), ("no", False)])
def test_whether_a_start_looks_at_it(directory: Path, word: str, used: bool) -> None:
    assert places(directory).used
    text = f"Name = alpha\nExperimentalProtocol = {word}\n"
    (directory / "tinc.conf").write_text(text)
    assert places(directory).used is used


def test_a_node_without_a_name_gets_no_key(directory: Path) -> None:
    (directory / "tinc.conf").write_text("Port = 1\n")
    with pytest.raises(ConfigError, match="Name for tinc daemon required"):
        places(directory)


def test_there_is_nothing_to_show(directory: Path) -> None:
    with pytest.raises(ConfigError, match="`tincd-compat keys' makes a key"):
        read_own_key(places(directory))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_the_rsa_key_has_it(directory: Path) -> None:
    os.chown(directory / "rsa_key.priv", 4711, 4712)
    make(directory)
    status = (directory / "ed25519_key.priv").stat()
    assert (status.st_uid, status.st_gid) == (4711, 4712)


# Files that cannot be written.


def fail_renames(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Let no file be renamed to ``name``."""
    replace = Path.replace

    def refuse(source: Path, target: Path) -> Path:
        if target.name == name:
            raise OSError(number, os.strerror(number))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", refuse)


@pytest.mark.parametrize("name", ["ed25519_key.priv", "alpha"])
@pytest.mark.parametrize("replace", [False, True])
def test_a_failure_leaves_the_files_as_they_were(
    directory: Path, monkeypatch: pytest.MonkeyPatch, name: str, replace: bool
) -> None:
    if replace:
        make(directory)
    before = files(directory)
    fail_renames(monkeypatch, name, errno.ENOSPC)
    with pytest.raises(ConfigError, match="No space left"):
        make(directory, replace=replace, seed=9)
    assert files(directory) == before


def test_an_old_key_would_go_on_to_count_where_nothing_can_be_renamed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(directory)
    before = files(directory)

    def refuse(**arguments: object) -> tuple[int, str]:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(ConfigError, match="Permission denied"):
        make(directory, replace=True, seed=9)
    assert files(directory) == before


def test_a_host_file_that_is_a_mount_point_gets_its_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_renames(monkeypatch, "alpha", errno.EBUSY)
    expect_both_halves(directory, make(directory))


# Any file.

LINES = st.lists(
    st.sampled_from(
        [
            "Port = 1",
            "# a comment",
            "",
            OLD_LINE,
            OLD_LINE.lower(),
            "Ed25519PublicKey",
            "Ed25519PublicKeyFile = /x",
            public_block(OLD.public).rstrip(),
            public_pem().decode().rstrip(),
            "  -----BEGIN ED25519 PRIVATE KEY-----",
            "-----END ED25519 PRIVATE KEY-----",
        ]
    )
    | st.text(max_size=20),
    max_size=8,
)


@given(LINES)
def test_no_old_key_is_left_and_nothing_else_is_changed(lines: list[str]) -> None:
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    result = disable_ed25519(content)
    assert disable_ed25519(result) == result
    assert result.replace(b"OLD ", b"").replace(b"#", b"") == content.replace(
        b"OLD ", b""
    ).replace(b"#", b"")
