"""News of links and dials: for the journal, the log, and whoever shows the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tincd_compat.daemon.journal import Journal
from tincd_compat.daemon.notices import Notices
from tincd_compat.mesh.node import Mesh
from tincd_compat.observe.words import DialResult

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link
    from tincd_compat.meta.proxydialogues import Target


class LinkNews:
    """A listener to links and attempts: informs journal, log and display."""

    def __init__(
        self,
        mesh: Mesh,
        journal: Journal,
        notices: Notices,
        clock: Callable[[], float],
    ) -> None:
        self._mesh = mesh
        self._journal = journal
        self._notices = notices
        self._clock = clock
        #: Called when a link has begun or ended.
        self.changed: Callable[[], None] = lambda: None

    def began(self, link: Link) -> None:
        """Note that a link is active."""
        node = link.node
        edge = None if node is None else self._mesh.myself.edges.get(node.name)
        self._journal.link_up(link, None if edge is None else edge.weight)
        self._notices.link_began(link)
        self.changed()

    def ended(self, link: Link) -> None:
        """Note that a link has ended, or an attempt in the handshake."""
        self._journal.link_down(link, self._clock())
        self._notices.link_ended(link)
        self.changed()

    def dial_failed(
        self, name: str, result: DialResult, target: Target | None, words: str | None
    ) -> None:
        """Note that an attempt at one address of a ConnectTo has failed."""
        self._journal.dials.note(name, result, target, words)
        self._notices.failed(name, result, words)
