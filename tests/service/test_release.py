"""What release takes out of effect, refuses and leaves for C tincd."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.takenover import (
    ELF,
    assert_released,
    debian,
    do,
    needs_dpkg,
    reference,
    refused_release,
    release,
    without_dpkg,
)
from tincd_compat.service.takeover import (
    run_command,
)


@needs_dpkg
def test_lost_link_is_no_hindrance_to_a_release(root: Path) -> None:
    tincd = reference(root)
    host = debian(root)
    do(host.takeover)
    host.tincd.unlink()
    assert_released(root)
    assert tincd.read_bytes() == ELF


DROP_IN = "etc/systemd/system/tinc@.service.d"


def drop_in(root: Path, name: str, text: str) -> Path:
    path = root / DROP_IN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[Service]\n{text}\n")
    return path


def test_release_takes_out_of_effect_what_c_tincd_cannot_live_with(root: Path) -> None:
    reference(root)
    do(without_dpkg(root).takeover)
    ours = drop_in(root, "10-notify.conf", "Type=notify\nWatchdogSec=30")
    other = drop_in(root, "20-hardening.conf", "NoNewPrivileges=yes")
    assert f"mv {ours} {ours}.off" in release(root, "--dry-run").stdout
    assert_released(root)
    assert not ours.exists()
    assert ours.with_name("10-notify.conf.off").exists()
    assert other.exists()


@pytest.mark.parametrize("line", ["Type=notify", "WatchdogSec=30"])
def test_release_refuses_what_the_administrator_wrote_alike(
    root: Path, line: str
) -> None:
    reference(root)
    do(without_dpkg(root).takeover)
    theirs = drop_in(root, "local.conf", line)
    assert str(theirs) in refused_release(root)


@needs_dpkg
def test_release_leaves_what_a_package_has_diverted(root: Path) -> None:
    reference(root)
    debian(root)
    words = ["--package", "other", "--divert", "/usr/sbin/x", "--add", "--no-rename"]
    run_command(["dpkg-divert", f"--root={root}", *words, "/usr/sbin/tincd"])
    assert "another package, other" in refused_release(root)
