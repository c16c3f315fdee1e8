"""MAC addresses learned from our own device, and who else has announced them.

Where sites are bridged in a ring, or a station moves, several nodes announce the same
address; for all other nodes the order of the table decides who owns it.  So a word that
has got old is taken back at once when the station is heard from elsewhere, and one that
holds is said again after that of others, which makes a tincd take back its own.

While a ring is closed everybody hears the station, and nobody may be led into saying
more and more: what was heard here a moment ago is no old word, and each address is said
again ever more rarely.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Final

from tincd_compat.dataclass import dataclass

#: Seconds for which a station may speak unheard: the short ways of frames report their
#: authors every five seconds.
FRESH: Final = 6.0
#: Seconds after which a word that holds is said again, the first time and at most.
FIRST_PAUSE: Final = 10.0
LONGEST_PAUSE: Final = 640.0
#: Words said again between two ticks, of all stations together.
MAX_REPEATED: Final = 50
#: Others that are remembered to have announced one address.
MAX_RIVALS: Final = 8


@dataclass(slots=True)
class Station:
    """``heard`` here last, ``expiry`` in seconds of the same clock.

    ``rivals`` are names of others that have announced the address since we did.
    """

    heard: float
    expiry: float
    rivals: set[str] = field(default_factory=set)
    #: When our word may be said again, and the pause after that.
    due: float = 0.0
    pause: float = FIRST_PAUSE


class Stations:
    """The stations behind our device.  Times are parameters."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._known: dict[bytes, Station] = {}
        self._repeated = 0

    def __contains__(self, mac: bytes) -> bool:
        return mac in self._known

    def get(self, mac: bytes) -> Station | None:
        return self._known.get(mac)

    def add(self, mac: bytes, now: float) -> None:
        """Note a new station."""
        self._known[mac] = Station(now, now + self._lifetime)

    def speaks(self, mac: bytes, now: float) -> None:
        """Note a frame of a known station at our own device."""
        station = self._known[mac]
        station.heard, station.expiry = now, now + self._lifetime

    def forget(self, mac: bytes) -> None:
        self._known.pop(mac, None)

    def is_stale(self, mac: bytes, now: float) -> bool:
        """Tell whether a station is known, but was not heard here just now."""
        station = self._known.get(mac)
        return station is not None and now - station.heard >= FRESH

    def claimed(self, mac: bytes, rival: str, now: float) -> None:
        """Note another node's claim to our station, which goes unless it speaks."""
        station = self._known[mac]
        station.expiry = now
        if not station.rivals:
            station.due = now + station.pause
        if len(station.rivals) < MAX_RIVALS:
            station.rivals.add(rival)

    def repeats(self, station: Station, now: float) -> bool:
        """Tell whether to say again, against rivals, that a station is ours."""
        if now < station.due or self._repeated >= MAX_REPEATED:
            return False
        self._repeated += 1
        station.pause = min(2 * station.pause, LONGEST_PAUSE)
        station.due = now + station.pause
        return True

    def expired(self, now: float) -> Iterator[bytes]:
        """Yield the stations that have been silent too long; called once per tick."""
        self._repeated = 0
        silent = (mac for mac, each in self._known.items() if each.expiry <= now)
        for mac in sorted(silent):
            station = self._known.get(mac)
            if station is not None and station.expiry <= now:
                yield mac
