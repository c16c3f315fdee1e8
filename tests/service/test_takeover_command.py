"""The commands takeover and release: words, statuses, another system's root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.takenover import (
    ELF,
    PROGRAM,
    assert_released,
    debian,
    do,
    needs_dpkg,
    reference,
    refusal,
)
from tincd_compat.admin import main, takeover
from tincd_compat.service.takeover import (
    LAUNCHER,
    Host,
    run_command,
)


def call(root: Path, *words: str) -> int:
    return main.main([*words, "--program", str(PROGRAM), "--root", str(root)])


def test_command_line(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    tincd = reference(root)
    assert call(root, "takeover", "--dry-run") == 0
    assert "Would do" in capsys.readouterr().out
    assert tincd.read_bytes() == ELF
    assert call(root, "takeover") == 0
    assert "Done" in capsys.readouterr().out
    assert call(root, "takeover") == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert call(root, "release") == 0
    assert tincd.read_bytes() == ELF
    assert call(root, "release", "--dry-run") == 0


def test_only_root_may(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    reference(root)
    assert call(root, "takeover") == 1
    assert "by root" in capsys.readouterr().err


def test_daemons_that_run_on_are_named_on_the_system_that_runs(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    reference(root)
    (root / "run/tinc.pid").write_text("12\n")
    (root / "run/tinc.vpn.pid").write_text("345\n")
    # Whatever a pid file of an image says, that process is not there.
    assert call(root, "takeover") == 0
    assert "345" not in capsys.readouterr().out
    assert call(root, "release") == 0
    monkeypatch.setattr(takeover, "RUNNING", root)
    assert call(root, "takeover") == 0
    out = capsys.readouterr().out
    assert "systemctl restart tinc@vpn" in out
    assert "process 12, without a net name" in out


@needs_dpkg
def test_dpkg_of_another_root_is_told_and_ours_is_not(root: Path) -> None:
    diversions = root / "var/lib/dpkg/diversions"
    before = run_command(["dpkg-divert", "--list"])
    tincd = reference(root)
    host = debian(root)
    # What does not name the root would be done to the system that runs.
    steps = [step.text for step in host.takeover() if "dpkg-divert" in step.text]
    assert len(steps) > 0
    assert [text for text in steps if f"--root={root}" not in text] == []
    do(host.takeover)
    assert host.parked.read_bytes() == ELF
    assert tincd.readlink() == LAUNCHER
    assert diversions.read_text() == "/usr/sbin/tincd\n/usr/sbin/tincd.distrib\n:\n"
    assert host.takeover() == []
    assert_released(root)
    assert tincd.read_bytes() == ELF
    assert diversions.read_text() == ""
    assert run_command(["dpkg-divert", "--list"]) == before


def test_root_that_is_none(root: Path) -> None:
    assert "is not a directory" in refusal(lambda: Host(PROGRAM, root / "nowhere"))


def test_root_whose_links_lead_out_of_it(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "image"
    (other / "usr").mkdir(parents=True)
    (other / "usr/sbin").symlink_to(root / "usr/sbin")
    assert f"chroot {other}" in refusal(lambda: Host(PROGRAM, other))


def test_program_as_it_is_seen_from_inside(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference(root)
    for own in (root / "opt/bin/tincd-compat", Path("/opt/bin/tincd-compat")):
        monkeypatch.setattr("sys.argv", [str(own)])
        words = ["takeover", "--dry-run", "--root", str(root)]
        assert main.main(words) == 0
        assert f"write the launcher of {PROGRAM} to" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["/elsewhere/bin/tincd-compat"])
    assert main.main(words) == 1
    assert "has to be installed in" in capsys.readouterr().err


def test_command_that_is_missing() -> None:
    with pytest.raises(OSError, match="this system has no nowhere-divert"):
        run_command(["nowhere-divert"])
