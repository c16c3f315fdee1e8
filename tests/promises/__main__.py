"""``python -m tests.promises``: break each promise in a copy, and see a proof fail.

Arguments are names of promises; without any, all are broken.  The exit status is 1 if
a change goes unnoticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.promises.mutants import MUTANTS, Mutant
from tests.proofs import ROOT

#: What tests need.
_PARTS: Final = ("tincd_compat", "tests", "conformance", "man", "contrib")
_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py", "SECURITY.md")
#: A proof that has not ended after so many seconds has noticed too: what is broken
#: makes it wait.  No proof is given less than all of them took before, on this machine.
_LEAST_LIMIT: Final = 60.0
#: What pytest says of tests that have failed, and of none that has.
_FAILED: Final = 1
_PASSED: Final = 0


def main(names: Sequence[str]) -> int:
    """Break the promises of these names; return the exit status."""
    wanted = [mutant for mutant in MUTANTS if not names or mutant.promise in names]
    with tempfile.TemporaryDirectory(prefix="tincd-mutants-") as directory:
        copy = Path(directory)
        _copy(copy)
        proofs = list(dict.fromkeys(mutant.proof for mutant in wanted))
        started = time.monotonic()
        status, output = _test(copy, proofs, None)
        limit = max(_LEAST_LIMIT, time.monotonic() - started)
        if status != _PASSED:
            print(output, "The proofs fail before anything is broken.", sep="\n")
            return 1
        survivors = [mutant for mutant in wanted if not _killed(copy, mutant, limit)]
    print(f"{len(wanted) - len(survivors)} of {len(wanted)} changes were noticed")
    return 1 if survivors or not wanted else 0


def _copy(copy: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "results", "logs")
    for name in _PARTS:
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in _FILES:
        shutil.copy(ROOT / name, copy)


def _killed(copy: Path, mutant: Mutant, limit: float) -> bool:
    path = copy / mutant.path.relative_to(ROOT)
    before = path.read_text()
    path.write_text(before.replace(mutant.old, mutant.new))
    try:
        if mutant.compiled:
            _build(copy)
        status = _verdict(copy, mutant.proof, limit)
    finally:
        path.write_text(before)
        if mutant.compiled:
            _build(copy)
    word = {_FAILED: "noticed", _PASSED: "NOT NOTICED"}.get(status, f"status {status}")
    print(f"{word:<12} {mutant}, {mutant.proof}", flush=True)
    return status == _FAILED


def _verdict(copy: Path, proof: str, limit: float) -> int:
    """Return the status of a proof, with the compiled half and then without it."""
    status, _ = _test(copy, [proof], limit)
    if status == _PASSED:
        status, _ = _test(copy, [proof], limit, TINCD_COMPAT_PURE="1")
    return status


def _build(copy: Path) -> None:
    words = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--force"]
    subprocess.run(words, cwd=copy, capture_output=True, check=True)


def _test(
    copy: Path, proofs: Iterable[str], limit: float | None, **variables: str
) -> tuple[int, str]:
    """Return status and output of pytest; one that does not end has failed."""
    # No bytecode: it is taken for fresh if source of another second has its length.
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p"]
    try:
        done = subprocess.run(
            [*command, "no:cacheprovider", *proofs],
            cwd=copy,
            # For daemons that tests start elsewhere.
            env={**os.environ, "PYTHONPATH": str(copy), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _FAILED, f"not within {limit:g} s"
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
