"""What a scenario is: a name, its placements, and the function that plays it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from conformance.harness.kinds import Kind, Placement, placement_text
from conformance.harness.lab import Lab

Play: TypeAlias = Callable[[Lab, Placement], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One behaviour to be proved with each of its placements.

    ``play`` raises Failed if it does not hold. ``limit`` is the time in seconds after
    which a case is ended from outside. ``needs_c`` is true where the C daemon takes
    part in every placement, as the one to be compared with.

    ``seconds`` is about what a case takes on an idle machine: the longest are run
    first, and the time that is left is estimated by it. ``quiet`` is true where a case
    measures time or throughput: it runs last, with few neighbours.

    ``tools`` are commands, and ``libraries`` modules of Python, that a case needs and
    others do not. ``extra`` is true where ``make test`` installs none of them, since
    that takes long: without them a case is skipped, wherever that is.
    """

    name: str
    summary: str
    placements: tuple[Placement, ...]
    play: Play
    limit: float = 180.0
    seconds: float = 10.0
    quiet: bool = False
    needs_c: bool = False
    tools: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario with one of its placements: what is run, passed or failed."""

    scenario: Scenario
    placement: Placement

    @property
    def title(self) -> str:
        return f"{self.scenario.name} ({placement_text(self.placement)})"

    @property
    def slug(self) -> str:
        return "-".join([self.scenario.name, *self.placement])

    @property
    def needs_c(self) -> bool:
        return self.scenario.needs_c or Kind.C in self.placement

    @property
    def needs_c11(self) -> bool:
        return Kind.C11 in self.placement

    @property
    def needs_ours(self) -> bool:
        return Kind.OURS in self.placement
