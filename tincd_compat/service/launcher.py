"""The files that stand in the place of C tincd, and start ours or C's.

They are outside the installation that they start, so they are there when that is not.
``shell/`` has them as they are but for ``@WORDS@``, which depend on the host:

* ``tincd``, what ``/usr/sbin/tincd`` is a link to, starts ours if that can work;
* ``ours/tincd`` is ours, and ``c/tincd`` C's: their names become that of the process;
* ``fall-back`` says why it is C's;
* ``release`` gives the place back, and takes no Python to do it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

from tincd_compat.errors import TincError

#: Where they are, from the root.
PLACE: Final = Path("usr/local/lib/tincd-compat")
#: What the interpreter and its libraries were when they last worked together.
SEEN: Final = "seen"
RELEASE: Final = Path("/") / PLACE / "release"
_TEMPLATES: Final = Path(__file__).with_name("shell")
_FILES: Final = {
    "tincd": "tincd",
    "ours/tincd": "start",
    "fall-back": "fall-back",
    "release": "release",
}
_REMEDY: Final = f"install tincd-compat again, or go back with {RELEASE}"
#: What the kernel takes for an interpreter, and a shell between quotes.
_INTERPRETER: Final = re.compile(r"#!(/[^\s']*python[^\s'/]*)\s*")
_LONGEST: Final = 120


class LauncherError(TincError):
    """The program is none that a launcher can start."""


def interpreter_of(program: Path) -> str:
    """Return the interpreter in the first line of an installed ``tincd``."""
    with program.open("rb") as file:
        line = file.readline(_LONGEST).decode(errors="replace")
    found = _INTERPRETER.fullmatch(line)
    if found is None:
        raise LauncherError(
            f"the first line of {program} does not name its Python, as an installation"
            " into a directory without blanks and with a short name makes it"
        )
    return found[1]


def files(interpreter: str, parked: Path, here: Path, remedy: str) -> dict[str, str]:
    """Return names and texts of the files that start ours with ``interpreter``."""
    words = {
        "HERE": str(here),
        "PYTHON": interpreter,
        "PARKED": str(parked),
        "REMEDY": remedy,
    }
    return {
        name: re.sub("@([A-Z]+)@", lambda m: words[m[1]], template(source).read_text())
        for name, source in _FILES.items()
    }


def template(name: str) -> Path:
    """Return where a file is as it was installed; ``release`` has no words in it."""
    return _TEMPLATES / name


class Launcher:
    """The files on a host, below ``place``.

    :param parked: C tincd, as that host sees it
    :param here: what ``place`` is there
    :param remedy: what to do when ours cannot be started
    """

    def __init__(
        self,
        place: Path,
        interpreter: str,
        parked: Path,
        here: Path = Path("/") / PLACE,
        remedy: str = _REMEDY,
    ) -> None:
        self.place = place
        self._parked = parked
        self._files = files(interpreter, parked, here, remedy)
        self._before: dict[str, str] = {}

    def is_there(self) -> bool:
        """Whether all files are as they should be."""
        return self._found() == self._files and self._c_tincd.is_symlink()

    @property
    def _c_tincd(self) -> Path:
        return self.place / "c/tincd"

    def _found(self) -> dict[str, str]:
        """Return names and texts of the files that are there."""
        paths = {name: self.place / name for name in self._files}
        return {
            name: path.read_text(errors="replace")
            for name, path in paths.items()
            if path.is_file() and os.access(path, os.X_OK)
        }

    def write(self) -> None:
        """Write the files; daemons can be started all the time."""
        self._before = self._found()
        (self.place / "c").mkdir(parents=True, exist_ok=True)
        self._c_tincd.unlink(missing_ok=True)
        self._c_tincd.symlink_to(self._parked)
        self._put(self._files)

    def _put(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            path = self.place / name
            path.parent.mkdir(exist_ok=True)
            draft = path.with_name(f"{path.name}.new")
            draft.write_text(text)
            draft.chmod(0o755)
            draft.replace(path)
        for path in (self.place, self.place / "ours", self.place / "c"):
            path.chmod(0o755)
        (self.place / SEEN).unlink(missing_ok=True)

    def undo(self) -> None:
        """Put back what was there before, or nothing."""
        if self._before:
            self._put(self._before)
        else:
            shutil.rmtree(self.place)
