"""The lines at debug level 0 about each ConnectTo: lost, found, or a wrong key.

C tincd says nothing of a peer that is lost at that level.  A line here comes when a
ConnectTo stops or begins to work, however often it is tried in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.daemon.dials import dial_result
from tincd_compat.dataclass import dataclass
from tincd_compat.observe.words import DialResult, LinkEnd

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.daemon.link import Link


@dataclass(slots=True)
class _Notified:
    """What was said of one ConnectTo; ``up`` is None as long as nothing was."""

    up: bool | None = None
    told_of_key: bool = False
    #: The last failure.
    result: DialResult | None = None
    words: str | None = None


class Notices:
    """Writes the lines; knows as many nodes as there are ConnectTo."""

    def __init__(self, settings: CurrentSettings) -> None:
        self._settings = settings
        self._peers: dict[str, _Notified] = {}

    def failed(self, name: str, result: DialResult, words: str | None) -> None:
        """An attempt at a node has failed; another address of it may follow."""
        peer = self._peer(name)
        if peer is None:
            return
        peer.result, peer.words = result, words
        if result is DialResult.WRONG_KEY and not peer.told_of_key:
            peer.told_of_key = True
            _tell(
                "ConnectTo %s: wrong key: the public key here in hosts/%s, or ours"
                " there, is another than that of its node",
                *(name, name),
            )

    def gave_up(self, name: str) -> None:
        """All addresses of a node were tried for now, or its link has ended."""
        peer = self._peer(name)
        if peer is None or peer.up is not None or peer.result is None:
            return
        peer.up = False
        # What is wrong with a host file has a line of that level already.
        if peer.result is not DialResult.HOST_FILE:
            words = peer.words or peer.result
            _tell("ConnectTo %s: no connection yet: %s", name, words)

    def link_began(self, link: Link) -> None:
        """A link is active, whoever has opened it."""
        peer = self._peer(link.connection.name)
        if peer is None or peer.up:
            return
        peer.up, peer.told_of_key = True, False
        place = link.connection.hostname
        _tell("ConnectTo %s: connected (%s)", link.connection.name, place)

    def link_ended(self, link: Link) -> None:
        """A link has ended, or an attempt of ours in the handshake."""
        assert link.end is not None
        reason, words = link.end
        if reason is LinkEnd.UPGRADED:
            return
        if not link.connection.active:
            # A caller in the handshake has no more than said a name.
            if link.outgoing is not None:
                unread = link.connection.key_unread
                self.failed(link.outgoing.name, dial_result(reason, unread), words)
            return
        peer = self._peer(link.connection.name)
        # Another link is there already, or all of them end.
        if peer is None or reason in (LinkEnd.REPLACED, LinkEnd.STOP):
            return
        peer.up = False
        _tell("ConnectTo %s: connection lost: %s", link.connection.name, words)

    def _peer(self, name: str) -> _Notified | None:
        wanted = self._settings.current.connect_to
        if name not in wanted:
            return None
        if name not in self._peers:
            # Names that are no ConnectTo any longer make room.
            self._peers = {n: p for n, p in self._peers.items() if n in wanted}
            self._peers[name] = _Notified()
        return self._peers[name]


def _tell(text: str, *args: object) -> None:
    logs.always.log(logs.NOTICE, text, *args)
