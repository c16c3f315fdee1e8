"""What each verb works with: the nets asked, the terminal, the time of day."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tincd_compat.admin.text import PLAIN, Style

if TYPE_CHECKING:
    from tincd_compat.admin.client import Client

#: Nothing was found to be wrong.
FINE: Final = 0
#: Something was found: a problem, a refusal.
FINDING: Final = 1
#: It cannot be told: not running, no permission, or the command line is wrong.
UNTOLD: Final = 2


class Session:
    """One call of the program; time, terminal and sockets are parameters."""

    def __init__(
        self,
        options: Namespace,
        *,
        clients: Callable[[], Sequence[Client]],
        write: Callable[[str], object],
        flush: Callable[[], object] = lambda: None,
        now: Callable[[], float],
        style: Style = PLAIN,
        width: int | None = None,
    ) -> None:
        self.options = options
        self.find = clients
        self._write = write
        self.flush = flush
        self.now = now
        self.style = style
        self.width = width

    @cached_property
    def clients(self) -> Sequence[Client]:
        """The nets that are meant, at least one."""
        return self.find()

    def only(self) -> Client:
        """Return the net to change; to change the wrong one is worse than to ask."""
        from tincd_compat.admin.client import Unanswered

        if len(self.clients) > 1:
            names = ", ".join(client.net or "." for client in self.clients)
            raise Unanswered(f"several nets run, say which: -n NET, of {names}")
        return self.clients[0]

    def say(self, line: str = "") -> None:
        """Write a line."""
        self._write(f"{line}\n")

    def data(self, text: str) -> None:
        """Write text that has its ends of lines."""
        self._write(text)
