"""tinc 1.1 as a peer: fetched from Debian's experimental suite, kept, never installed.

The package comes by way of ``apt-get download`` with lists of its own, from the mirror
that this machine's own lists name.  One library that it needs is taken from the machine
if that has it, and else fetched and unpacked beside the program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from conformance.harness.packages import KEPT

_SUITE: Final = "experimental"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LIBRARY: Final = "libminiupnpc17"
_PROGRAM: Final = "usr/sbin/tincd"
#: Where somebody keeps a tincd 1.1 of his own.
_GIVEN: Final = "CONFORMANCE_TINC11"
_LIMIT: Final = 120.0


@cache
def command() -> list[str]:
    """Return the words that start tinc 1.1; OSError says why there is none."""
    if given := os.environ.get(_GIVEN):
        return [given]
    root = KEPT / "tinc11"
    if not (root / _PROGRAM).exists():
        _fetch(root)
    libraries = ":".join(str(path) for path in sorted(root.glob("usr/lib/*")))
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(root / _PROGRAM)]


def problem() -> str | None:
    """Return why tinc 1.1 cannot take part, or None if it can."""
    try:
        words = [*command(), "--version"]
        version = subprocess.check_output(words, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no tinc 1.1: {error}"
    if not version.startswith("tinc version 1.1"):
        return f"no tinc 1.1 but {version.splitlines()[0]}"
    return None


def _fetch(root: Path) -> None:
    """Fetch and unpack the program below ``root``; OSError if that is impossible."""
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as name:
        place = Path(name)
        (place / "lists/partial").mkdir(parents=True)
        options = [
            *("-o", f"Dir::State::lists={place}/lists"),
            *("-o", f"Dir::Cache={place}"),
            *("-o", f"Dir::Etc::sourcelist={place}/sources.list"),
            *("-o", "Dir::Etc::sourceparts=/dev/null"),
        ]
        signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
        line = f"deb {signed}{_mirror()} {_SUITE} main\n"
        (place / "sources.list").write_text(line)
        _apt(place, *options, "update")
        _apt(place, *options, "download", f"tinc/{_SUITE}")
        _apt(place, "download", _LIBRARY)
        new = place / "root"
        for package in place.glob("*.deb"):
            _run(place, "dpkg-deb", "-x", str(package), str(new))
        shutil.rmtree(root, ignore_errors=True)
        new.rename(root)


def _mirror() -> str:
    """Return where this machine's own Debian packages come from."""
    form = "$(LABEL) $(REPO_URI)"
    text = _run(Path("/"), "apt-get", "indextargets", "--format", form)
    for line in text.splitlines():
        label, _, uri = line.rpartition(" ")
        if label == "Debian":
            return uri
    raise OSError("the package lists of this machine name no mirror of Debian")


def _apt(place: Path, *words: str) -> None:
    _run(place, "apt-get", "-qq", "-o", "Acquire::Retries=3", *words)


def _run(place: Path, *words: str) -> str:
    answer = subprocess.run(
        words, cwd=place, capture_output=True, text=True, timeout=_LIMIT, check=False
    )
    if answer.returncode != 0:
        raise OSError(f"`{' '.join(words)}' failed: {answer.stderr.strip()}")
    return answer.stdout
