"""The file of the control socket: whose it is, what it replaces, when it goes."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tincd_compat.service.control_socket import (
    ControlSocket,
    Peer,
    group_id,
    open_control_socket,
    peer_of,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tinc.sock"


@pytest.fixture
def opened(path: Path) -> Iterator[ControlSocket]:
    control = open_control_socket(path, None)
    yield control
    control.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_without_a_group_the_file_is_for_its_owner(
    path: Path, opened: ControlSocket
) -> None:
    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert mode(path) == 0o600


def test_the_mode_does_not_depend_on_the_mask(path: Path) -> None:
    before = os.umask(0)
    try:
        open_control_socket(path, None).close()
        control = open_control_socket(path, os.getegid())
    finally:
        os.umask(before)
    assert mode(path) == 0o660
    control.close()


def test_the_file_is_nobody_elses_even_for_a_moment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[int]()
    monkeypatch.setattr(os, "chown", lambda *_, **__: seen.append(mode(path)))
    open_control_socket(path, 4711).close()
    assert seen == [0o600]


def test_the_group_may_use_the_file(path: Path) -> None:
    control = open_control_socket(path, os.getegid())
    assert mode(path) == 0o660
    assert path.lstat().st_gid == os.getegid()
    control.close()


def test_the_file_goes_with_the_socket(path: Path) -> None:
    open_control_socket(path, None).close()
    assert not path.exists()


def test_the_file_of_another_stays(path: Path, opened: ControlSocket) -> None:
    path.unlink()
    path.write_text("another's")
    opened.close()
    assert path.read_text() == "another's"


def test_a_stale_socket_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    control = open_control_socket(path, None)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    control.close()
    assert not path.exists()


def test_a_socket_that_somebody_listens_at_stays(
    path: Path, opened: ControlSocket
) -> None:
    with pytest.raises(OSError, match="another process listens"):
        open_control_socket(path, None)
    assert path.exists()


def test_a_socket_whose_queue_is_full_stays(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as other:
        busy.bind(str(path))
        busy.listen(0)
        other.connect(str(path))
        with pytest.raises(OSError, match="another process listens"):
            open_control_socket(path, None)
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_stays(path: Path, tmp_path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="no socket") as caught:
        open_control_socket(path, None)
    assert caught.value.errno == errno.EEXIST
    assert path.exists() or path.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_left_where_it_fails_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(PermissionError):
        open_control_socket(path, 4711)
    assert not path.exists()


def test_a_path_may_be_too_long_for_a_socket(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="path too long"):
        open_control_socket(tmp_path / ("x" * 200), None)


def test_the_peer_is_who_the_kernel_says() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == Peer(os.getpid(), os.geteuid(), os.getegid())


@pytest.mark.parametrize(
    ("uid", "own", "may"),
    [(0, 0, True), (0, 7, True), (7, 7, True), (8, 7, False), (8, 0, False)],
)
def test_who_may_change_something(uid: int, own: int, may: bool) -> None:
    assert Peer(1, uid, 0).may_change(own) is may


def test_groups_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    known = grp.getgrgid(0)
    assert group_id(known.gr_name) == 0
    assert group_id("no such group") is None
