"""The tunnels of all nodes, made when first asked for, and begun anew with their nodes.

A node that comes or goes has no key of ours or from it that counts, and no path MTU.
One line of a member can do that to ten thousand nodes.  So their tunnels are only
noted: each is reset before anybody gets it, and those that nobody asks for in slices.
Whoever asks cannot tell the difference, nor whether a node went, came back, or both.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import MAX_MTU, Node
from tincd_compat.options import PMTU_DISCOVERY
from tincd_compat.tunnel import compression
from tincd_compat.tunnel.pmtu import PmtuDiscovery
from tincd_compat.tunnel.traffic import NOTHING, Traffic
from tincd_compat.tunnel.tunnel import DumpView, KeyFields, Parameters, Tunnel

if TYPE_CHECKING:
    from tincd_compat.tunnel.sessionsealer import SessionSealer
    from tincd_compat.tunnel.sptpscodec import SptpsOpener

#: How a node without a tunnel shows in the dump.
NO_TUNNEL: Final = DumpView(0, 0, 0, 0, 0, MAX_MTU, 0, MAX_MTU)


@dataclass(frozen=True, slots=True)
class Totals:
    """What has gone through tunnels, by direction and carrier."""

    sent: Traffic = NOTHING
    received: Traffic = NOTHING
    sent_by_tcp: Traffic = NOTHING
    received_by_tcp: Traffic = NOTHING

    @classmethod
    def of(cls, tunnel: Tunnel) -> Totals:
        return cls(
            tunnel.sent, tunnel.received, tunnel.sent_by_tcp, tunnel.received_by_tcp
        )

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.sent + other.sent,
            self.received + other.received,
            self.sent_by_tcp + other.sent_by_tcp,
            self.received_by_tcp + other.received_by_tcp,
        )


class NodeLabel:
    """Renders as log lines name a node: ``NODE (HOST)``."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __str__(self) -> str:
        return self._node.label


def _unheard(_node: Node) -> None:
    """Tell nobody."""


class Tunnels:
    """Keys, compression methods and path MTU of every node.

    Methods change a tunnel and return what a message has to say of it; whoever sends
    messages asks for them.
    """

    def __init__(
        self, parameters: Parameters, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._parameters = parameters
        self._random_bytes = random_bytes
        self._changed: Callable[[Node], None] = _unheard
        self._ended: Callable[[Node], None] = _unheard
        self._search: Callable[[Node], None] = _unheard
        self._made: dict[Node, Tunnel] = {}
        #: Nodes that came or went since their tunnel was reset.
        self._outdated: dict[Node, None] = {}
        #: Nodes whose keys or path MTU have changed, until they are taken out.
        self._touched: dict[Node, None] = {}
        #: What has gone through tunnels that are no more.
        self._forgotten = Totals()

    def attach(
        self,
        changed: Callable[[Node], None],
        ended: Callable[[Node], None] = _unheard,
        search: Callable[[Node], None] = _unheard,
    ) -> None:
        """Name who moves packets.

        :param changed: hears of every node whose tunnel has another key or path MTU
        :param ended: hears of each node whose tunnel was reset or is forgotten
        :param search: begins path MTU discovery for a node
        """
        self._changed, self._ended, self._search = changed, ended, search

    # The table.

    def of(self, node: Node) -> Tunnel:
        """Return the tunnel of a node."""
        tunnel = self._made.get(node)
        if tunnel is None:
            tunnel = self._made[node] = self._make(node)
        elif self._outdated:
            self.bring_up_to_date(node)
        return tunnel

    def _make(self, node: Node) -> Tunnel:
        label, parameters = NodeLabel(node), self._parameters
        pmtu = PmtuDiscovery(
            label,
            ping_interval=parameters.ping_interval,
            ping_timeout=parameters.ping_timeout,
            local_discovery=parameters.local_discovery,
        )
        return Tunnel(label, parameters, pmtu, partial(self._tell, node))

    def _tell(self, node: Node) -> None:
        self._touched[node] = None
        self._changed(node)

    def take_touched(self) -> list[Node]:
        """Return the nodes whose keys or path MTU have changed since the last time."""
        touched, self._touched = self._touched, {}
        return [*touched]

    def nodes(self) -> list[Node]:
        """Return the nodes that have a tunnel."""
        return [*self._made]

    def totals(self) -> Generator[None, None, Totals]:
        """Return what has gone through all tunnels; one of them is added each step."""
        found = self._forgotten
        for tunnel in tuple(self._made.values()):
            found += Totals.of(tunnel)
            yield
        return found

    def known(self, node: Node) -> Tunnel | None:
        """Return the tunnel of a node if anybody has asked for it."""
        return self.of(node) if node in self._made else None

    def dump(self, node: Node) -> DumpView:
        """Return the part of the node's line in the dump that is about its tunnel."""
        tunnel = self.known(node)
        return NO_TUNNEL if tunnel is None else tunnel.dump()

    def udp_confirmed(self, node: Node) -> bool:
        """Tell whether packets are known to reach the node by UDP."""
        return self.of(node).pmtu.minmtu > 0

    # Nodes that come and go.

    @property
    def outdated(self) -> int:
        """The number of tunnels to be reset."""
        return len(self._outdated)

    def nodes_changed(self, nodes: Iterable[Node]) -> None:
        """Note nodes that became reachable or unreachable: their keys are void."""
        made = filter(self._made.__contains__, nodes)
        self._outdated.update(dict.fromkeys(made))

    def bring_up_to_date(self, node: Node) -> bool:
        """Reset the tunnel of a node if it is from before it came or went; tell that.

        What hears of the reset may ask for the tunnel, so the note of it comes first.
        """
        if node not in self._outdated:
            return False
        del self._outdated[node]
        self._made[node].reset()
        self._ended(node)
        return True

    def reset_outdated(self) -> Iterator[None]:
        """Reset the tunnels that nobody has asked for, one in each step."""
        while self._outdated:
            self.bring_up_to_date(next(iter(self._outdated)))
            yield

    def restarted(self, node: Node) -> None:
        """Forget what the node said: it may have started anew."""
        self.of(node).forget_peer()

    def forget(self, node: Node) -> None:
        """Forget a node that has left the tables."""
        self._outdated.pop(node, None)
        self._touched.pop(node, None)
        tunnel = self._made.pop(node, None)
        if tunnel is not None:
            self._forgotten += Totals.of(tunnel)
            self._ended(node)

    # Keys.

    def new_key(self, node: Node, now: float) -> KeyFields:
        """Make a key for packets from the node, which counts at once."""
        tunnel = self.of(node)
        tunnel.own_key_made = now
        return tunnel.new_own_key(self._random_bytes)

    def new_request(self, node: Node, now: float) -> tuple[str, ...]:
        """Note that the node is asked for its key; return what we can seal with."""
        self.of(node).requested(now)
        return compression.METHODS

    def key_requested(self, node: Node, methods: tuple[str, ...]) -> bool:
        """Note what the node can seal with; tell whether it waits to hear it of us."""
        tunnel = self.of(node)
        tunnel.methods = methods
        return bool(methods) and not tunnel.introduced

    def introduces(self, node: Node) -> bool:
        """Tell whether to send a request of ours ahead of an unasked key."""
        extended = self._parameters.compression > compression.MAX_COMMON_LEVEL
        return extended and not self.of(node).introduced

    def install_key(self, node: Node, key: KeyFields, now: float) -> bool:
        """Seal for the node with that key; False, and no valid key, if it is bad."""
        tunnel = self.of(node)
        tunnel.key_given = now
        self._touched[node] = None
        fields = (key.cipher, key.digest, key.maclength, key.compression)
        return tunnel.install_peer_key(key.key, *fields)

    def use_session(
        self, node: Node, sealer: SessionSealer, opener: SptpsOpener, now: float
    ) -> None:
        """Seal and open for the node in a session that is complete."""
        tunnel = self.of(node)
        tunnel.key_given = tunnel.own_key_made = now
        tunnel.use_session(sealer, opener)
        self._touched[node] = None
        self.search_mtu(node)

    def void_key(self, node: Node) -> None:
        """Stop using the key of the node and ask anew when next needed."""
        self.of(node).void_peer_key()

    def expire_keys(self) -> None:
        """Drop every key we handed out; who still uses one has to ask again."""
        for tunnel in self._made.values():
            tunnel.expire()

    def look_after_keys(self, now: float) -> Iterator[bool]:
        """Forget replaced keys; yield for each tunnel if its numbers are used up."""
        for tunnel in list(self._made.values()):
            tunnel.openers.tick(now)
            yield tunnel.needs_rekey

    # Path MTU.

    def limit_mtu(self, node: Node, mtu: int) -> None:
        """Route no longer frames through the node, until its path MTU is found."""
        self.of(node).pmtu.limit(mtu)

    def search_mtu(self, node: Node) -> None:
        """Let path MTU discovery begin, if the node takes part and it has not begun."""
        if node.options & PMTU_DISCOVERY and not self.of(node).pmtu.started:
            self._search(node)
