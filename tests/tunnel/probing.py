"""States of path MTU discovery, built and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tincd_compat.tunnel import pmtu
from tincd_compat.tunnel.pmtu import MTU, Phase, PmtuDiscovery, ProbeStep

PEER: Final = "b (10.0.0.2 port 655)"
PING_INTERVAL, PING_TIMEOUT = 60.0, 5.0
#: A key, and no data: only the numbers that probes used.
OFF, SEARCH, IDLE, CHECK = Phase.OFF, Phase.SEARCH, Phase.IDLE, Phase.CHECK


def discovery(*, local_discovery: bool = False) -> PmtuDiscovery:
    return PmtuDiscovery(
        PEER,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        local_discovery=local_discovery,
    )


@dataclass(frozen=True)
class State:
    """What a table row begins and ends with.

    ``due``: the time for the regular check has come, or the check is one;
    ``shorter``: the longest answer of the check; ``asked``: lengths in doubt, four
    times each.
    """

    phase: Phase
    rounds: int = 0
    minmtu: int = 0
    maxmtu: int = MTU
    mtu: int = 1400
    due: bool = False
    shorter: int = 0
    asked: tuple[int, ...] = ()
    refuted: bool = False
    confirmed: bool = False

    def build(self) -> PmtuDiscovery:
        made = discovery()
        made.phase, made.rounds = self.phase, self.rounds
        made.minmtu, made.maxmtu, made.mtu = self.minmtu, self.maxmtu, self.mtu
        made._elapsed = PING_INTERVAL if self.due and self.phase is IDLE else 0.0
        made._regular = self.due and self.phase is CHECK
        made._shorter, made._refuted = self.shorter, self.refuted
        made._confirmed = self.confirmed
        made._asked.update(dict.fromkeys(self.asked, pmtu.CERTAIN))
        made._sent.update(self.asked)
        return made


def key(made: PmtuDiscovery) -> tuple[Phase, int, int, int, int]:
    return made.phase, made.rounds, made.minmtu, made.maxmtu, made.mtu


def lengths(step: ProbeStep) -> list[int]:
    return [probe.length for probe in step.probes]


def fixed(
    phase: Phase,
    rounds: int = 0,
    mtu: int = 1400,
    *,
    due: bool = False,
    confirmed: bool = False,
) -> State:
    """Return a state with a known MTU."""
    return State(phase, rounds, mtu, mtu, mtu, due=due, confirmed=confirmed)
