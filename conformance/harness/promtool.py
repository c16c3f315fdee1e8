"""``promtool`` of Debian's package prometheus, without the server that comes with it.

It is taken out of the package, which is not installed, and kept for later runs.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from conformance.harness.packages import KEPT, is_safe
from conformance.harness.waits import say

#: The package has some 19 MB, the program 48.
_PACKAGE: Final = "prometheus"
_PROGRAM: Final = "./usr/bin/promtool"
_PLACE: Final = KEPT / "promtool"
_LIMIT: Final = 120.0


def kept() -> str | None:
    """Return the program, if this machine has it or has fetched it before."""
    program = _PLACE / _PROGRAM
    if is_safe(program.parent) and program.exists():
        return str(program)
    return shutil.which("promtool")


def promtool() -> str | None:
    """Return the program, fetched if need be; None where it cannot be had."""
    if found := kept():
        return found
    KEPT.mkdir(mode=0o700, exist_ok=True)
    if not is_safe(KEPT):
        return None
    place = Path(tempfile.mkdtemp(dir=KEPT))
    try:
        _fetch(place)
        place.rename(_PLACE)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"  promtool cannot be had: {error}")
    finally:
        # Another case may have been first.
        shutil.rmtree(place, ignore_errors=True)
    return kept()


def _fetch(place: Path) -> None:
    """Unpack the program of the newest package that this machine's apt knows."""
    _run(place, "apt-get", "-qq", "download", _PACKAGE)
    (package,) = place.glob("*.deb")
    unpack = f'dpkg-deb --fsys-tarfile "$0" | tar -x {_PROGRAM}'
    _run(place, "sh", "-c", unpack, package)
    package.unlink()


def _run(place: Path, *argv: str | Path) -> None:
    subprocess.run(argv, cwd=place, check=True, capture_output=True, timeout=_LIMIT)
