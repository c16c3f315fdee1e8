from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tincd_compat import probe
from tincd_compat.admin import main, takeover
from tincd_compat.service.launcher import RECORD, Launcher, LauncherError, template
from tincd_compat.service.takeover import (
    LAUNCHER,
    Host,
    TakeoverError,
    TakeoverStep,
    perform,
    run_command,
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("usr/sbin", "usr/bin", "opt/bin", "run", "var/lib"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "opt/bin/tincd"
    program.write_text(f"#!{sys.executable}\n")
    program.chmod(0o755)
    return tmp_path


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


def test_there_and_back_with_dpkg(root: Path) -> None:
    tincd = reference(root)
    host, dpkg = with_dpkg(root)
    assert do(host.takeover) == [
        f"write the launcher of {PROGRAM} to {host.place}",
        f"{rooted(DIVERT, root)} /usr/sbin/tincd",
        f"link {tincd} to {LAUNCHER}",
    ]
    assert host.is_ours
    assert host.parked.read_bytes() == ELF
    assert dpkg.listed
    # Again: nothing to do.
    assert host.takeover() == []


def test_there_and_back_without_dpkg(root: Path) -> None:
    tincd, host = reference(root), without_dpkg(root)
    do(host.takeover)
    assert host.is_ours
    assert host.parked.read_bytes() == ELF
    assert_released(root)
    assert tincd.read_bytes() == ELF
    assert not host.parked.exists()


@pytest.mark.parametrize("dpkg", [False, pytest.param(True, marks=needs_dpkg)])
def test_host_that_never_had_c_tincd(root: Path, dpkg: bool) -> None:
    host = debian(root) if dpkg else without_dpkg(root)
    do(host.takeover)
    assert host.is_ours
    assert_released(root)
    assert not host.tincd.exists()


@needs_dpkg
def test_package_installed_after_a_takeover_without_it(root: Path) -> None:
    host = debian(root)
    do(host.takeover)
    # The diversion lets dpkg put the C program aside.
    host.parked.write_bytes(ELF)
    assert_released(root)
    assert host.tincd.read_bytes() == ELF


def test_lost_link_is_made_again(root: Path) -> None:
    reference(root)
    host, _ = with_dpkg(root)
    do(host.takeover)
    host.tincd.unlink()
    assert do(host.takeover) == [f"link {host.tincd} to {LAUNCHER}"]


@needs_dpkg
def test_lost_link_is_no_hindrance_to_a_release(root: Path) -> None:
    tincd = reference(root)
    host = debian(root)
    do(host.takeover)
    host.tincd.unlink()
    assert_released(root)
    assert tincd.read_bytes() == ELF


@pytest.mark.parametrize("dpkg", [False, pytest.param(True, marks=needs_dpkg)])
@pytest.mark.parametrize("gone", [False, True])
def test_link_straight_to_an_installation(root: Path, dpkg: bool, gone: bool) -> None:
    """That is what a takeover once made, by whatever prefix; it may be gone."""
    tincd = reference(root)
    host = debian(root) if dpkg else without_dpkg(root)
    do(host.takeover)
    shutil.rmtree(host.place)
    tincd.unlink()
    tincd.symlink_to("/opt/other/bin/tincd")
    if not gone:
        (root / "opt/other/bin").mkdir(parents=True)
        shutil.copy(root / "opt/bin/tincd", root / "opt/other/bin/tincd")
    # Another takeover puts the launcher there.
    assert do(host.takeover) == [
        f"write the launcher of {PROGRAM} to {host.place}",
        f"remove the link {tincd} to /opt/other/bin/tincd",
        f"link {tincd} to {LAUNCHER}",
    ]
    tincd.unlink()
    tincd.symlink_to("/opt/other/bin/tincd")
    assert_released(root)
    assert tincd.read_bytes() == ELF


def test_another_installation_takes_over(root: Path) -> None:
    reference(root)
    do(without_dpkg(root).takeover)
    other = root / "opt/other/bin/tincd"
    other.parent.mkdir(parents=True)
    other.write_text("#!/opt/other/bin/python\n")
    other.chmod(0o755)
    host = Host(Path("/opt/other/bin/tincd"), root)
    assert do(host.takeover) == [
        f"write the launcher of {host.program} to {host.place}"
    ]
    assert "'/opt/other/bin/python' -P -m" in (host.place / "tincd").read_text()
    assert_released(root)


def test_upgrade_without_dpkg_replaces_the_link(root: Path) -> None:
    tincd, host = reference(root), without_dpkg(root)
    do(host.takeover)
    tincd.unlink()
    tincd.write_bytes(ELF + b", newer")
    do(host.takeover)
    assert host.is_ours
    assert host.parked.read_bytes() == ELF + b", newer"
    tincd.unlink()
    tincd.write_bytes(ELF + b", newest")
    assert_released(root)
    assert tincd.read_bytes() == ELF + b", newest"
    assert not host.parked.exists()


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
    assert "is a link to /bin/true" in refused_release(root)
    host.tincd.unlink()
    reference(root)
    host.parked.write_bytes(ELF)
    assert "is there already" in refusal(host.takeover)
    host.parked.unlink()
    dpkg.listed = "local diversion of /usr/sbin/tincd to /usr/sbin/mine\n"
    assert "is diverted to /usr/sbin/mine" in refusal(host.takeover)
    dpkg.listed = "diversion of /usr/sbin/tincd to /usr/sbin/x by other\n"
    assert "Another package" in refusal(host.takeover)
    (root / "opt/bin/tincd").chmod(0o644)
    assert "has to be installed in" in refusal(host.takeover)
    assert host.tincd.read_bytes() == ELF


def test_failure_changes_nothing(root: Path) -> None:
    tincd = reference(root)
    host, dpkg = with_dpkg(root)
    dpkg.refuses = True
    assert "nothing was changed" in refusal(lambda: do(host.takeover))
    assert tincd.read_bytes() == ELF


def failing(root: Path) -> TakeoverStep:
    def refuse() -> None:
        raise OSError("no room")

    return TakeoverStep("write something", refuse, lambda: None)


def test_earlier_steps_are_undone(root: Path) -> None:
    tincd = reference(root)
    host, dpkg = with_dpkg(root)
    told: list[str] = []
    with pytest.raises(TakeoverError, match=r"no room; nothing was changed"):
        perform([*host.takeover(), failing(root)], told.append)
    assert [text for text in told if text.startswith("undo")] == [
        f"undo: link {tincd} to {LAUNCHER}",
        f"undo: {rooted(DIVERT, root)} /usr/sbin/tincd",
        f"undo: write the launcher of {PROGRAM} to {host.place}",
    ]
    assert not host.place.exists()
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
    assert any(
        text.startswith("this has to be done by hand: dpkg-divert") for text in told
    )


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


def test_what_no_launcher_can_start(root: Path) -> None:
    reference(root)
    for line in ("#!/bin/sh", "#!/opt/a b/bin/python", f"#!/{'x' * 130}/python"):
        (root / "opt/bin/tincd").write_text(f"{line}\n")
        with pytest.raises(LauncherError, match="does not name its Python"):
            without_dpkg(root).takeover()


def test_launcher_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    launcher = Launcher("/a/python", Path("/usr/sbin/c"), tmp_path)
    launcher.write()
    assert launcher.is_there()
    other = Launcher("/b/python", Path("/usr/sbin/c"), tmp_path)
    assert not other.is_there()
    other.write()
    assert other.is_there()
    other.undo()
    assert launcher.is_there()
