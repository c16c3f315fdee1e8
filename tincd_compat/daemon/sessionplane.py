"""Sessions with other nodes at work: what their rules ask for, and the keys they need.

This module loads the cryptography of protocol 17.7.  A daemon without an Ed25519 key
does not import it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from tincd_compat import logs, options
from tincd_compat.addresses import SocketAddress
from tincd_compat.control import effects as fx
from tincd_compat.control.sessions import NodeSessions, SessionPolicy
from tincd_compat.crypto.sptps import digits, keytext
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.crypto.sptps.derivation import node_id
from tincd_compat.crypto.sptps.handshake import Offer, Terms
from tincd_compat.errors import ConfigError
from tincd_compat.mesh.node import Node
from tincd_compat.meta.messages import KeyForm, Message, ReqKey
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.tunnel.sessionpath import SessionPath
from tincd_compat.tunnel.sessionsealer import SessionSealer
from tincd_compat.tunnel.sptpscodec import SptpsOpener, SptpsSealer, session_ends

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.config.ed25519 import SigningKey, VerifyingKey
    from tincd_compat.crypto.sptps.records import SptpsRecord
    from tincd_compat.daemon.hosts import HostFiles
    from tincd_compat.daemon.link import Link
    from tincd_compat.mesh.node import Mesh
    from tincd_compat.tunnel.delivery import Delivery
    from tincd_compat.tunnel.tunnels import Tunnels

#: Public keys of nodes that are remembered; a file is read for each of the others.
MAX_REMEMBERED: Final = 4096


class SessionPlane:
    """Performs the effects of session rules.

    ``lifetime`` draws the seconds until the keys of a session are renewed.
    """

    def __init__(
        self,
        mesh: Mesh,
        key: SigningKey,
        files: HostFiles,
        tunnels: Tunnels,
        settings: CurrentSettings,
        clock: Callable[[], float],
        lifetime: Callable[[], float],
    ) -> None:
        given = settings.current
        self._mesh = mesh
        self._files = files
        self._tunnels = tunnels
        self._settings = settings
        self._clock = clock
        #: Routes what came in a record over meta connections; finds the way of lines.
        self.route: Callable[[Node, SptpsRecord], None] = lambda _node, _record: None
        self.link_towards: Callable[[Node], Link | None] = lambda _node: None
        #: Keys that were found in host files.  A link can bring others at any time.
        self._keys: dict[str, VerifyingKey] = {}
        self._ends = session_ends(
            switching=given.mode is not Mode.ROUTER, window_bytes=given.replay_window
        )
        #: The rules.
        self.rules = NodeSessions(
            mesh.myself,
            SessionPolicy(
                own=key,
                keys=self._key_of,
                make=self._make,
                lifetime=lifetime,
                learns=given.learn_keys,
            ),
        )

    def path(self, delivery: Delivery) -> SessionPath:
        """Make what moves packets of sessions."""
        given = self._settings.current
        path = SessionPath(
            self._mesh,
            self._tunnels.of,
            delivery,
            own_options=self._mesh.myself.options,
            switching=given.mode is not Mode.ROUTER,
            relays=given.forwarding is Forwarding.INTERNAL,
        )
        path.control = self
        return path

    def _make(self, terms: Terms) -> DatagramSession:
        return DatagramSession(
            terms, lambda: Offer.fresh(secrets.token_bytes), self._ends
        )

    # Public keys.

    def _key_of(self, node: Node) -> VerifyingKey | None:
        """Return the public key of a node by its host file, None if there is none."""
        key = self._keys.get(node.name)
        if key is not None:
            return key
        try:
            key = self._files.ed25519(node.name)
        except ConfigError as error:
            logs.protocol.warning("%s", error)
        if key is not None:
            self._remember(node, key)
        return key

    def _remember(self, node: Node, key: VerifyingKey) -> None:
        if len(self._keys) >= MAX_REMEMBERED:
            self._keys.clear()
        self._keys[node.name] = key

    def hosts_changed(self) -> None:
        """Read host files again: they may say something else."""
        self._keys.clear()

    # What the rules ask for.

    def perform(self, found: Iterable[fx.Effect]) -> None:
        """Carry out effects of session rules in their order."""
        for effect in found:
            match effect:
                case fx.SendTowards(node, message):
                    self._send(node, message)
                case fx.SessionReady(node, session, _level):
                    self._use(node, session)
                case fx.SessionRecord(node, record):
                    self.route(node, record)
                case fx.KeyLearned(node, key):
                    self._learn(node, key)
                case fx.AddressSeen(node, host, port):
                    self._seen(node, SocketAddress.parse(host, port))

    def _send(self, node: Node, message: Message) -> None:
        link = self.link_towards(node)
        if link is not None:
            link.send(message)

    def _use(self, node: Node, session: DatagramSession) -> None:
        sealer, opener = session.sealer, session.opener
        assert isinstance(sealer, SptpsSealer)
        assert isinstance(opener, SptpsOpener)
        ids = node_id(self._mesh.myself.name), node_id(node.name)
        outgoing = SessionSealer(sealer, *ids)
        self._tunnels.use_session(node, outgoing, opener, self._clock())

    def _learn(self, node: Node, key: VerifyingKey) -> None:
        self._remember(node, key)
        try:
            self._files.learn(node.name, keytext.public_text(key))
        except ConfigError as error:
            logs.always.error("%s", error)

    def _seen(self, node: Node, address: SocketAddress | None) -> None:
        """Use the address at which a node was seen, until one is proved."""
        if address is not None and not self._tunnels.udp_confirmed(node):
            text = "Using reflexive UDP address from %s: %s"
            logs.protocol.debug(text, node.name, address)
            self._mesh.set_address(node, address)

    # What packets ask for.

    def want(self, node: Node) -> None:
        """Begin a session with a node, unless that was done a moment ago."""
        bare = (self._mesh.myself.options | node.options) & options.TCPONLY
        if not (bare and node.nexthop is node):
            self.perform(self.rules.want(node, self._clock()))

    def unopened(self, node: Node, heard: float, now: float) -> None:
        """Begin anew, if datagrams of a node that do not open are a reason to."""
        if node.reachable and node.has_sessions:
            self.perform(self.rules.unopened(node, heard, now))

    def send_datagram(self, author: Node, node: Node, datagram: bytes) -> bool:
        """Send a datagram in a REQ_KEY; False if too many bytes wait for the link."""
        link = self.link_towards(node)
        limit = max(1, self._settings.current.max_output_buffer_size)
        if link is None or not link.has_room(limit):
            return False
        ends = author.name, node.name
        link.send(ReqKey(*ends, (), KeyForm.DATAGRAM, digits.encode(datagram)))
        return True

    # Nodes that come and go, and time.

    def forget(self, nodes: Iterable[Node]) -> None:
        """Forget nodes that came, went or may have been started anew."""
        for node in nodes:
            self.rules.forget(node)

    def tick(self, now: float) -> Iterator[None]:
        """Renew keys and sessions; one node is looked after in each step."""
        for effects in self.rules.tick(now):
            self.perform(effects)
            yield
