"""``python -m tests.mutation [NAME ...]``: change the program, and see tests fail.

A name is that of a promise or of a package; without any, all of them.  The exit status
is 1 if the break of a promise goes unnoticed.  Of a package the changes that no test
has noticed are listed: some are no change, and for others there should be a test.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.promises.__main__ import main as break_promises
from tests.proofs import ROOT

#: The packages, and the tests that have to notice what is changed there: their own.
#: Those of whole daemons take too long, and show nobody which line was wrong.
PACKAGES: Final = {
    "control": ("tests/control",),
    "daemon": ("tests/daemon",),
    "mesh": ("tests/mesh",),
    "config": ("tests/config",),
}
#: Git ignores it.
WORK: Final = ROOT / "build" / "mutants"
#: What tests need of the tree.
_PARTS: Final = ("tests", "conformance", "man", "contrib", "docs")
_FILES: Final = ("setup.cfg", "setup.py", "README.md", "SECURITY.md", "CHANGELOG.md")
#: What hypothesis does beyond the first failing example is of no use here, and what it
#: draws is the same each time.
_PROFILE: Final = """
from hypothesis import Phase

phases = [Phase.explicit, Phase.generate]
settings.register_profile("mutants", settings(), derandomize=True, phases=phases)
settings.load_profile("mutants")
"""
_TOOL: Final = Path(__file__).with_name("tool.py")


def main(names: Sequence[str]) -> int:
    """Break promises and change packages; return the exit status."""
    promises = [name for name in names if name not in PACKAGES]
    status = 0
    if promises or not names:
        status = break_promises(promises)
    for package in PACKAGES:
        if package in names or not names:
            status |= _change(package)
    return status


def _change(package: str) -> int:
    """Change a package in a copy; list what no test has noticed."""
    copy = WORK / package
    shutil.rmtree(copy, ignore_errors=True)
    _copy(copy, package)
    if _tool("run", copy).returncode:
        print(f"{package}: the tests fail before anything is changed", flush=True)
        return 1
    found = json.loads(_tool("report", copy, stdout=subprocess.PIPE).stdout)
    text = report(package, found)
    (WORK / f"{package}.txt").write_text(text)
    print(text, flush=True)
    return 0


def _copy(copy: Path, package: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "results", "logs")
    for name in ("tincd_compat", *_PARTS):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in _FILES:
        shutil.copy(ROOT / name, copy)
    with (copy / "tests/conftest.py").open("a") as conftest:
        conftest.write(_PROFILE)
    settings = (ROOT / "pyproject.toml").read_text() + configuration(package)
    (copy / "pyproject.toml").write_text(settings)


def configuration(package: str) -> str:
    """Return what mutmut has to be told for a package."""
    values = {
        "source_paths": ["tincd_compat"],
        "only_mutate": [f"tincd_compat/{package}/*"],
        "also_copy": [*_PARTS, *_FILES],
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": list(PACKAGES[package]),
        "use_git_change_detection": False,
        "track_dependencies": False,
    }
    lines = (f"{name} = {json.dumps(value)}" for name, value in values.items())
    return "\n".join(["", "[tool.mutmut]", *lines, ""])


def _tool(what: str, copy: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-bb", str(_TOOL), what]
    return subprocess.run(command, cwd=copy, text=True, check=False, **options)


def report(package: str, found: dict[str, Any]) -> str:
    """Return how many changes were noticed, and those that were not."""
    counts, survivors = found["counts"], found["survivors"]
    total = sum(counts.values())
    words = ", ".join(f"{number} {status}" for status, number in counts.items())
    parts = [f"{package}: {total} changes: {words}"]
    for each in survivors:
        head = f"{each['file']}:{each['line']}: {each['status']} ({each['name']})"
        parts.append(f"{head}\n{each['diff']}")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
