"""Many daemons on one network: how they are wired, started and brought to rest."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final

from tests.simulation.network import Network
from tests.simulation.node import AddressBook, Daemon
from tincd_compat.addresses import Subnet
from tincd_compat.config.settings import Settings

#: Who calls whom.
Calls = list[tuple[str, str]]

#: Seconds without news on any stream after which nothing more is to be expected.
QUIET: Final = 30.0


def names(count: int) -> list[str]:
    return [f"n{number:03}" for number in range(count)]


def random_calls(members: list[str], degree: float, random: Random) -> Calls:
    """A random connected topology: a tree and further links up to that mean degree."""
    pairs = {(random.choice(members[:i]), members[i]) for i in range(1, len(members))}
    while len(pairs) < len(members) * degree / 2:
        first, second = sorted(random.sample(members, 2))
        pairs.add((first, second))
    return [pair if random.random() < 0.5 else pair[::-1] for pair in sorted(pairs)]


class World:
    """The daemons by name.  Nothing runs before :meth:`start`."""

    def __init__(
        self, calls: Calls, seed: int, *, repeats_nonces: bool = False
    ) -> None:
        self.random = Random(seed)
        self.network = Network(seed)
        self.loop = self.network.loop
        self.calls = calls
        self.members = sorted({name for pair in calls for name in pair})
        files = AddressBook(self.members)
        self.daemons = {}
        for number, name in enumerate(self.members):
            targets = tuple(called for caller, called in calls if caller == name)
            subnet = Subnet.parse(f"172.{16 + (number >> 8)}.{number & 255}.0/24")
            assert subnet is not None
            settings = Settings(name=name, connect_to=targets, subnets=(subnet,))
            self.daemons[name] = Daemon(
                self.network, settings, files, str(seed), repeats_nonces
            )

    @property
    def links(self) -> int:
        """How many pairs of nodes are to be linked."""
        return len({frozenset(pair) for pair in self.calls})

    @property
    def running(self) -> list[Daemon]:
        return [daemon for daemon in self.daemons.values() if daemon.running]

    def start(self, members: Iterable[str], within: float) -> None:
        """Start daemons at random moments of the next seconds."""
        for name in members:
            delay = self.random.uniform(0, within)
            self.loop.call_later(delay, self.daemons[name].start)

    def restart(self, members: Iterable[str], within: float, pause: float) -> None:
        """Kill daemons at random moments, and start each after a pause."""
        for name in members:
            delay = self.random.uniform(0, within)
            self.loop.call_later(delay, self.daemons[name].kill)
            self.loop.call_later(delay + pause, self.daemons[name].start)

    def settle(self, limit: float = 300.0) -> float:
        """Run until there has been no news for a while; return how long it took."""
        traffic, started = self.network.traffic, self.loop.time()
        traffic.last_news = started
        while (now := self.loop.time()) - traffic.last_news < QUIET:
            assert now - started < limit, f"no rest after {limit} seconds"
            self.loop.run_for(1.0)
        return traffic.last_news - started
