"""Small changes of the program, each of which breaks one promise.

A proof of that promise must fail then; a proof that cannot fail is none.  They are read
from ``mutants/*.txt``, where empty lines divide them::

    @ PROMISE FILE
    @ PROOF                the test that fails
     a line that stays, to tell the place
    -a line that goes
    +a line that comes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.proofs import ROOT

DIRECTORY: Final = Path(__file__).parent / "mutants"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: ``old`` is in ``file`` once, and becomes ``new``."""

    promise: str
    file: str
    proof: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        return ROOT / self.file

    @property
    def compiled(self) -> bool:
        """Whether the compiled half has to be built anew."""
        return self.path.suffix == ".c" or self.path.name == "setup.py"

    def __str__(self) -> str:
        return f"{self.promise}: {self.file}"


def parse(text: str) -> Iterator[Mutant]:
    """Read the form above; ValueError for any other."""
    for block in text.split("\n\n"):
        head, proof, *lines = block.strip("\n").split("\n")
        marks = "".join(line[:1] for line in (head, proof, *lines))
        if not marks.startswith("@@") or set(marks[2:]) - set(" +-"):
            raise ValueError(f"no mutant: {block}")
        promise, file = head[1:].split()
        old, new = _side(lines, " -"), _side(lines, " +")
        yield Mutant(promise, file, proof[1:].strip(), old, new)


def _side(lines: Sequence[str], marks: str) -> str:
    return "".join(f"{line[1:]}\n" for line in lines if line[0] in marks)


MUTANTS: Final = tuple(
    mutant
    for path in sorted(DIRECTORY.glob("*.txt"))
    for mutant in parse(path.read_text())
)
