"""What a process holds open that leads out of a new root directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

#: Devices that give nothing but what they are.
_HARMLESS: Final = frozenset({"/dev/net/tun", "/dev/null"})


def ways_out(pid: int, known: Collection[Path] = ()) -> list[str]:
    """Return what a process has open outside, as ``NUMBER: NAME``.

    Sockets, pipes and what has no place in a file system are no way out.  Standard
    streams are whatever the caller gave, as long as they are no directory.

    :param known: files that may be open, such as the log
    """
    process = Path(f"/proc/{pid}")
    root = os.readlink(process / "root")
    found = []
    for entry in sorted((process / "fd").iterdir(), key=lambda each: int(each.name)):
        try:
            name, mode = os.readlink(entry), entry.stat().st_mode
        except OSError:
            # A descriptor of a moment.
            continue
        if not _leads_out(int(entry.name), name, mode):
            continue
        if Path(name) in known or Path(name).is_relative_to(root):
            continue
        found.append(f"{entry.name}: {name}")
    return found


def _leads_out(number: int, name: str, mode: int) -> bool:
    if stat.S_ISDIR(mode):
        return True
    in_files = stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    # Those of the kernel's own, like epoll, have no leading slash.
    return number > 2 and in_files and name.startswith("/") and name not in _HARMLESS
