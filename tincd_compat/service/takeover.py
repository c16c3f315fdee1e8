"""Taking the place of C tincd on a host.

``/usr/sbin/tincd`` is what units, hooks and scripts run.  Taking over moves the C
program aside, to ``/usr/sbin/tincd.distrib``, and puts a link in its place, to the
launcher of ours.  Where dpkg is, the move is a local diversion: upgrades of the package
then leave the link alone.  Nothing else on the host changes, and nothing is restarted.

A plan is made first and can be shown; it is a list of steps, each with its opposite.
If one fails, those before it are taken back.  The way back has to be there when no
Python is, so it is a script for the shell, among the launcher's files.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tincd_compat.dataclass import dataclass
from tincd_compat.errors import TincError
from tincd_compat.service.launcher import PLACE, RECORD, Launcher, interpreter_of

TINCD: Final = Path("usr/sbin/tincd")
PARKED: Final = TINCD.with_name("tincd.distrib")
LAUNCHER: Final = Path("/") / PLACE / "tincd"
_DPKG_DIVERT: Final = Path("usr/bin/dpkg-divert")
_ELF: Final = b"\x7fELF"
_PID_FILES: Final = ("run/tinc.pid", "run/tinc.*.pid")

#: Runs a command, returns what it printed; OSError says why it failed.
Run = Callable[[Sequence[str]], str]


class TakeoverError(TincError):
    """The host is not as expected; nothing was changed."""


@dataclass(frozen=True, slots=True)
class TakeoverStep:
    """One step of a plan: its words, and how it is done and undone."""

    text: str
    do: Callable[[], object]
    undo: Callable[[], object]
    #: The opposite in words, should it have to be done by hand.
    text_of_undo: str = "undo it"


def run_command(argv: Sequence[str]) -> str:
    """Run a command to its end; OSError with what it said if it fails."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise OSError(f"this system has no {argv[0]}") from error
    if done.returncode != 0:
        raise OSError((done.stderr or done.stdout).strip() or f"{argv[0]} failed")
    return done.stdout


class Host:
    """The place of tincd on a host whose root is ``root``; ``program`` is our tincd.

    The root may be that of a system which does not run, an image say.  A link there
    says where things are once it does, so ``program`` is as it is seen from inside.
    """

    def __init__(
        self, program: Path, root: Path = Path("/"), run: Run = run_command
    ) -> None:
        self.program = program
        self.tincd = root / TINCD
        self.parked = root / PARKED
        self.place = root / PLACE
        self._root = root
        self._run = run
        self._has_dpkg = (root / _DPKG_DIVERT).exists()
        self._check_root()

    def _check_root(self) -> None:
        """Refuse a root that is none, and one whose links lead out of it."""
        place = self.tincd.parent
        if not place.is_dir():
            raise TakeoverError(f"{place} is not a directory: is {self._root} a root?")
        if not place.resolve().is_relative_to(self._root.resolve()):
            raise TakeoverError(
                f"{place} leads to {place.resolve()}, out of {self._root};"
                f" run tincd-compat inside: chroot {self._root}"
            )

    def _inside(self, path: Path) -> Path:
        """Return where this process finds what is ``path`` from inside the root."""
        return self._root / path.relative_to("/")

    # What there is.

    @property
    def is_ours(self) -> bool:
        """Whether the place is taken by a link to the launcher."""
        return self._link() == LAUNCHER

    def _link(self) -> Path | None:
        return self.tincd.readlink() if self.tincd.is_symlink() else None

    def _diversion(self) -> str | None:
        """Return where a local diversion leads to, None if there is none.

        TakeoverError if a package has diverted the program.
        """
        if not self._has_dpkg:
            return None
        for line in self._run(self._divert_command("--list")).splitlines():
            found = re.fullmatch(r"(local )?diversion of \S+ to (\S+)(.*)", line)
            if found is not None and found[1] is None:
                raise TakeoverError(f"Another package has diverted it: {line}")
            if found is not None:
                return found[2]
        return None

    def running(self) -> list[tuple[str, int]]:
        """Return the nets that have a pid file, and the number in it."""
        found = []
        for pattern in _PID_FILES:
            for path in sorted(self._root.glob(pattern)):
                words = path.read_text(errors="replace").split()
                if words and words[0].isdigit():
                    net = path.name.removeprefix("tinc").removesuffix("pid")
                    found.append((net.strip("."), int(words[0])))
        return found

    # Plans.

    def takeover(self) -> list[TakeoverStep]:
        """Return the steps that put our program in its place; none if it is there."""
        self._check_program()
        interpreter = interpreter_of(self._inside(self.program))
        launcher = Launcher(interpreter, Path("/") / PARKED, self._root)
        write = [] if launcher.is_there() else [self._write(launcher, interpreter)]
        if self.is_ours:
            return write
        diversion = self._diversion()
        if diversion not in (None, f"/{PARKED}"):
            raise TakeoverError(
                f"{self.tincd} is diverted to {diversion}; undo that first: "
                + " ".join(self._divert_command("--rename", "--remove"))
            )
        return [*write, *self._make_room(diversion), self._put_link()]

    def _make_room(self, diversion: str | None) -> list[TakeoverStep]:
        """Return the steps after which nothing is in the place of C tincd."""
        if not os.path.lexists(self.tincd):
            return self._divert(diversion)
        link = self._link()
        if link is not None and link.name == TINCD.name and self._took_over(diversion):
            divert = self._divert(diversion) if self._has_dpkg else []
            return [self._unlink(link), *divert]
        self._check_reference()
        if diversion is None and not self._has_dpkg and self.place.exists():
            # An upgrade has put a newer one where the link was.
            return [self._rename(self.tincd, self.parked)]
        if diversion is not None or os.path.lexists(self.parked):
            raise TakeoverError(
                f"{self.parked} is there already, and so is another {self.tincd};"
                " remove or rename the one that is wrong"
            )
        return self._divert(diversion)

    def _took_over(self, diversion: str | None) -> bool:
        """Whether a link straight to an installation of ours is to be expected."""
        return (
            diversion is not None
            or os.path.lexists(self.parked)
            or self._link() == self.program
        )

    def _check_program(self) -> None:
        program = self._inside(self.program)
        if os.access(program, os.X_OK):
            return
        advice = ""
        if program != self.program:
            advice = f": tincd-compat has to be installed in {self._root}, too"
        raise TakeoverError(f"{program} is not a program that can be run{advice}")

    def _check_reference(self) -> None:
        if self.tincd.is_symlink():
            target = self.tincd.readlink()
            raise TakeoverError(f"{self.tincd} is a link to {target}, not C tincd")
        with self.tincd.open("rb") as file:
            if file.read(len(_ELF)) != _ELF:
                raise TakeoverError(f"{self.tincd} is a script, not C tincd")

    def _write(self, launcher: Launcher, interpreter: str) -> TakeoverStep:
        def write() -> None:
            launcher.write()
            if self._root != Path("/"):
                return
            # What cannot be started here must not become tincd.
            words = ["-P", "-m", "tincd_compat.probe", str(self._root / RECORD)]
            try:
                self._run([interpreter, *words])
            except OSError:
                launcher.undo()
                raise

        text = f"write the launcher of {self.program} to {self.place}"
        return TakeoverStep(text, write, launcher.undo)

    def _put_link(self) -> TakeoverStep:
        return TakeoverStep(
            f"link {self.tincd} to {LAUNCHER}",
            lambda: self.tincd.symlink_to(LAUNCHER),
            self.tincd.unlink,
        )

    def _unlink(self, target: Path) -> TakeoverStep:
        return TakeoverStep(
            f"remove the link {self.tincd} to {target}",
            self.tincd.unlink,
            lambda: self.tincd.symlink_to(target),
        )

    def _divert(self, diversion: str | None) -> list[TakeoverStep]:
        """Move C tincd aside, and let dpkg put later versions there, too."""
        if self._has_dpkg:
            add = ("--local", "--divert", f"/{PARKED}", "--rename", "--add")
            step = self._dpkg(add, ("--rename", "--remove"))
            return [] if diversion else [step]
        if not os.path.lexists(self.tincd):
            return []
        return [self._rename(self.tincd, self.parked)]

    def _divert_command(self, *words: str) -> list[str]:
        """Return a call of dpkg-divert that works on this root, not on ours."""
        place = [] if self._root == Path("/") else [f"--root={self._root}"]
        return ["dpkg-divert", *place, *words, f"/{TINCD}"]

    def _dpkg(self, do: Sequence[str], undo: Sequence[str]) -> TakeoverStep:
        words = self._divert_command(*do)
        back = self._divert_command(*undo)
        return TakeoverStep(
            " ".join(words),
            lambda: self._run(words),
            lambda: self._run(back),
            " ".join(back),
        )

    @staticmethod
    def _rename(source: Path, target: Path) -> TakeoverStep:
        return TakeoverStep(
            f"rename {source} to {target}",
            lambda: source.rename(target),
            lambda: target.rename(source),
        )


def perform(steps: Sequence[TakeoverStep], tell: Callable[[str], None]) -> None:
    """Perform steps in order; if one fails, undo the ones before and raise."""
    done: list[TakeoverStep] = []
    for step in steps:
        tell(step.text)
        try:
            step.do()
        except OSError as error:
            outcome = "; nothing was changed" if _undo(done, tell) else ""
            raise TakeoverError(f"{step.text}: {error}{outcome}") from error
        done.append(step)


def _undo(done: Sequence[TakeoverStep], tell: Callable[[str], None]) -> bool:
    whole = True
    for step in reversed(done):
        tell(f"undo: {step.text}")
        try:
            step.undo()
        except OSError as error:
            whole = False
            tell(f"this has to be done by hand: {step.text_of_undo}: {error}")
    return whole
