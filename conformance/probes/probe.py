"""What a probe is: a name, who is measured, the figures, and the most they may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab


@dataclass(frozen=True, slots=True)
class Contender:
    """A daemon under test: its kind, and what its environment says beside that."""

    name: str
    kind: Kind
    environment: tuple[tuple[str, str], ...] = ()

    def dress(self, *nodes: TincNode) -> None:
        """Give nodes that are not started yet the environment of this contender."""
        for node in nodes:
            node.environment |= dict(self.environment)


C: Final = Contender("C", Kind.C)
OURS: Final = Contender("ours", Kind.OURS)
PURE: Final = Contender("ours, pure", Kind.OURS, (("TINCD_COMPAT_PURE", "1"),))
CONTENDERS: Final = (C, OURS, PURE)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; ``most`` is the bound that our daemon promises, if it does."""

    what: str
    value: float
    unit: str
    most: float | None = None

    def kept(self, contender: Contender) -> bool:
        """Tell whether a promise is kept; C tincd has given none."""
        bound = self.most is not None and contender.kind is Kind.OURS
        return not bound or self.value <= (self.most or 0.0)


Measure: TypeAlias = Callable[[Lab, Contender], Iterable[Figure]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One attack or accident, and how its cost is measured.

    ``measure`` builds what it needs in the laboratory, raises Failed if the daemon does
    not survive, and gives the same figures in the same order for every contender.  What
    is left out for one of them the ``note`` below the table says.
    """

    name: str
    summary: str
    measure: Measure
    contenders: tuple[Contender, ...] = CONTENDERS
    tools: tuple[str, ...] = ()
    note: str = ""
