"""A host without a kernel: C tincd, dpkg, and what release leaves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tincd_compat import probe
from tincd_compat.service.launcher import RECORD, template
from tincd_compat.service.takeover import (
    Host,
    TakeoverError,
    TakeoverStep,
    perform,
)

ELF = b"\x7fELF the C program"

PROGRAM = Path("/opt/bin/tincd")

DIVERT = "dpkg-divert --local --divert /usr/sbin/tincd.distrib --rename --add"

REMOVE = "dpkg-divert --rename --remove"


def rooted(command: str, root: Path) -> str:
    """Return a call of dpkg-divert as it is for another system's root."""
    return command.replace("dpkg-divert", f"dpkg-divert --root={root}")


class Dpkg:
    """As much of dpkg-divert as is used, on a root directory of a test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listed = ""
        self.refuses = False

    def __call__(self, argv: Sequence[str]) -> str:
        assert argv[1] == f"--root={self.root}", "this is another system's dpkg"
        words = " ".join([argv[0], *argv[2:]])
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


def reference(root: Path) -> Path:
    path = root / "usr/sbin/tincd"
    path.write_bytes(ELF)
    return path


def with_dpkg(root: Path) -> tuple[Host, Dpkg]:
    (root / "usr/bin/dpkg-divert").touch()
    dpkg = Dpkg(root)
    return Host(PROGRAM, root, dpkg), dpkg


def without_dpkg(root: Path) -> Host:
    def run(argv: Sequence[str]) -> str:
        raise AssertionError(argv)

    return Host(PROGRAM, root, run)


needs_dpkg = pytest.mark.skipif(
    shutil.which("dpkg-divert") is None, reason="there is no dpkg here"
)


def debian(root: Path) -> Host:
    """Return a host with records of dpkg's own, that the real one works on."""
    for name in ("var/lib/dpkg/updates", "var/lib/dpkg/info"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "usr/bin/dpkg-divert").touch()
    return Host(PROGRAM, root)


def release(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(template("release")), "--root", str(root), *words],
        capture_output=True,
        text=True,
        check=False,
    )


def files(root: Path) -> dict[str, str]:
    """Return what a release must leave: each file, and where links lead."""
    return {
        str(path): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def assert_released(root: Path) -> None:
    """Give the place back: as was announced, once, and with nothing left."""
    probe.remember(root / RECORD, "what a start has written")
    before = files(root)
    announced = release(root, "--dry-run")
    assert announced.returncode == 0
    assert files(root) == before
    done = release(root)
    assert done.returncode == 0, done.stderr
    steps = announced.stdout.splitlines()[1:]
    assert [line for line in done.stdout.splitlines() if line in steps] == steps
    assert not (root / "usr/local/lib/tincd-compat").exists()
    assert not (root / "var/lib/tincd-compat").exists()
    assert not (root / "usr/sbin/tincd").is_symlink()
    assert "Nothing to do" in release(root).stdout


def refused_release(root: Path) -> str:
    before = files(root)
    done = release(root)
    assert done.returncode == 1
    assert files(root) == before
    return done.stderr


def do(plan: Callable[[], list[TakeoverStep]]) -> list[str]:
    told: list[str] = []
    perform(plan(), told.append)
    return told


def refusal(plan: Callable[[], object]) -> str:
    with pytest.raises(TakeoverError) as caught:
        plan()
    return str(caught.value)
