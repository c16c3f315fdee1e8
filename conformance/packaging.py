"""``python -m conformance.packaging``: the life of the Debian package.

The package is made here, and a second one of a later version.  On each release of
Debian, which debootstrap puts into ``build/images``, four nets run as C tincd: a unit
that is enabled, one that is not, one started by hand and one by ifupdown.  They have to
run after each step, from installation to purge, and in the end every file has to be as
it was.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.container import Container
from conformance.harness.host import Host
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab, temporary_lab
from conformance.harness.waits import Failed, say, wait_for
from conformance.requirements import machine_problem, strict

_TREE: Final = Path(__file__).resolve().parent.parent
_IMAGES: Final = _TREE / "build/images"
_SUITES: Final = ("bookworm", "trixie")
_PACKAGES: Final = (
    *("systemd", "systemd-sysv", "tinc", "python3", "iproute2", "iputils-ping"),
    *("ifupdown", "procps", "sysvinit-utils"),
)
_LIMIT: Final = 60.0
#: The other nets by name, with the number of their network and their port.
_OTHERS: Final = {"spare": 2, "hand": 3, "hooked": 4}
_NETS: Final = ("vpn", *_OTHERS)
_STANZA: Final = """
iface hooked inet static
    address 172.31.4.1
    netmask 255.255.255.0
    tinc-net hooked
"""
#: What changes by itself, is dpkg's own record, or brings the package.
#: The last are copies of what groups there were one change ago.
_PRUNED: Final = (
    "var/log var/cache var/lib/apt var/lib/dpkg tmp var/tmp root "
    "etc/group- etc/gshadow-"
)
_PRUNE: Final = " -o ".join(f"-path ./{path}" for path in _PRUNED.split())
_FILES: Final = f"""
cd / && find . -xdev \\( {_PRUNE} \\) -prune -o -printf '%p %y %m %U %G %l\\n' | sort
find . -xdev \\( {_PRUNE} -o -path ./var/lib/systemd \\) -prune -o -type f -print0 |
    sort -z | xargs -0 md5sum
dpkg-divert --list
"""

_EXPORTER: Final = "tincd-compat-exporter"
_EXPORTER_IS: Final = (
    f"systemctl is-enabled {_EXPORTER}; systemctl is-active {_EXPORTER}"
)
_GROUP: Final = "stat -c '%G %a' /run/tinc.vpn.sock"
_SCRAPE: Final = (
    "from urllib.request import urlopen\n"
    "print(urlopen('http://127.0.0.1:9655/metrics').read().decode())"
)


def main(arguments: Sequence[str]) -> int:
    """Run the cycle on each release; the answer is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.packaging")
    parser.add_argument("suites", nargs="*", default=_SUITES, metavar="RELEASE")
    suites = parser.parse_args(arguments).suites
    missing = machine_problem()
    if missing is not None:
        print(f"The package cannot be tried here: {missing}.")
        return 1 if strict() else 0
    with temporary_lab("deb") as lab:
        package = _build(lab.directory)
        newer = _later(package, lab.directory / "later")
        for suite in suites:
            say(f"{suite}:")
            _cycle(lab, _image(suite), package, newer)
    return 0


def _command(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()
        raise Failed(f"{' '.join(argv)}: {text[-1000:]}")
    return done.stdout


def _build(place: Path) -> Path:
    script = _TREE / "contrib/debian/build.sh"
    made = _command("sh", str(script), str(place)).splitlines()
    say(made[-1])
    return Path(made[-1])


def _later(package: Path, place: Path) -> Path:
    """Return the same package of a later version."""
    _command("dpkg-deb", "-R", str(package), str(place))
    control = place / "DEBIAN/control"
    lines = control.read_text().splitlines()
    lines = [f"{line}.1" if line.startswith("Version:") else line for line in lines]
    control.write_text("\n".join(lines) + "\n")
    target = place.with_suffix(".deb")
    _command("dpkg-deb", "-Znone", "--root-owner-group", "-b", str(place), str(target))
    return target


def _image(suite: str) -> Path:
    """Return the root of a minimal system of that release; it is made once."""
    root = _IMAGES / suite
    if not root.exists():
        _IMAGES.mkdir(parents=True, exist_ok=True)
        draft = root.with_suffix(".new")
        _command("rm", "-rf", str(draft))
        words = ["--variant=minbase", f"--include={','.join(_PACKAGES)}"]
        _command("debootstrap", *words, suite, str(draft), *_mirror())
        _command("rm", "-rf", f"{draft}/var/cache/apt/archives")
        draft.rename(root)
    return root


def _mirror() -> list[str]:
    """Return where this machine's packages come from; what is no Debian has no say."""
    given = os.environ.get("MIRROR")
    if given:
        return [given]
    words = ("--format", "$(REPO_URI)", "Label: Debian", "Created-By: Packages")
    return _command("apt-get", "indextargets", *words).split()[:1]


class _Debian(Host):
    """A host of four nets, and the package on it."""

    def prepare(self) -> None:
        super().prepare()
        write, key = self.inside.write, self._lab.keys.pair(2)
        for net, number in _OTHERS.items():
            etc = f"/etc/tinc/{net}"
            write(f"{etc}/tinc.conf", "Name = host\n")
            write(f"{etc}/rsa_key.priv", key.private, 0o600)
            write(f"{etc}/hosts/host", f"Port = {655 + number}\n{key.public}")
            up = f'ip link set "$INTERFACE" up\nip addr add {self._address(net)} dev '
            text = "" if net == "hooked" else f'{up}"$INTERFACE"\n'
            write(f"{etc}/tinc-up", f"#!/bin/sh\n{text}", 0o755)
        write("/etc/network/interfaces", _STANZA)

    @staticmethod
    def _address(net: str) -> str:
        return f"172.31.{_OTHERS[net]}.1/24"

    def start(self) -> None:
        """Start each net in its way."""
        self.systemctl("enable", "--now", "tinc.service", "tinc@vpn")
        self.systemctl("start", "tinc@spare")
        self.inside.run("tincd", "-n", "hand")
        self.inside.run("ifup", "hooked")

    def restart(self) -> None:
        self.another_second()
        self.systemctl("restart", "tinc@vpn", "tinc@spare")
        self.inside.run("tincd", "-n", "hand", "-k")
        pid = "/run/tinc.hand.pid"
        wait_for("it stops", lambda: not self.inside.succeeds("test", "-e", pid), 10)
        self.inside.run("tincd", "-n", "hand")
        self.inside.run("ifdown", "hooked")
        self.inside.run("ifup", "hooked")

    def pids(self) -> dict[str, str]:
        paths = {net: f"/run/tinc.{net}.pid" for net in _NETS}
        return {n: self.inside.run("cat", paths[n], check=False) for n in _NETS}

    def expect_all(self, kind: Kind) -> dict[str, str]:
        """Every net runs as that kind, has its address, and is as enabled as it was."""
        self.wait_ping(f"pings through {kind.value}")
        self.expect_runs(kind)
        pids = self.pids()
        for net in _OTHERS:
            exe = self.inside.run("readlink", f"/proc/{pids[net].strip()}/exe")
            expect(("python" in exe) is (kind is Kind.OURS), f"{net} runs {exe}")
            shown = ("ip", "-o", "addr", "show", "dev", net)

            def is_up(net: str = net, shown: Sequence[str] = shown) -> bool:
                return self._address(net) in self.inside.run(*shown, check=False)

            wait_for(f"{net} has its address", is_up, _LIMIT)
        states = self.inside.shell(
            "systemctl is-enabled tinc@vpn tinc@spare; systemctl is-active tinc@spare",
            check=False,
        )
        expect_equal("units", states.split(), ["enabled", "disabled", "active"])
        running = self.inside.run("pgrep", "-c", "-x", "tincd").strip()
        expect_equal("daemons", running, str(len(_NETS)))
        return pids

    def apt(self, *words: str) -> None:
        options = ("-o", "Dpkg::Use-Pty=0", "-y", "-qq")
        said = self.inside.run("apt-get", *options, *words, timeout=120)
        for line in said.splitlines():
            if line.startswith("tincd-compat:") or "not empty" in line:
                raise Failed(f"apt-get {' '.join(words)}: {line}")

    def expect_files(self, before: str) -> None:
        now = set(self.inside.shell(_FILES).splitlines())
        then = set(before.splitlines())
        lost = [f"- {line}" for line in sorted(then - now)]
        more = [f"+ {line}" for line in sorted(now - then)]
        expect(not lost and not more, "\n".join(["files", *lost, *more][:40]))
        say(f"  {len(then)} lines about files are as before")


def _cycle(lab: Lab, image: Path, package: Path, newer: Path) -> None:
    container = Container(lab.directory / "container", f"{lab.tag}d", base=image)
    try:
        host = _Debian(lab, container)
        host.prepare()
        for name, path in (("ours", package), ("newer", newer)):
            (container.root / f"root/{name}.deb").write_bytes(path.read_bytes())
        container.boot()
        host.start_peer()
        host.start()
        first = host.expect_all(Kind.C)
        before = container.shell(_FILES)
        _install(host, first)
        _upgrade(host)
        host.apt("remove", "tincd-compat")
        host.expect_all(Kind.C)
        host.apt("purge", "tincd-compat")
        host.expect_all(Kind.C)
        host.expect_files(before)
        host.apt("install", "/root/ours.deb")
        host.restart()
        host.expect_all(Kind.OURS)
        host.apt("purge", "tincd-compat")
        host.expect_all(Kind.C)
        host.expect_files(before)
        container.shut_down()
    finally:
        container.remove()


def _install(host: _Debian, first: dict[str, str]) -> None:
    """Nothing is restarted by it."""
    host.apt("install", "/root/ours.deb")
    used = host.inside.shell("du -sk /usr/lib/tincd-compat /var/lib/tincd-compat")
    say(f"  KiB on the disk: {' '.join(used.split())}")
    expect_equal("processes", host.expect_all(Kind.C), first)
    host.restart()
    host.expect_all(Kind.OURS)
    _look(host)


def _look(host: _Debian) -> None:
    """The program of operators works, and its exporter when it is started."""
    status = host.inside.run("tincd-compat", "-n", "vpn", "status", check=False)
    expect(status.startswith("vpn: host, router mode, up "), f"status: {status}")
    said = host.inside.shell("tincd-compat takeover 2>&1", check=False)
    expect("is of a package" in said, f"takeover: {said}")
    expect_equal("group of a socket", host.inside.shell(_GROUP).strip(), "tinc 660")
    states = host.inside.shell(_EXPORTER_IS, check=False).split()
    expect_equal("exporter, as installed", states, ["disabled", "inactive"])
    host.systemctl("start", _EXPORTER)

    def figures() -> str:
        return host.inside.run("python3", "-c", _SCRAPE, check=False)

    found = wait_for("figures of all nets", lambda: _figures(figures()), _LIMIT)
    expect_equal("nets in the figures", found, set(_NETS))
    user = host.inside.shell("ps -o user= -C tincd-compat | sort -u", check=False)
    expect("root" not in user.split(), f"the exporter runs as {user}")
    say("  status and exporter answer")


def _figures(text: str) -> set[str]:
    """Return the nets that are up in figures of the exporter."""
    return set(re.findall(r'^tinc_up\{net="(\w+)"\} 1\.0$', text, re.M))


def _upgrade(host: _Debian) -> None:
    """All that runs loses its files, and is started anew."""
    before = host.expect_all(Kind.OURS)
    host.another_second()
    host.apt("install", "/root/newer.deb")
    after = host.expect_all(Kind.OURS)
    same = [net for net in _NETS if before[net] == after[net]]
    expect_equal("nets that still run as before", same, [])
    states = host.inside.shell(_EXPORTER_IS, check=False).split()
    expect_equal("exporter after the upgrade", states, ["disabled", "active"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
