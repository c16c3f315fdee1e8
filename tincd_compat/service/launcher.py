"""The files that stand in the place of C tincd, and start ours or C's.

They are outside the installation that they start, so they are there when that is not.
``shell/`` has them as they are but for ``@WORDS@``, which depend on the host:

* ``tincd``, what ``/usr/sbin/tincd`` is a link to, starts ours if that can work;
* ``ours/tincd`` is ours, and ``c/tincd`` C's: their names become that of the process;
* ``fall-back`` says why it is C's;
* ``refused-by`` names the nodes that would refuse C tincd, by their Ed25519 keys;
* ``release`` gives the place back, and takes no Python to do it.

What changes is elsewhere, because a unit may see ``/usr`` read-only: the record of what
the interpreter and its libraries were when they last worked together, and ``off`` if C
tincd shall run, which says why.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tincd_compat.errors import TincError

#: Where they are, from the root.
PLACE: Final = Path("usr/local/lib/tincd-compat")
#: Where the record is, and ``off``.
STATE: Final = Path("var/lib/tincd-compat")
RECORD: Final = STATE / "seen"
RELEASE: Final = Path("/") / PLACE / "release"
_TEMPLATES: Final = Path(__file__).with_name("shell")
_FILES: Final = {
    "tincd": "tincd",
    "ours/tincd": "start",
    "fall-back": "fall-back",
    "refused-by": "refused-by",
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


def files(words: Mapping[str, str]) -> dict[str, str]:
    """Return names and texts of the files, with these words in them."""
    return {
        name: re.sub("@([A-Z]+)@", lambda m: words[m[1]], template(source).read_text())
        for name, source in _FILES.items()
    }


def template(name: str) -> Path:
    """Return where a file is as it was installed; ``release`` has no words in it."""
    return _TEMPLATES / name


class Launcher:
    """The files on a host.

    :param parked: C tincd, as that host sees it, as it does ``here`` and ``state``
    :param root: its root directory, as we see it
    :param remedy: what to do when ours cannot be started
    """

    def __init__(
        self,
        interpreter: str,
        parked: Path,
        root: Path = Path("/"),
        here: Path = Path("/") / PLACE,
        state: Path = Path("/") / STATE,
        remedy: str = _REMEDY,
    ) -> None:
        self.place = root / here.relative_to("/")
        self._state = root / state.relative_to("/")
        self._parked = parked
        words = {
            "HERE": str(here),
            "STATE": str(state),
            "PYTHON": interpreter,
            "PARKED": str(parked),
            "REMEDY": remedy,
        }
        self._files = files(words)
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
        (self._state / RECORD.name).unlink(missing_ok=True)

    def undo(self) -> None:
        """Put back what was there before, or nothing."""
        if self._before:
            self._put(self._before)
        else:
            shutil.rmtree(self.place)
            shutil.rmtree(self._state, ignore_errors=True)
