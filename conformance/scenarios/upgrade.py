"""The interpreter of a host that ours has taken over changes, and the net stays up.

The installation is that of ``make install``, of an interpreter that a link leads to.
Then the link leads to another minor version and the first is gone, as after an upgrade
of Debian, and the installation is gone for a while, too.  In the end ``make uninstall``
leaves the host as it was before.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

import tincd_compat
from conformance.harness.checks import expect, expect_equal
from conformance.harness.container import Container
from conformance.harness.host import Host, other_interpreters
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

_PREFIX: Final = "/opt/tincd-compat"
#: What the environment is made with; both are links that an upgrade turns.
_PYTHON: Final = "/opt/bin/python3"
_RELEASE: Final = "/usr/local/lib/tincd-compat/release"
_FALLS_BACK: Final = "so C tincd runs instead"
_DROP_IN: Final = "/etc/systemd/system/tinc@.service.d/10-notify.conf"
#: What an administrator would not want to find changed after a release.
_TREE: Final = """
cd / && find usr/sbin usr/local etc -path etc/tinc -prune -o -type f -print0 |
    sort -z | xargs -0 md5sum
find usr/sbin usr/local etc/systemd -type l -printf '%p %l\\n' | sort
dpkg-divert --list
ls -d /var/lib/tincd-compat 2>&1 || true
"""
#: Where an installation and what builds it could leave something.
_PLACES: Final = ("usr", "opt", "srv", "home", "root/.cache", "root/.local")
_SOURCE: Final = "/usr/src/tincd-compat"
#: What the source has and an installation does not take.
_LEFT_OUT: Final = (".*", "__pycache__", "build", "dist", "logs", "*.egg-info", "*.so")
_LIMIT: Final = 60.0


def _prepare(root: Path) -> None:
    """Put this tree and the interpreter into the container that is to be ``root``."""
    first = root / "opt/first/python3"
    for path in (first, root / _PYTHON[1:]):
        path.parent.mkdir(parents=True)
    first.symlink_to(Path(sys.executable).resolve())
    (root / _PYTHON[1:]).symlink_to("/opt/first/python3")
    tree = Path(tincd_compat.__file__).parent.parent
    left_out = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(tree, root / _SOURCE[1:], ignore=left_out)


def _install(container: Container) -> None:
    # Compiling takes longer than all the rest of this, and changes nothing of it.
    variables = ("TINCD_COMPAT_EXTENSION=no", f"PYTHON={_PYTHON}")
    words = ("env", *variables, "make", "-C", _SOURCE, "install")
    said = container.run_before_boot(*words, timeout=360)
    say(said)
    (line,) = (line for line in said.splitlines() if line.startswith("Installed"))
    expect(line.endswith(f"{_PREFIX}/bin/tincd-compat takeover --dry-run"), line)
    expect("deprecat" not in said.lower(), f"a deprecation: {said}")


def _uninstall(host: Host, *, refused: bool = False) -> None:
    script = f"make -C {_SOURCE} uninstall; echo status $?"
    said = host.inside.shell(script)
    say(said)
    status = said.split()[-1]
    if refused:
        expect(status != "0" and _RELEASE in said, "nothing was refused")
        expect(host.inside.succeeds("test", "-e", _PREFIX), "it is gone all the same")
    else:
        expect_equal("status", status, "0")


def play(lab: Lab, placement: Placement) -> None:
    container = Container(lab.directory / "container", f"{lab.tag}c")
    try:
        _prepare(container.root)
        host = Host(lab, container, Path(f"{_PREFIX}/bin/tincd-compat"))
        host.prepare()
        files = container.written(*_PLACES)
        _install(container)
        container.boot()
        host.start_peer()
        before = container.shell(_TREE)
        say(host.compat("takeover"))
        _restart(host, Kind.OURS)
        _under_our_units(host, lab)
        _interpreter_changes(host)
        _uninstall(host, refused=True)
        _installation_goes(host)
        expect_equal("the host after all", container.shell(_TREE), before)
        _uninstall(host)
        now = container.written(*_PLACES)
        changed = {path for path, _ in files.items() ^ now.items()}
        expect(not changed, f"not as before: {sorted(changed)}")
        host.expect_runs(Kind.C)
    finally:
        container.remove()


def _restart(host: Host, kind: Kind) -> None:
    host.another_second()
    host.systemctl("restart", "tinc@vpn")
    host.wait_ping(f"pings through {kind.value}")
    host.expect_runs(kind)


def _under_our_units(host: Host, lab: Lab) -> None:
    """Readiness and watchdog reach systemd from the process that it has started."""
    tree = Path(tincd_compat.__file__).parent.parent
    text = (tree / "contrib/systemd/tinc@.service.d/10-notify.conf").read_text()
    expect("WatchdogSec=30" in text, "the drop-in has no watchdog")
    host.inside.write(_DROP_IN, text.replace("WatchdogSec=30", "WatchdogSec=3"))
    host.systemctl("daemon-reload")
    _restart(host, Kind.OURS)


def _interpreter_changes(host: Host) -> None:
    """Another minor version knows nothing of our libraries; the first is gone."""
    inside = host.inside
    other = next(other_interpreters(), None)
    say(f"  the other interpreter: {other}")
    first = host.pid()
    inside.shell(f"rm -f /opt/first/python3; ln -sfn {other or '/nowhere'} {_PYTHON}")
    host.wait_ping("pings through what runs")
    expect_equal("process", host.pid(), first)
    before = host.count_journal(_FALLS_BACK)
    _restart(host, Kind.C)
    host.journal(_FALLS_BACK, more_than=before)
    expect_equal("lines that say so", host.count_journal(_FALLS_BACK), before + 1)
    _lives_on(host)
    # It has not gone for good.
    inside.shell(
        f"ln -s {Path(sys.executable).resolve()} /opt/first/python3;"
        f" ln -sfn /opt/first/python3 {_PYTHON}"
    )
    _restart(host, Kind.OURS)
    said = inside.run("/usr/sbin/tincd", "-n", "vpn", "--nonsense", check=False)
    expect("tincd --help" in said and _FALLS_BACK not in said, said)


def _lives_on(host: Host) -> None:
    """C tincd has said nothing to systemd, and is not ended for that."""
    first = host.pid()
    watchdog = ("show", "-p", "WatchdogUSec", "--value", "tinc@vpn")
    say(f"  watchdog of the unit: {host.systemctl(*watchdog).strip()}")
    # Longer than the watchdog of the drop-in: what counts is time.
    host.inside.run("sleep", "5")
    expect_equal("process under the watchdog", host.pid(), first)
    restarts = host.systemctl("show", "-p", "NRestarts", "--value", "tinc@vpn").strip()
    expect_equal("restarts", restarts, "0")
    host.expect_runs(Kind.C)


def _installation_goes(host: Host) -> None:
    inside = host.inside
    inside.run("mv", _PREFIX, "/opt/away")
    _restart(host, Kind.C)
    said = inside.run("sh", "-c", f"{_RELEASE} --dry-run")
    expect("mv /usr/sbin/tincd.distrib" in said or "dpkg-divert" in said, said)
    said = inside.run(_RELEASE)
    say(said)
    expect(f"mv {_DROP_IN} {_DROP_IN}.off" in said, "the drop-in is in effect")
    _restart(host, Kind.C)
    inside.run("rm", f"{_DROP_IN}.off")
    inside.run("sh", "-c", f"rmdir {Path(_DROP_IN).parent} 2>/dev/null || true")

    def is_c() -> bool:
        exe = inside.run("readlink", f"/proc/{host.pid()}/exe").strip()
        return exe == "/usr/sbin/tincd"

    wait_for("C tincd runs from its own place", is_c, _LIMIT)
    inside.run("mv", "/opt/away", _PREFIX)


SCENARIO = Scenario(
    name="upgrade",
    summary="installed, under another Python C tincd steps in, uninstalled as before",
    placements=((Kind.OURS,),),
    play=play,
    limit=600,
    seconds=60,
    needs_c=True,
    tools=("systemd-nspawn",),
)
