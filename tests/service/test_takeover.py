"""Plans of takeover and release: there and back, refusals, and what fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.service.takenover import (
    DIVERT,
    ELF,
    PROGRAM,
    assert_released,
    debian,
    do,
    needs_dpkg,
    reference,
    refusal,
    refused_release,
    rooted,
    with_dpkg,
    without_dpkg,
)
from tincd_compat.service.launcher import Launcher, LauncherError
from tincd_compat.service.takeover import (
    LAUNCHER,
    Host,
    TakeoverError,
    TakeoverStep,
    perform,
    run_command,
)


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
