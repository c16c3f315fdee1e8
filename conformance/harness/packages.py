"""Debian packages that a container lacks, kept for later runs: mirrors fail at times.

What is kept is right for one state of one machine's packages, and is root's alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from conformance.harness.waits import Failed

KEPT: Final = Path("/var/cache/tincd-conformance")

_OWNER: Final = 0
#: Group and others may write.
_OTHERS: Final = 0o022
_STATUS: Final = "var/lib/dpkg/status"
#: Inside of the container.
_PLACE: Final = "/var/cache/conformance"
_APT_GET: Final = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3"
_GET: Final = (
    f"{_APT_GET} update; {_APT_GET} install -y --no-install-recommends "
    f"--download-only -o Dir::Cache::archives={_PLACE} "
)
_INSTALL: Final = f"DEBIAN_FRONTEND=noninteractive dpkg --install {_PLACE}/*.deb"


def install(root: Path, packages: Sequence[str]) -> None:
    """Install packages, with what they need, in the system below ``root``."""
    kept = KEPT / key((root / _STATUS).read_bytes(), packages)
    place = root / _PLACE[1:]
    (place / "partial").mkdir(parents=True)
    if is_safe(kept):
        shutil.copytree(kept, place, dirs_exist_ok=True)
    else:
        _inside(root, _GET + " ".join(packages))
        _keep(place, kept)
    _inside(root, _INSTALL)
    shutil.rmtree(place)


def key(status: bytes, packages: Sequence[str]) -> str:
    """Return what differs where other files would be needed."""
    return hashlib.sha256(b"\0".join([status, *map(str.encode, packages)])).hexdigest()


def is_safe(directory: Path) -> bool:
    """Tell whether a directory is there and nobody but root could change it."""
    for path in (directory, directory.parent):
        with contextlib.suppress(OSError):
            found = path.lstat()
            mode = found.st_mode
            if stat.S_ISDIR(mode) and found.st_uid == _OWNER and not mode & _OTHERS:
                continue
        return False
    return True


def _keep(place: Path, kept: Path) -> None:
    """Keep the files of a directory in the place of what was kept before."""
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    if not is_safe(kept.parent):
        return
    new = Path(tempfile.mkdtemp(dir=kept.parent))
    for path in place.glob("*.deb"):
        shutil.copy(path, new)
    for old in kept.parent.iterdir():
        if len(old.name) == len(kept.name) and old != kept:
            shutil.rmtree(old, ignore_errors=True)
    try:
        new.rename(kept)
    except OSError:
        # Another case was first.
        shutil.rmtree(new)


def _inside(root: Path, script: str) -> None:
    done = subprocess.run(
        ["chroot", str(root), "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise Failed(f"{script}: {said}")
