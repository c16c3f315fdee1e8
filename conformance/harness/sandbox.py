"""Shell scripts on a machine of their own, where /usr/sbin/tincd is one of the kinds.

Each script has its own processes, network, /run, /var/log, /etc/tinc and /dev/log, so
default paths, ``killall tincd`` and syslog are the real ones, any number of scripts run
side by side, and nothing outlives its script.  There are two files more: /dev/peer is C
tincd, and /dev/messages has what syslog got, a line each.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.harness.daemon import daemon_environment
from conformance.harness.kinds import C_TINCD, Kind
from conformance.harness.waits import Failed

_LIMIT: Final = 300.0

#: Run as ``sh -c SETUP sh DIRECTORY``. The shell stays, to reap daemons that end.
_SETUP: Final = """
set -e
cd "$1"
ip link set lo up
mount --all --fstab fstab
cd /
set +e
sh "$1/script"
"""
_DEVICES: Final = ("null", "zero", "urandom", "random", "tty", "ptmx")

#: What every script can use. ``run`` shows the status, ``await`` polls.
_PRELUDE: Final = """
net=/etc/tinc/vpn
run() { "$@"; echo "status $?"; }
await() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || { echo "not within 120 s: $*" >&2; exit 99; }
    sleep 0.1
  done
}
said() { grep -q -- "$1" "${2:-/var/log/tinc.vpn.log}" 2>/dev/null; }
# select, pselect6, epoll_wait or epoll_pwait: what waits there takes any signal.
idle() {
  read -r pid rest < "${1:-/run/tinc.vpn.pid}" && read -r call rest < /proc/$pid/syscall
  case "$call" in 23|270|232|281|72|22) return 0;; *) return 1;; esac
} 2> /dev/null
gone() { ! [ -e "${1:-/run/tinc.vpn.pid}" ]; }
end() { kill $(head -n 1 "${1:-/run/tinc.vpn.pid}"); await gone "$1"; }
"""

_PIECES: Final = ("etc", "run", "log")
_LAUNCHER: Final = "import sys\nfrom tincd_compat.cli import main\nsys.exit(main())\n"
_KEY_LINE: Final = re.compile(r"^[A-Za-z0-9+/=]{16,64}$\n?", re.M)


@dataclass(slots=True)
class Record:
    """What a script and its daemons left: printed text, files, syslog datagrams.

    The names of files begin with ``etc``, ``run`` or ``log``; key material is left out
    of their text.
    """

    stdout: str
    stderr: str
    status: int
    files: dict[str, tuple[int, str]]
    syslog: list[bytes] = field(default_factory=list)

    def text(self) -> str:
        """Return everything in one text, for comparisons."""
        parts = [f"status {self.status}", "stdout:", self.stdout, "stderr:"]
        parts.append(self.stderr)
        for name, (mode, content) in self.files.items():
            parts += [f"{name}, mode {mode:o}:", content]
        parts += ["syslog:", *(repr(each)[2:-1] for each in self.syslog)]
        return "\n".join(parts)


class Sandbox:
    """Runs scripts with a tincd of one kind below a directory."""

    def __init__(self, directory: Path, kind: Kind) -> None:
        directory.mkdir()
        self._directory = directory
        self._tincd = C_TINCD
        if kind is Kind.OURS:
            self._tincd = directory / "tincd"
            self._tincd.write_text(f"#!{sys.executable}\n{_LAUNCHER}")
            self._tincd.chmod(0o755)

    def run(self, name: str, script: str, files: Mapping[str, str]) -> Record:
        """Run a script; ``files`` are those below /etc/tinc, ``#!`` ones executable."""
        place = self._directory / name
        for piece in (*_PIECES, "dev/pts", "dev/net"):
            (place / piece).mkdir(parents=True)
        _write_files(place / "etc", files)
        (place / "script").write_text(_PRELUDE + script)
        (place / "fstab").write_text(self._fstab(place))
        for name in (*_DEVICES, "peer"):
            (place / "dev" / name).touch()
        with _syslogd(place / "dev" / "log") as datagrams:
            done = self._start(place)
        return Record(
            stdout=done.stdout.decode(errors="backslashreplace"),
            stderr=done.stderr.decode(errors="backslashreplace"),
            status=done.returncode,
            files=dict(_read_files(place)),
            syslog=datagrams,
        )

    def _fstab(self, place: Path) -> str:
        """Return what is to be mounted, as a table: one process does all of it."""
        bound = [(f"/dev/{name}", place / "dev" / name) for name in _DEVICES]
        bound += [(f"/dev/{name}", place / "dev" / name) for name in ("pts", "net")]
        bound += [(str(C_TINCD), place / "dev/peer")]
        bound += [(str(self._tincd), Path("/usr/sbin/tincd"))]
        bound += [(str(place / "etc"), Path("/etc/tinc"))]
        bound += [(str(place / "log"), Path("/var/log"))]
        bound += [(str(place / "run"), Path("/run"))]
        lines = [f"{source} {target} none bind" for source, target in bound]
        return "\n".join([*lines, f"{place}/dev /dev none rbind", ""])

    def _start(self, place: Path) -> subprocess.CompletedProcess[bytes]:
        argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        argv += ["--mount-proc", "sh", "-c", _SETUP, "sh", str(place)]
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={**daemon_environment(), "LC_ALL": "C", "TZ": "UTC"},
                timeout=_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{place.name} has not ended in {_LIMIT:g} s") from None


def _write_files(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
            continue
        path.write_text(text)
        private = name.endswith(".priv")
        path.chmod(0o600 if private else 0o755 if text.startswith("#!") else 0o644)


def _read_files(place: Path) -> Iterator[tuple[str, tuple[int, str]]]:
    for piece in _PIECES:
        for path in sorted((place / piece).rglob("*")):
            if path.is_file():
                text = path.read_bytes().decode(errors="backslashreplace")
                name = str(path.relative_to(place))
                yield name, (path.stat().st_mode & 0o7777, _KEY_LINE.sub("", text))


@contextlib.contextmanager
def _syslogd(path: Path) -> Iterator[list[bytes]]:
    """Receive datagrams at ``path`` meanwhile; the list is whole at the end."""
    datagrams: list[bytes] = []
    # A path longer than a socket address may be is reached by its directory.
    directory = os.open(path.parent, os.O_PATH)
    name = f"/proc/self/fd/{directory}/{path.name}"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(name)
    path.chmod(0o666)

    messages = path.with_name("messages").open("ab", buffering=0)

    def receive() -> None:
        while datagram := server.recv(65536):
            datagrams.append(datagram)
            messages.write(datagram.partition(b">")[2].rstrip(b"\n\0") + b"\n")

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    try:
        yield datagrams
    finally:
        # What was sent before this is received before it.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(name)
            client.send(b"")
        thread.join()
        messages.close()
        server.close()
        os.close(directory)
