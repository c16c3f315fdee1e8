"""What the compiled half leaves of keys in memory, which a program in C looks for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.proofs import ROOT
from tincd_compat.tunnel._fast import core

_FAST = ROOT / "tincd_compat" / "tunnel" / "_fast"
_CHECKS = ROOT / "tests" / "fast"

if core is None or shutil.which("cc") is None:
    pytest.skip("there is no compiler", allow_module_level=True)


def test_no_trace_of_a_key_is_left(tmp_path: Path) -> None:
    """As the compiler makes it, and not as sanitizers do (make check-core)."""
    parts = [
        path
        for path in sorted(_FAST.glob("*.c"))
        # The one is included in a check, the others need Python.
        if path.name != "map.c" and not path.name.startswith("binding")
    ]
    program = tmp_path / "checks"
    parts += sorted(_CHECKS.glob("check*.c"))
    command = ["cc", "-std=gnu11", "-O3", "-Wl,-z,now", f"-I{_FAST}"]
    command += ["-o", str(program), *map(str, parts), "-lcrypto"]
    subprocess.run(command, check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("all checks are right\n", "")
