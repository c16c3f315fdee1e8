"""The meta connections: set up, activate, keep alive, end.

Order matters in two places.  Activation queues the state dump and this node's new edge
before the graph runs, because becoming reachable wipes the keys a peer holds of us.
Termination removes our edge and runs the graph before the opposite edge goes
(tinc 1.0.36 behaviour, which neighbours rely on).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tincd_compat import logs, options
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.hostnames import HostNames
from tincd_compat.daemon.hosts import HostFiles, link_options, own_options
from tincd_compat.daemon.link import End, Link
from tincd_compat.daemon.linktable import LinkTable
from tincd_compat.daemon.privateops import Crowded, PrivateOperations
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.errors import ConfigError, PeerError
from tincd_compat.meta.connection import (
    Activated,
    DecryptNeeded,
    Event,
    Identity,
    MetaConnection,
    PacketsReceived,
    PeerIdentity,
    Received,
    Role,
)
from tincd_compat.meta.events import KeysExchanged
from tincd_compat.meta.messages import Pong, Request
from tincd_compat.observe.words import LinkEnd
from tincd_compat.transport.tcp import Tarpit, source_address
from tincd_compat.transport.turns import Turns

if TYPE_CHECKING:
    from tincd_compat.config.current import CurrentSettings
    from tincd_compat.config.hosts import HostSettings
    from tincd_compat.config.keys import PrivateKey
    from tincd_compat.control.outgoing import Outgoing
    from tincd_compat.daemon.control import ControlPlane
    from tincd_compat.mesh.node import Node
    from tincd_compat.meta.proxydialogues import Target

#: Links that each have a graph run of their own when the daemon stops, and the seconds
#: for all these runs.
STOP_RUNS: Final = 16
STOP_RUNS_TIME: Final = 0.2
#: Callers that may be in the handshake at a time.  The accept limit alone does not
#: bound them where PingTimeout is long.
MAX_STRANGERS: Final = 128


class Links(LinkTable):
    """Sets up, activates and ends all meta connections of the daemon."""

    def __init__(
        self,
        settings: CurrentSettings,
        private_key: PrivateKey,
        identity: Identity,
        files: HostFiles,
        tarpit: Tarpit,
        unexpected: UnexpectedErrors,
        *,
        bypass_security: bool,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._identity = identity
        self._files = files
        self._tarpit = tarpit
        self._unexpected = unexpected
        self._bypass_security = bypass_security
        self._loop = loop or asyncio.get_running_loop()
        self.operations = PrivateOperations(private_key, self._loop)
        self._turns = Turns(self._loop, done=self._batch_done)
        self._control: ControlPlane
        self._packets_received: Callable[[list[bytes], Link], None]
        self._names = HostNames()
        self.listening: Sequence[SocketAddress] = ()
        self._closing = False
        #: Callers whose connection has ended before it was active, by the reason.
        self.failed_callers: Counter[LinkEnd] = Counter()
        #: Called with each link that becomes active, and with each that has ended.
        self.began: Callable[[Link], None] = lambda link: None
        self.ended: Callable[[Link], None] = lambda link: None
        #: Called when a PONG has come, or a link has ended.
        self.answered: Callable[[], None] = lambda: None

    def attach(
        self,
        control: ControlPlane,
        packets_received: Callable[[list[bytes], Link], None],
    ) -> None:
        """Set the receivers of messages and of packets."""
        self._control = control
        self._packets_received = packets_received

    def announce_port(self, port: str) -> None:
        """Send this port in ACK from now on."""
        self._identity = replace(self._identity, port=port)

    @property
    def announced_port(self) -> str:
        """The port in our ACK."""
        return self._identity.port

    # For the dialer.

    def link_to(self, name: str) -> Link | None:
        """Return the active link with the node of that name, if any."""
        node = self._control.mesh.nodes.get(name)
        return None if node is None else self._by_node.get(node)

    def read_host(self, name: str) -> HostSettings:
        """Read hosts/NAME; ConfigError if that is impossible."""
        return self._files.read(name)

    def source_for(self, address: SocketAddress) -> SocketAddress | None:
        """Return the local address to dial from, or None for any."""
        return source_address(self.listening, address.is_ipv6)

    def dialled(
        self,
        sock: socket.socket,
        address: SocketAddress,
        outgoing: Outgoing,
        started: float,
        *,
        proxied: Target | None = None,
    ) -> Link:
        """Begin the handshake on a connected socket.

        ``proxied`` is whom a proxy has been asked for, ``address`` what it has said.
        """
        role = Role.INITIATOR
        link = self._new_link(role, sock, address, outgoing, started, proxied)
        link.connection.start()
        link.socket.plan_flush()
        return link

    def accepted(self, sock: socket.socket, address: SocketAddress) -> None:
        """Begin the handshake with a caller."""
        logs.connections.log(logs.NOTICE, "Connection from %s", address)
        self._make_room()
        self._new_link(Role.RESPONDER, sock, address, None, self._loop.time())

    def _make_room(self) -> None:
        """End the connection of the oldest caller in the handshake, of too many."""
        strangers = [link for link in self._all if not (link.active or link.outgoing)]
        if len(strangers) >= MAX_STRANGERS:
            line = "Too many callers, giving up the oldest"
            logs.connections.warning("%s", line)
            end = End(LinkEnd.CROWDED, line)
            self.terminate(strangers[0], end, report=False)

    def _new_link(
        self,
        role: Role,
        sock: socket.socket,
        address: SocketAddress,
        outgoing: Outgoing | None,
        started: float,
        proxied: Target | None = None,
    ) -> Link:
        # Weak, so that a link that has ended is gone without a search for cycles.
        asking: weakref.ref[Link]

        def find_peer(name: str) -> PeerIdentity:
            host = self._files.read(name)
            if (link := asking()) is not None:
                link.host = host
            own = own_options(self._settings.current, self._files.minor)
            if self._bypass_security:
                return PeerIdentity(None, host.weight, link_options(own, host))
            identity = self._files.identity(name, host, own)
            if link is not None and identity.public_key is not None:
                link.rsa_bits = 8 * identity.public_key.size
            return identity

        settings = self._settings.current
        connection = MetaConnection(
            role,
            self._identity,
            find_peer,
            # Looking up the name and connecting count for the weight of the edge, but
            # not for the time that the handshake may take.
            now=self._loop.time(),
            started=started,
            random_bytes=secrets.token_bytes,
            peer_name=outgoing.name if outgoing else None,
            hostname=str(proxied or address),
            proxied=proxied is not None,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            bypass_security=self._bypass_security,
        )
        link = Link(
            connection,
            sock,
            address,
            outgoing,
            self._handle,
            self._lost,
            self._loop,
            self._turns,
            patience=settings.ping_timeout,
        )
        asking = weakref.ref(link)
        self._all[link] = None
        if settings.hostnames and proxied is None:
            self._names.improve(connection, address)
        return link

    # Reports of links.

    def _handle(self, link: Link, event: Event) -> None:
        match event:
            case Received(message, line):
                self.received[message.request] += 1
                if isinstance(message, Pong):
                    self._pong(link)
                else:
                    self._control.handle(link, message, line)
            case PacketsReceived(frames):
                self.received[Request.PACKET] += len(frames)
                self._control.settle_detours()
                self._packets_received(frames, link)
            case DecryptNeeded(ciphertext):
                self._decrypt(link, ciphertext)
            case KeysExchanged(key):
                self._keys_exchanged(link, key)
            case Activated():
                self._activate(link, event)

    def _batch_done(self) -> None:
        self._control.batch_done()

    def _lost(self, link: Link, error: Exception) -> None:
        """End a link for an error; one of ours costs this link and no other."""
        if isinstance(error, PeerError):
            end = link.log_error(error)
        else:
            end = End(LinkEnd.INTERNAL, f"Internal error: {error}")
            self._unexpected.report(f"Internal error, giving up {link}", error)
        self.terminate(link, end, report=link.active)

    def _pong(self, link: Link) -> None:
        link.proven = True
        if link.outgoing is not None:
            link.outgoing.rewind()
        self.answered()

    def _decrypt(self, link: Link, ciphertext: bytes) -> None:
        """Ask for the private-key operation; callers share by where they call from."""
        source = None if link.outgoing is not None else link.address.network
        link.block = self.operations.ask(ciphertext, source)
        link.block.add_done_callback(partial(self._decrypted, link))

    def _decrypted(self, link: Link, future: asyncio.Future[bytes]) -> None:
        now = self._loop.time()
        link.block = None
        if future.cancelled():
            return
        try:
            block = future.result()
        except Crowded:
            line = f"Too many callers, giving up {link}"
            logs.connections.warning("%s", line)
            self.terminate(link, End(LinkEnd.CROWDED, line), report=False)
        except ValueError:
            link.feed(partial(link.connection.decrypt_failed, now))
        except Exception as error:
            # The key or the machine is broken, which is not the peer's fault.
            self._lost(link, error)
        else:
            link.feed(partial(link.connection.decrypted, block, now))

    def _keys_exchanged(self, link: Link, key: str | None) -> None:
        """Keep the peer's Ed25519 key, and end the link to make one with it."""
        name = link.connection.name
        if key is not None:
            logs.connections.info("Learned the Ed25519 public key of %s", link)
            try:
                self._files.learn(name, key)
            except ConfigError as error:
                logs.always.error("%s", error)
        # TERMREQ leaves before the socket is closed.
        link.socket.flush()
        end = End(LinkEnd.UPGRADED, "Ed25519 keys are exchanged")
        self.terminate(link, end, report=False)

    # Activation.

    def _activate(self, link: Link, event: Activated) -> None:
        node = self._control.mesh.get_or_add(link.connection.name)
        old = self._by_node.get(node)
        if old is not None:
            line = f"Established a second connection with {old}, closing old connection"
            logs.connections.debug("%s", line)
            self.terminate(old, End(LinkEnd.REPLACED, line), report=False)
        self._by_node[node] = link
        link.node = node
        link.since, link.said = self._loop.time(), event
        # An address that we dialled can be dialled again, unless a proxy did it.
        ours = link.outgoing is not None and self._settings.current.proxy is None
        node.dialled = link.address if ours else None
        self._limit_mtu(link, node)
        logs.connections.log(logs.NOTICE, "Connection with %s activated", link)
        bits = self._combined_options(link, event)
        link.options = bits
        self._control.link_up(link, event, bits)
        self.began(link)

    def _combined_options(self, link: Link, event: Activated) -> int:
        bits = options.combine(event.my_options, event.options)
        if link.host is not None and link.host.clamp_mss is not None:
            bits &= ~options.CLAMP_MSS
            bits |= options.CLAMP_MSS if link.host.clamp_mss else 0
        return bits

    def _limit_mtu(self, link: Link, node: Node) -> None:
        limits = [self._settings.current.pmtu]
        if link.host is not None:
            limits.append(link.host.pmtu)
        for limit in limits:
            if limit is not None:
                self._control.tunnels.limit_mtu(node, limit)

    # The end of a link.

    def terminate(
        self, link: Link, end: End, *, report: bool, settle: bool = True
    ) -> None:
        """End a connection; ``report`` sends a DEL_EDGE of our edge to all.

        Without ``settle`` the graph is left for the caller to run.
        """
        if link not in self._all:
            return
        logs.connections.log(logs.NOTICE, "Closing connection with %s", link)
        was_active = link.connection.active
        link.end = end
        if not was_active and link.outgoing is None:
            self.failed_callers[end.reason] += 1
        del self._all[link]
        self._keep_counts(link)
        sock = link.socket.detach()
        if was_active or self._closing or end.reason is LinkEnd.UPGRADED:
            sock.close()
        else:
            self._tarpit.add(sock)
        link.ended.set()
        if link.block is not None:
            link.block.cancel()
        # What follows from it is told after it.
        self.ended(link)
        self.answered()
        if link.node is not None:
            if self._by_node.get(link.node) is link:
                del self._by_node[link.node]
                link.node.dialled = None
            self._control.link_down(link.node, report, settle)
        if not self._all and not self._closing:
            self._control.purge()

    def close(self) -> None:
        """End all connections at shutdown; peers see the socket close."""
        self._closing = True
        self._names.close()
        self.operations.close()
        # The scripts of those who are lost with a link come before those of the next,
        # as in tincd, unless there is so much to do that a stop would take long.
        patience = self._loop.time() + STOP_RUNS_TIME
        end = End(LinkEnd.STOP, "This daemon stops")
        for number, link in enumerate(self):
            quick = number < STOP_RUNS and self._loop.time() < patience
            self.terminate(link, end, report=False, settle=quick)
        self._control.settle()

    def recheck_hosts(self) -> Iterator[None]:
        """End the links whose host file is gone or has changed (SIGHUP).

        One link is looked at in each step.

        No link keeps its ConnectTo: whoever reloads dials anew and finds those that are
        left.  A connection that has not said its name has no host file.
        """
        end = End(LinkEnd.RELOADED, "Its host file was changed or is gone")
        for link in self:
            link.outgoing = None
            if link.host is None or not self._same_host(link, link.host):
                self.terminate(link, end, report=link.active)
            yield

    def _same_host(self, link: Link, known: HostSettings) -> bool:
        try:
            return self._files.read(link.connection.name) == known
        except ConfigError as error:
            logs.always.error("%s", error)
            return False

    # Time.

    def ping_all(self) -> None:
        """Send a PING on every active link (SIGALRM)."""
        for link in self.active():
            self.ping(link)

    def ping(self, link: Link) -> None:
        """Send a PING on an active link."""
        link.connection.ping(self._loop.time())
        link.socket.plan_flush()
