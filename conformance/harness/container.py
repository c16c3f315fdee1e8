"""A Debian host of its own: this machine's files under an overlay, with a real systemd.

What is written inside lands in memory and is gone with the container.  Packages that
the machine lacks are installed in the overlay alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from conformance.harness.packages import install
from conformance.harness.processes import Processes
from conformance.harness.remains import end_containers
from conformance.harness.waits import Failed, wait_for

BOOT_LIMIT: Final = 180.0
#: Seconds for one command, which a busy machine may need.
_LONG: Final = 180.0
#: Programs that have to be inside, and the packages that bring them.
_INSIDE: Final = {
    "usr/lib/systemd/systemd": "systemd",
    "usr/sbin/init": "systemd-sysv",
    "usr/sbin/ifup": "ifupdown",
}
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What pip is told by its environment, and what it trusts.
_OF_PIP: Final = ("PIP_", "SSL_CERT_")
_STATES: Final = ("running", "degraded")


class Container:
    """A host that can be booted, used and shut down; ``root`` is its root directory.

    :param visible: directories of this machine that are seen inside, unchanged
    :param base: the root directory of another system, in the place of this machine's
    """

    def __init__(
        self, directory: Path, name: str, *visible: Path, base: Path = Path("/")
    ) -> None:
        self.name = name
        self.root = directory / "root"
        self._directory = directory
        self._visible = visible
        self._processes = Processes()
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0
        directory.mkdir()
        _mount("tmpfs", directory)
        work = directory / "work"
        self._upper = directory / "upper"
        for path in (self._upper, work, self.root):
            path.mkdir()
        layers = f"lowerdir={base},upperdir={self._upper},workdir={work}"
        _mount("overlay", self.root, layers)
        if base == Path("/"):
            self._leave_out()
        self._complete()

    def _leave_out(self) -> None:
        """Start nothing of what this machine is for, and index no manual pages."""
        for link in (self.root / "etc/systemd/system").glob("*.wants/*"):
            if not link.name.startswith("tinc"):
                link.unlink()
        (self.root / "var/lib/man-db/auto-update").unlink(missing_ok=True)

    def _complete(self) -> None:
        missing = [
            package
            for path, package in _INSIDE.items()
            if not (self.root / path).exists()
        ]
        if missing:
            install(self.root, missing)

    def run_before_boot(self, *argv: str, timeout: float = _LONG) -> str:
        """Run a command inside, in the network of this machine; return what it says."""
        words = ["systemd-nspawn", "--quiet", f"--directory={self.root}", "--pipe"]
        words += [f"--machine={self.name}", "--register=no", "--keep-unit"]
        words += ["--link-journal=no", "--resolv-conf=off", "--timezone=off"]
        words += [f"--setenv=PATH={_PATH}"]
        for name, value in os.environ.items():
            if name.startswith(_OF_PIP):
                words.append(f"--setenv={name}={value}")
        return _said([*words, *argv], " ".join(argv), timeout=timeout)

    def written(self, *places: str) -> dict[str, str]:
        """Return what this container has, below some directories, and the machine not.

        Each name has kind and mode, and a checksum or where it leads.  Bytecode is left
        out: any interpreter writes its own whenever it runs.
        """
        return dict(line for place in places for line in self._written(place))

    def _written(self, place: str) -> Iterator[tuple[str, str]]:
        directory = self._upper / place
        for entry in os.scandir(directory) if directory.is_dir() else ():
            name = f"{place}/{entry.name}"
            if entry.name == "__pycache__":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._written(name)
                # The machine's own is there because something in it was written.
                if (Path("/") / name).is_dir():
                    continue
            text = _described(Path(entry.path))
            # A file that was away and is back is a copy, and no difference.
            if text != _described(Path("/") / name):
                yield name, text

    def boot(self) -> None:
        """Start the init of the container and wait until it has come to rest."""
        argv = ["systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}"]
        argv += [f"--machine={self.name}", "--private-network", "--register=no"]
        argv += ["--keep-unit", "--link-journal=no", "--console=pipe"]
        argv += ["--capability=CAP_NET_ADMIN", "--bind=/dev/net/tun"]
        argv += [f"--bind-ro={path}" for path in self._visible]
        with (self._directory.parent / f"{self.name}.log").open("ab") as log:
            self._nspawn = self._processes.start(
                argv, what="systemd-nspawn", stdout=log, stderr=log, service=True
            )
        self._init = wait_for("the container has an init", self._find_init, BOOT_LIMIT)
        wait_for("systemd is at rest", self._is_up, BOOT_LIMIT, every=0.3)

    def _find_init(self) -> int | None:
        if self._nspawn is None or self._nspawn.poll() is not None:
            raise Failed("systemd-nspawn has ended")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for word in children.read_text().split():
            # Before there is an init, there is a child that makes it, and ends.
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{word}/status").read_text()
                (numbers,) = re.findall(r"^NSpid:(.*)$", status, re.MULTILINE)
                if numbers.split()[1:] == ["1"]:
                    return int(word)
        return None

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running", check=False)
        return state.strip() in _STATES

    def run(self, *argv: str, check: bool = True, timeout: float = _LONG) -> str:
        """Run a command inside and return what it printed, both streams together."""
        enter = ["nsenter", f"--target={self._init}", "--all", "--"]
        what, path = " ".join(argv), {"PATH": _PATH}
        return _said([*enter, *argv], what, check=check, timeout=timeout, env=path)

    def shell(self, script: str, *, check: bool = True) -> str:
        return self.run("sh", "-c", script, check=check)

    def succeeds(self, *argv: str) -> bool:
        """Tell whether a command inside ends with status 0."""
        try:
            self.run(*argv)
        except Failed:
            return False
        return True

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, ``path`` from the root."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def shut_down(self) -> None:
        """Power the container off as an administrator would."""
        if self._nspawn is None:
            return
        self._nspawn.send_signal(signal.SIGTERM)
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self._processes.end()
        self._nspawn = None

    def remove(self) -> None:
        """Remove it in whatever state it is."""
        self._processes.end()
        end_containers(self._directory)
        shutil.rmtree(self._directory, ignore_errors=True)


def _described(path: Path) -> str:
    """Return kind and mode of what is there, and a checksum or where it leads."""
    if not os.path.lexists(path):
        return "nothing"
    text = stat.filemode(path.lstat().st_mode)
    if path.is_symlink():
        return f"{text} {path.readlink()}"
    return f"{text} {zlib.crc32(path.read_bytes())}" if path.is_file() else text


def _mount(kind: str, place: Path, options: str = "rw") -> None:
    words = ["mount", "-t", kind, "-o", options, kind, str(place)]
    _said(words, f"mounting {place}")


def _said(
    argv: Sequence[str],
    what: str,
    *,
    check: bool = True,
    timeout: float = _LONG,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command and return what it printed, both streams together."""
    try:
        done = subprocess.run(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout,
            check=False,
            env=env,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{what}: not done within {timeout:g} s") from None
    if check and done.returncode != 0:
        raise Failed(f"{what}: status {done.returncode}\n{done.stdout}")
    return done.stdout
