"""Files as such: who may write them."""

from __future__ import annotations

import stat
from pathlib import Path

from tincd_compat.config.check.findings import Report


def file_mode(path: Path) -> int | None:
    """Return the mode behind links; None if there is nothing or it cannot be known."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None


def check_writable(path: Path, report: Report) -> None:
    """Complain if everybody may change what tincd reads or runs."""
    mode = file_mode(path)
    if mode is not None and mode & stat.S_IWOTH:
        report.warning(path, "everybody may write here; `chmod o-w' forbids it")
