"""Which daemon plays which part: kinds, placements, and how each kind is started."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from conformance.harness import tinc11


class Kind(StrEnum):
    """The implementations that take part: ours, C tincd 1.0 and, as a peer, 1.1."""

    OURS = "ours"
    C = "c"
    C11 = "1.1"


#: The kind of each node of a scenario, in the order of its nodes.
Placement: TypeAlias = tuple[Kind, ...]

_O: Final = Kind.OURS
_C: Final = Kind.C

ONE: Final[tuple[Placement, ...]] = ((_C,), (_O,))
TWO: Final[tuple[Placement, ...]] = ((_C, _C), (_O, _C), (_C, _O), (_O, _O))
THREE: Final[tuple[Placement, ...]] = (
    (_C, _C, _C),
    (_C, _O, _C),
    (_O, _C, _O),
    (_O, _O, _O),
)

#: Where the reference daemon is looked for; PATH is not, since it may hold ours.
C_TINCD: Final = Path(os.environ.get("CONFORMANCE_C_TINCD", "/usr/sbin/tincd"))

_ELF_MAGIC: Final = b"\x7fELF"


def placement_text(placement: Placement) -> str:
    """Return ``c,ours,c``, the form of the command line and of the report."""
    return ",".join(placement)


def parse_placement(text: str) -> Placement:
    """Read ``c,ours,c``; ValueError for anything else."""
    return tuple(Kind(word.strip()) for word in text.split(","))


def command(kind: Kind) -> list[str]:
    """Return the words that start a daemon of this kind, options still missing."""
    if kind is Kind.C:
        return [str(C_TINCD)]
    if kind is Kind.C11:
        return tinc11.command()
    return [sys.executable, "-m", "tincd_compat"]


def c_tincd_problem() -> str | None:
    """Return why the C tincd cannot take part, or None if it can."""
    if not C_TINCD.exists():
        return f"no C tincd at {C_TINCD}"
    with C_TINCD.open("rb") as file:
        if file.read(4) != _ELF_MAGIC:
            return f"{C_TINCD} is not a compiled program"
    version = _version_line(Kind.C)
    if not version.startswith("tinc version 1.0."):
        return f"{C_TINCD} is not tinc 1.0 but {version or 'silent'!r}"
    return None


def own_tincd_problem() -> str | None:
    """Return why our daemon does not even print its version, or None if it does."""
    version = _version_line(Kind.OURS)
    if version.startswith("tinc version "):
        return None
    words = " ".join(command(Kind.OURS))
    return f"`{words} --version' printed {version!r}"


def _version_line(kind: Kind) -> str:
    try:
        answer = subprocess.run(
            [*command(kind), "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except OSError as error:
        return str(error)
    lines = (answer.stdout or answer.stderr).splitlines()
    return (lines[0] if answer.stdout else lines[-1]) if lines else ""
