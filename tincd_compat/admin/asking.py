"""All nets of a host, asked together: none has to wait for another that hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from tincd_compat.admin.client import Client
from tincd_compat.admin.exposition import Scrape, ask
from tincd_compat.admin.text import clean
from tincd_compat.errors import TincError

#: Nets that are asked at the same time, and nets that are remembered.
MOST_AT_ONCE: Final = 16
MOST_NETS: Final = 256

#: Do this for each client, and return the results in their order.
Together = Callable[[Callable[[Client], Any], Sequence[Client]], Iterable[Any]]


def together(call: Callable[[Client], Any], clients: Sequence[Client]) -> list[Any]:
    """Ask the clients in threads."""
    if len(clients) < 2:
        return [call(client) for client in clients]
    with ThreadPoolExecutor(min(len(clients), MOST_AT_ONCE)) as pool:
        return list(pool.map(call, clients))


class Asker:
    """The nets that were named, or else all that have been seen to run.

    A net that was seen is remembered: its daemon takes its socket away when it ends,
    and a net that nobody speaks of any longer would be missed by no alert.
    """

    def __init__(
        self,
        named: Iterable[str],
        find: Callable[[], Iterable[str]],
        client: Callable[[str], Client],
        log: Callable[[str], object],
        together: Together,
    ) -> None:
        self._named = ["" if net == "." else net for net in named]
        self._find = find
        self._client = client
        self._log = log
        self._together = together
        self._clients = {net: client(net) for net in self._named}
        self._trouble: dict[str, str] = {}

    def client(self, net: str) -> Client | None:
        """Return the client of a net that is known; no other name makes a path."""
        return self._all().get(net)

    def nets(self) -> list[str]:
        """Return the nets that are known, in the order of their names."""
        return sorted(self._all())

    def scrapes(self) -> list[Scrape]:
        """Ask each net for all that is exposed; one that fails is down."""
        return list(self._together(self._scrape, list(self._all().values())))

    def _all(self) -> dict[str, Client]:
        if self._named:
            return self._clients
        for net in self._find():
            if net not in self._clients and len(self._clients) < MOST_NETS:
                # The old dictionary stays as it is: another thread may go through it.
                self._clients = {**self._clients, net: self._client(net)}
        return self._clients

    def _scrape(self, client: Client) -> Scrape:
        try:
            found = ask(client)
        except TincError as error:
            self._note(client.net, clean(error))
            return Scrape(client.net, None)
        if self._trouble.pop(client.net, None) is not None:
            self._log(f"{_named(client.net)} answers again")
        return found

    def _note(self, net: str, trouble: str) -> None:
        """Log a trouble once, however often the net is asked meanwhile."""
        if self._trouble.get(net) != trouble:
            self._trouble[net] = trouble
            self._log(f"{_named(net)}: {trouble}")


def _named(net: str) -> str:
    return f"net {clean(net)}" if net else "tincd without a net name"
