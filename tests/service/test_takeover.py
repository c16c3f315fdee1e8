from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tincd_compat import admin
from tincd_compat.service.takeover import (
    Host,
    Step,
    TakeoverError,
    perform,
    run_command,
)

ELF = b"\x7fELF the C program"
DIVERT = "dpkg-divert --local --divert /usr/sbin/tincd.distrib --rename --add"
REMOVE = "dpkg-divert --rename --remove"


class Dpkg:
    """As much of dpkg-divert as is used, on a root directory of a test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listed = ""
        self.refuses = False

    def __call__(self, argv: Sequence[str]) -> str:
        words = " ".join(argv)
        if "--list" in argv:
            return self.listed
        if self.refuses:
            raise OSError("dpkg-divert: error: rename involves overwriting")
        tincd = self.root / "usr/sbin/tincd"
        parked = self.root / "usr/sbin/tincd.distrib"
        if "--add" in argv:
            assert words == f"{DIVERT} /usr/sbin/tincd"
            self.listed = (
                "local diversion of /usr/sbin/tincd to /usr/sbin/tincd.distrib\n"
            )
            if tincd.exists():
                tincd.rename(parked)
        else:
            assert words == f"{REMOVE} /usr/sbin/tincd"
            self.listed = ""
            if parked.exists():
                parked.rename(tincd)
        return ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("usr/sbin", "usr/bin", "opt/bin", "run"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "opt/bin/tincd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def reference(root: Path) -> Path:
    path = root / "usr/sbin/tincd"
    path.write_bytes(ELF)
    return path


def with_dpkg(root: Path) -> tuple[Host, Dpkg]:
    (root / "usr/bin/dpkg-divert").touch()
    dpkg = Dpkg(root)
    return Host(root / "opt/bin/tincd", root, dpkg), dpkg


def without_dpkg(root: Path) -> Host:
    def run(argv: Sequence[str]) -> str:
        raise AssertionError(argv)

    return Host(root / "opt/bin/tincd", root, run)


def do(plan: Callable[[], list[Step]]) -> list[str]:
    told: list[str] = []
    perform(plan(), told.append)
    return told


def test_there_and_back_with_dpkg(root: Path) -> None:
    tincd = reference(root)
    host, dpkg = with_dpkg(root)
    assert do(host.takeover) == [
        f"{DIVERT} /usr/sbin/tincd",
        f"link {tincd} to {host.program}",
    ]
    assert host.is_ours
    assert host.parked.read_bytes() == ELF
    assert dpkg.listed
    # Again: nothing to do.
    assert host.takeover() == []
    assert do(host.release) == [
        f"remove the link {tincd}",
        f"{REMOVE} /usr/sbin/tincd",
    ]
    assert tincd.read_bytes() == ELF
    assert not dpkg.listed
    assert host.release() == []


def test_there_and_back_without_dpkg(root: Path) -> None:
    tincd, host = reference(root), without_dpkg(root)
    do(host.takeover)
    assert host.is_ours
    assert host.parked.read_bytes() == ELF
    do(host.release)
    assert tincd.read_bytes() == ELF
    assert not host.parked.exists()


@pytest.mark.parametrize("dpkg", [False, True])
def test_host_that_never_had_c_tincd(root: Path, dpkg: bool) -> None:
    host = with_dpkg(root)[0] if dpkg else without_dpkg(root)
    do(host.takeover)
    assert host.is_ours
    do(host.release)
    assert not host.tincd.exists()
    assert host.release() == []


def test_package_installed_after_a_takeover_without_it(root: Path) -> None:
    host, _ = with_dpkg(root)
    do(host.takeover)
    # The diversion lets dpkg put the C program aside.
    host.parked.write_bytes(ELF)
    do(host.release)
    assert host.tincd.read_bytes() == ELF


def test_lost_link_is_made_again(root: Path) -> None:
    reference(root)
    host, _ = with_dpkg(root)
    do(host.takeover)
    host.tincd.unlink()
    assert do(host.takeover) == [f"link {host.tincd} to {host.program}"]


def test_lost_link_is_no_hindrance_to_a_release(root: Path) -> None:
    tincd = reference(root)
    host, _ = with_dpkg(root)
    do(host.takeover)
    host.tincd.unlink()
    do(host.release)
    assert tincd.read_bytes() == ELF


def refusal(plan: Callable[[], object]) -> str:
    with pytest.raises(TakeoverError) as caught:
        plan()
    return str(caught.value)


def test_what_is_refused(root: Path) -> None:
    host, dpkg = with_dpkg(root)
    host.tincd.write_text("#!/bin/sh\n")
    assert "is a script" in refusal(host.takeover)
    host.tincd.unlink()
    host.tincd.symlink_to("/bin/true")
    assert "is a link to /bin/true" in refusal(host.takeover)
    assert "is a link to /bin/true" in refusal(host.release)
    host.tincd.unlink()
    reference(root)
    host.parked.write_bytes(ELF)
    assert "is there already" in refusal(host.takeover)
    host.parked.unlink()
    dpkg.listed = "local diversion of /usr/sbin/tincd to /usr/sbin/mine\n"
    assert "is diverted to /usr/sbin/mine" in refusal(host.takeover)
    dpkg.listed = "diversion of /usr/sbin/tincd to /usr/sbin/x by other\n"
    assert "Another package" in refusal(host.takeover)
    assert "Another package" in refusal(host.release)
    host.program.chmod(0o644)
    assert "not a program" in refusal(host.takeover)
    assert host.tincd.read_bytes() == ELF


def test_failure_changes_nothing(root: Path) -> None:
    tincd = reference(root)
    host, dpkg = with_dpkg(root)
    dpkg.refuses = True
    assert "nothing was changed" in refusal(lambda: do(host.takeover))
    assert tincd.read_bytes() == ELF


def failing(root: Path) -> Step:
    def refuse() -> None:
        raise OSError("no room")

    return Step("write something", refuse, lambda: None)


def test_earlier_steps_are_undone(root: Path) -> None:
    tincd = reference(root)
    host, dpkg = with_dpkg(root)
    told: list[str] = []
    with pytest.raises(TakeoverError, match=r"no room; nothing was changed"):
        perform([*host.takeover(), failing(root)], told.append)
    assert [text for text in told if text.startswith("undo")] == [
        f"undo: link {tincd} to {host.program}",
        f"undo: {DIVERT} /usr/sbin/tincd",
    ]
    assert not dpkg.listed
    assert tincd.read_bytes() == ELF


def test_what_cannot_be_undone_is_said(root: Path) -> None:
    reference(root)
    host, dpkg = with_dpkg(root)
    steps = host.takeover()
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        dpkg.refuses = dpkg.refuses or text == "write something"

    with pytest.raises(TakeoverError, match=r"no room$"):
        perform([*steps, failing(root)], tell)
    assert told[-1].startswith("this has to be done by hand: dpkg-divert")


def test_nets_that_run(root: Path) -> None:
    (root / "run/tinc.pid").write_text("12\n")
    (root / "run/tinc.vpn.pid").write_text("345\n")
    (root / "run/tinc.bad.pid").write_text("nonsense\n")
    assert without_dpkg(root).running() == [("", 12), ("vpn", 345)]


def test_commands_fail_with_their_words() -> None:
    assert run_command(["echo", "yes"]) == "yes\n"
    with pytest.raises(OSError, match="no such thing"):
        run_command(["sh", "-c", "echo no such thing >&2; exit 3"])


def call(root: Path, *words: str) -> int:
    program = str(root / "opt/bin/tincd")
    return admin.main([*words, "--program", program, "--root", str(root)])


def test_command_line(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    tincd = reference(root)
    (root / "run/tinc.pid").write_text("12\n")
    (root / "run/tinc.vpn.pid").write_text("345\n")
    assert call(root, "takeover", "--dry-run") == 0
    assert "Would do" in capsys.readouterr().out
    assert tincd.read_bytes() == ELF
    assert call(root, "takeover") == 0
    out = capsys.readouterr().out
    assert "systemctl restart tinc@vpn" in out
    assert "process 12, without a net name" in out
    assert call(root, "takeover") == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert call(root, "release") == 0
    assert "is C tincd" in capsys.readouterr().out
    tincd.unlink()
    assert call(root, "release") == 0
    assert "there is no" in capsys.readouterr().out


def test_only_root_may(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    reference(root)
    assert call(root, "takeover") == 1
    assert "by root" in capsys.readouterr().err
