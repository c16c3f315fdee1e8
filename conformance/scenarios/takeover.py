"""A Debian host under a real systemd changes from C to ours and back.

See :mod:`conformance.harness.host` for what it runs.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.container import Container
from conformance.harness.host import HOST_UP, Host, other_interpreters
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

_TREE: Final = Path(__file__).resolve().parent.parent.parent
_UNITS: Final = _TREE / "contrib" / "systemd"
#: All that is needed is there, and reading what archives have takes longer.
_APT_GET: Final = ("apt-get", "-y", "-qq", "-o", "Dir::State::Lists=/var/empty")
_LIMIT: Final = 120.0

_NOTIFY: Final = (_UNITS / "tinc@.service.d/10-notify.conf").read_text()
_STANZA: Final = """
iface vpn inet static
    address 172.30.1.1
    netmask 255.255.0.0
    tinc-net vpn
    tinc-debug 2
"""
#: Another system, as far as its dpkg and tincd go; it does not run.
_IMAGE: Final = """
mkdir -p /srv/image/usr/sbin /srv/image/usr/bin /srv/image/opt/bin
mkdir -p /srv/image/var/lib/dpkg/updates /srv/image/var/lib/dpkg/info
touch /srv/image/var/lib/dpkg/status
cp /usr/sbin/tincd /srv/image/usr/sbin
cp /usr/bin/dpkg-divert /srv/image/usr/bin
echo '#!/opt/bin/python' > /srv/image/opt/bin/tincd && chmod +x /srv/image/opt/bin/tincd
"""
#: What systemd-analyze may say of our hardening, out of 10.
_EXPOSURE: Final = 4.0
#: The tree under test, and its interpreter, can be where services see nothing.
_HERE: Final = "[Service]\nProtectHome=no\nPrivateTmp=no\n"


def play(lab: Lab, placement: Placement) -> None:
    container = Container(lab.directory / "container", f"{lab.tag}c", _TREE)
    try:
        host = Host(lab, container)
        host.prepare()
        container.boot()
        host.start_peer()
        _another_root(host)
        _units_of_debian(host)
        _own_units(host)
        _start_at_boot(host)
        _hooks_of_debian(host)
        _give_back(host)
        _as_package(host, lab.directory / "dist")
    finally:
        container.remove()


def _another_root(host: Host) -> None:
    """What is done to an image is not done to the host, and the other way round."""
    inside = host.inside
    inside.shell(_IMAGE)
    look = "dpkg-divert --list; ls -l /usr/sbin/tincd*; cat /var/lib/dpkg/diversions"
    before = inside.shell(look)
    words = ("--root", "/srv/image", "--program", "/opt/bin/tincd")
    say(host.compat(*words, "takeover"))
    expect_equal("the host after a takeover of an image", inside.shell(look), before)
    there = (
        "cd /srv/image/usr/sbin && readlink tincd && cmp tincd.distrib /usr/sbin/tincd"
    )
    launcher = "/usr/local/lib/tincd-compat/tincd"
    expect_equal("the image's tincd", inside.shell(there), f"{launcher}\n")
    listed = inside.run("dpkg-divert", "--root=/srv/image", "--list")
    expect("tincd.distrib" in listed, f"the image's dpkg knows {listed!r}")
    expect("Nothing to do" in host.compat(*words, "takeover"), "it did something")
    host.compat(*words, "release")
    inside.shell("cmp /srv/image/usr/sbin/tincd /usr/sbin/tincd")
    expect_equal("the host after a release of an image", inside.shell(look), before)


def _units_of_debian(host: Host) -> None:
    """C first, then ours under the unit files that Debian's package brought."""
    before = host.checksum()
    unit = host.systemctl("cat", "tinc@.service")
    host.systemctl("start", "tinc@vpn")
    host.wait_ping("pings through C")
    host.expect_runs(Kind.C)
    say(host.compat("takeover", "--dry-run"))
    host.expect_runs(Kind.C)
    say(host.compat("takeover"))
    expect(
        "Nothing to do" in host.compat("takeover"), "a second takeover did something"
    )
    # The old program goes on until somebody restarts it.
    host.expect_runs(Kind.C)
    host.systemctl("restart", "tinc@vpn")
    host.wait_ping("pings through ours")
    host.expect_runs(Kind.OURS)
    expect_equal("the configuration", host.checksum(), before)
    expect_equal("the unit", host.systemctl("cat", "tinc@.service"), unit)
    host.journal("Ready")
    host.systemctl("reload", "tinc@vpn")
    host.journal("Got HUP signal")
    host.inside.shell("rm -f /run/tinc-down-ran")
    host.systemctl("stop", "tinc@vpn")
    expect_equal("tinc-down", host.inside.run("cat", "/run/tinc-down-ran"), "host\n")
    host.journal("Terminating")
    result = host.systemctl("show", "-p", "Result", "--value", "tinc@vpn").strip()
    expect_equal("result", result, "success")


def _own_units(host: Host) -> None:
    """Our unit files with readiness, watchdog and hardening."""
    inside = host.inside
    inside.shell(f"cp -r {_UNITS}/* /etc/systemd/system/ && systemctl daemon-reload")
    score = inside.run("systemd-analyze", "security", "tinc@vpn.service")
    (verdict,) = (line for line in score.splitlines() if "Overall exposure" in line)
    say(f"  {verdict.strip()}")
    expect(float(verdict.split(":")[1].split()[0]) < _EXPOSURE, verdict)
    inside.write("/etc/systemd/system/tinc@.service.d/90-here.conf", _HERE)
    host.systemctl("daemon-reload")
    # What a start finds out it can note under our hardening, too, for the next one.
    inside.shell("rm /var/lib/tincd-compat/seen")
    host.systemctl("start", "tinc@vpn")
    inside.shell("test -s /var/lib/tincd-compat/seen")
    # Type=notify: whoever waits for the start finds the net ready.
    host.journal("Ready")
    host.wait_ping("pings under our units")
    host.expect_runs(Kind.OURS)

    def status() -> bool:
        text = host.systemctl("show", "-p", "StatusText", "--value", "tinc@vpn")
        return "1 of 1 nodes reachable" in text

    wait_for("systemd knows the state of the net", status, _LIMIT)
    host.systemctl("reload", "tinc@vpn")
    watchdog = host.systemctl("show", "-p", "WatchdogUSec", "--value", "tinc@vpn")
    expect_equal("watchdog", watchdog.strip(), "30s")


def _start_at_boot(host: Host) -> None:
    host.systemctl("enable", "tinc.service", "tinc@vpn.service")
    host.inside.shut_down()
    host.inside.boot()
    host.start_peer()
    host.wait_ping("pings after a boot")
    host.expect_runs(Kind.OURS)
    # What hooks and old habits use; systemd acts in the place of the init script.
    for word, line in (("reload", "Got HUP signal"), ("alarm", "Got ALRM signal")):
        before = host.count_journal(line)
        host.inside.run("invoke-rc.d", "tinc", word)
        host.journal(line, more_than=before)
    first = host.pid()
    host.inside.run("invoke-rc.d", "tinc", "restart")
    host.wait_ping("pings after invoke-rc.d tinc restart")
    host.expect_runs(Kind.OURS)
    expect(host.pid() != first, "restart did not restart")
    host.systemctl("stop", "tinc@vpn")


def _hooks_of_debian(host: Host) -> None:
    """ifupdown and the init script of Debian's package, as they are."""
    inside = host.inside
    inside.shell(f"cat >> /etc/network/interfaces <<'EOF'\n{_STANZA}EOF")
    # Here the interface is configured by ifup.
    inside.write("/etc/tinc/vpn/tinc-up", "#!/bin/sh\n", 0o755)
    inside.run("ifup", "vpn")
    host.wait_ping("pings after ifup")
    name = inside.run("cat", f"/proc/{host.pid()}/comm").strip()
    expect_equal("name of the process", name, "tincd")
    inside.run("/etc/network/if-up.d/tinc")
    inside.run("ifdown", "vpn")
    expect(not inside.succeeds("test", "-e", "/run/tinc.vpn.pid"), "ifdown left it")
    inside.write("/etc/tinc/vpn/tinc-up", HOST_UP, 0o755)
    inside.write("/etc/tinc/nets.boot", "vpn -d 1\n")
    # The script would ask systemd to act in its place.
    script = "SYSTEMCTL_SKIP_REDIRECT=1 /etc/init.d/tinc"
    inside.shell(f"{script} start")
    host.wait_ping("pings after the init script")
    first = host.pid()
    for word in ("reload", "alarm"):
        inside.shell(f"{script} {word}")
        expect_equal(f"process after {word}", host.pid(), first)
    inside.shell(f"{script} restart")
    host.wait_ping("pings after a restart by the init script")
    expect(host.pid() != first, "restart did not restart")
    inside.shell(f"{script} stop")
    expect(not inside.succeeds("test", "-e", "/run/tinc.vpn.pid"), "stop left it")


def _give_back(host: Host) -> None:
    inside = host.inside
    said = host.compat("release")
    say(said)
    # With our drop-in for it, systemd would end C tincd again and again.
    expect("10-notify.conf.off" in said, "nothing is said of the drop-in")
    expect("Nothing to do" in host.compat("release"), "a second one did something")
    host.systemctl("start", "tinc@vpn")
    host.wait_ping("pings through C under our units")
    kind = host.systemctl("show", "-p", "Type", "--value", "tinc@vpn").strip()
    expect_equal("type of the unit", kind, "simple")
    host.expect_runs(Kind.C)
    host.systemctl("stop", "tinc@vpn")
    inside.shell(
        "rm -rf /etc/systemd/system/tinc@.service* /etc/systemd/system/tinc.s*"
    )
    host.systemctl("daemon-reload")
    host.another_second()
    host.systemctl("start", "tinc@vpn")
    host.wait_ping("pings through C again")
    host.expect_runs(Kind.C)
    host.systemctl("stop", "tinc@vpn")


def _as_package(host: Host, place: Path) -> None:
    """The Debian package diverts C tincd; its removal gives the place back."""
    place.mkdir()
    compiler = place / "cc"
    compiler.write_text('#!/bin/sh\nexec cc "$@" -O0\n')
    compiler.chmod(0o755)
    # How small it gets, and how fast, is not what is proved.
    quick = {"DPKG_DEB_COMPRESSOR_LEVEL": "0", "CC": str(compiler)}
    made = subprocess.run(
        ["sh", str(_TREE / "contrib/debian/build.sh"), str(place)],
        env={**os.environ, **quick},
        capture_output=True,
        text=True,
        check=False,
    )
    expect(made.returncode == 0, f"build.sh: {made.stderr[-500:]}")
    (package,) = place.glob("*.deb")
    inside = host.inside
    inside.write("/root/ours.deb", "")
    (inside.root / "root/ours.deb").write_bytes(package.read_bytes())
    before = host.checksum()
    host.systemctl("enable", "--now", "tinc.service", "tinc@vpn.service")
    host.expect_runs(Kind.C)
    # Whoever does this may be here through the net that it is about.
    inside.run(*_APT_GET, "install", "/root/ours.deb")
    host.wait_ping("pings after the package came")
    host.expect_runs(Kind.C)
    host.systemctl("restart", "tinc@vpn")
    host.wait_ping("pings through the package's tincd")
    host.expect_runs(Kind.OURS)
    host.systemctl("stop", "tinc@vpn")
    shown = inside.run("dpkg-query", "-W", "-f", "${Status}\\n", "tincd-compat")
    expect_equal("state of our package", shown, "install ok installed\n")
    version = inside.run("/usr/sbin/tincd", "--version")
    expect(version.startswith("tinc version 1.0."), version)
    expect_equal("the configuration", host.checksum(), before)
    host.systemctl("start", "tinc@vpn")
    host.wait_ping("pings through the package's tincd")
    host.expect_runs(Kind.OURS)
    python = inside.run("readlink", "/usr/bin/python3").strip()
    other = next(other_interpreters(), None)
    say(f"  the other interpreter: {other}")
    if other is not None:
        # The package stays, and serves the next minor version of Python as it is.
        inside.shell(f"ln -sfn {other} /usr/bin/python3")
        host.systemctl("restart", "tinc@vpn")
        host.wait_ping("pings through another minor version of Python")
        host.expect_runs(Kind.OURS)
    inside.write("/etc/systemd/system/tinc@.service.d/10-notify.conf", _NOTIFY)
    host.systemctl("daemon-reload")
    inside.shell("ln -sfn /nowhere /usr/bin/python3")
    host.systemctl("restart", "tinc@vpn")
    host.wait_ping("pings without any Python")
    host.expect_runs(Kind.C)
    # The package's own scripts are none for Python, but those of others are.
    inside.shell(f"ln -sfn {python} /usr/bin/python3")
    host.systemctl("restart", "tinc@vpn")
    host.wait_ping("pings with a Python again")
    host.expect_runs(Kind.OURS)
    inside.run(*_APT_GET, "purge", "tincd-compat")
    host.wait_ping("pings after the package went")
    host.expect_runs(Kind.C)
    left = inside.shell(
        "ls -d /usr/lib/tincd-compat /usr/sbin/tincd.distrib", check=False
    )
    expect(left.count("No such file") == 2, f"the package left {left}")
    expect_equal("the configuration", host.checksum(), before)


SCENARIO = Scenario(
    name="takeover",
    summary="a Debian host with systemd changes to ours and back",
    placements=((Kind.OURS,),),
    play=play,
    # A package is built, of libraries that are fetched.
    limit=600,
    seconds=100,
    needs_c=True,
    tools=("systemd-nspawn",),
)
