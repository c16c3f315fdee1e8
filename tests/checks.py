"""Programs in C that look into single parts of the compiled half."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.proofs import ROOT
from tincd_compat._fast import core

FAST: Final = ROOT / "tincd_compat" / "_fast"
CHECKS: Final = ROOT / "tests" / "fast"

#: Whether they can be made here.
POSSIBLE: Final = core is not None and shutil.which("cc") is not None


def said(
    directory: Path, checks: Iterable[str], parts: Iterable[str], level: str
) -> list[str]:
    """Compile checks and parts of the core at a level; return what they say."""
    program = directory / "checks"
    sources = [CHECKS / "checks.c", *(CHECKS / f"check_{name}.c" for name in checks)]
    sources += [FAST / f"{name}.c" for name in parts]
    command = ["cc", "-std=gnu11", level, "-Wl,-z,now", f"-I{FAST}"]
    command += ["-o", str(program), *map(str, sources), "-lcrypto"]
    subprocess.run(command, check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()
