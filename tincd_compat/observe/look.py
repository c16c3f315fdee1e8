"""A look for problems: what the rules get, and what they yield."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import Final, NamedTuple, TypeAlias

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Node
from tincd_compat.observe.codec import Facts
from tincd_compat.observe.cuts import Cut
from tincd_compat.observe.summary import Counters
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import TunnelView, Views
from tincd_compat.observe.words import ProblemCode

#: Names in a list among the facts.
LISTED_NAMES: Final = 8


class ProblemFound(NamedTuple):
    """A finding of a rule; ``since`` is known by some rules only."""

    code: ProblemCode
    node: str | None
    text: str
    facts: Facts
    since: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the rules look at; ``earlier`` is what was counted a window ago."""

    views: Views
    counters: Counters
    earlier: Counters | None = None
    #: What the kernel had lost of UDP a window ago.
    udp_lost_earlier: int | None = None
    cuts: Sequence[Cut] = field(default=())

    @property
    def now(self) -> Time:
        return self.views.now

    def grown(self, number: Callable[[Counters], int | None]) -> int:
        """Return by how much a counter has grown within the window; 0 if unknown."""
        if self.earlier is None:
            return 0
        return (number(self.counters) or 0) - (number(self.earlier) or 0)


#: A rule for the daemon and the mesh.  Where a table is long it yields None between.
Rule: TypeAlias = Callable[[Look], Iterable[ProblemFound | None]]
#: A rule for one other node, likewise.
NodeRule: TypeAlias = Callable[
    [Look, Node, TunnelView | None], Iterable[ProblemFound | None]
]
