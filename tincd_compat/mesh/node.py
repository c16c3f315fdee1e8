"""Nodes, edges and the tables that hold them.

A node's ``mtu`` is the limit enforced when routing through it; the discovery behind it
belongs to the tunnel.  The results of the graph search (``reachable``, ``nexthop``,
``via`` and so on) are written by :mod:`~tincd_compat.mesh.graph` and
:mod:`~tincd_compat.mesh.reach` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Final, Protocol

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.subnets import SubnetTable

#: Largest frame: 1500 bytes of payload, Ethernet header and VLAN tag.
MAX_MTU: Final = 1518


@dataclass(slots=True, eq=False)
class Node:
    """A host of the mesh, reachable or only heard of."""

    name: str
    address: SocketAddress | None = None
    #: The node's address in the index of the mesh, unless another node is there.
    listed: SocketAddress | None = field(default=None, init=False)
    #: The address of our connection with the node, if we have dialled it.
    dialled: SocketAddress | None = None
    options: int = 0
    #: Packets for the node go through a session with it (protocol 17.7).
    has_sessions: bool = False
    mtu: int = MAX_MTU
    reachable: bool = False
    visited: bool = False
    indirect: bool = False
    nexthop: Node | None = None
    via: Node | None = None
    prevedge: Edge | None = None
    #: The last edge of some unbroken path from us; see :mod:`~.mesh.reach`.
    lifeline: Edge | None = None
    edges: dict[str, Edge] = field(default_factory=dict)
    #: The number of edges that lead to the node.
    incoming: int = 0
    #: The edges by name of their targets; None after a change, until asked for.
    _in_order: list[Edge] | None = field(default=None, init=False)

    def __repr__(self) -> str:
        return f"Node({self.name!r})"

    @property
    def place(self) -> str:
        """The UDP address as log lines show it, ``(null)`` where there is none."""
        return str(self.address or "(null)")

    @property
    def label(self) -> str:
        """The ``NODE (HOST)`` by which log lines name another node than ours."""
        return f"{self.name} ({self.place})"

    def sorted_edges(self) -> Sequence[Edge]:
        """The outgoing edges in ascending order of the target's name."""
        if self._in_order is None:
            edges = self.edges
            # Most nodes have one edge, and a search asks each of ten thousand nodes.
            if len(edges) < 2:
                self._in_order = [*edges.values()]
            else:
                self._in_order = [edges[name] for name in sorted(edges)]
        return self._in_order

    def add_edge(self, edge: Edge) -> None:
        """Add an outgoing edge, in place of any other to the same node."""
        self.edges[edge.target.name] = edge
        self._in_order = None

    def remove_edge(self, edge: Edge) -> None:
        del self.edges[edge.target.name]
        self._in_order = None


@dataclass(slots=True, eq=False)
class Edge:
    """A directed edge; ``address`` is where ``source`` reaches ``target``."""

    source: Node
    target: Node
    address: SocketAddress
    options: int
    weight: int

    @property
    def reverse(self) -> Edge | None:
        return self.target.edges.get(self.source.name)

    @property
    def sort_key(self) -> tuple[int, str, str]:
        """tinc's global order; all nodes must agree on it."""
        return (self.weight, self.source.name, self.target.name)


class ChangeListener(Protocol):
    """A holder of answers that follow from the tables, told of every change there."""

    def graph_changed(self) -> None:
        """The graph was searched: every answer about a node may have changed."""

    def reachability_changed(self, nodes: Sequence[Node]) -> None:
        """These nodes alone became reachable or unreachable, by one event."""

    def subnet_changed(self, subnet: Subnet) -> None:
        """A node has got the subnet or lost it."""

    def addresses_changed(self, nodes: Sequence[Node]) -> None:
        """The UDP addresses of these nodes have changed or are gone."""


class _NoListener:
    def graph_changed(self) -> None: ...

    def reachability_changed(self, nodes: Sequence[Node]) -> None: ...

    def subnet_changed(self, subnet: Subnet) -> None: ...

    def addresses_changed(self, nodes: Sequence[Node]) -> None: ...


class Mesh:
    """The tables of one daemon: its own node, all others, their edges and subnets.

    Every change is reported to the ``listener``.
    """

    def __init__(self, name: str) -> None:
        self.myself = Node(name, reachable=True, visited=True)
        self.myself.nexthop = self.myself.via = self.myself
        self.nodes: dict[str, Node] = {name: self.myself}
        self.subnets: SubnetTable[Node] = SubnetTable()
        self.subnets.changed = lambda subnet: self.listener.subnet_changed(subnet)
        self.listener: ChangeListener = _NoListener()
        self._by_address: dict[SocketAddress, Node] = {}

    def place(self, node: Node) -> str:
        """Return where a node is, as log lines and dumps show it."""
        return "MYSELF" if node is self.myself else node.place

    def label(self, node: Node) -> str:
        """Return the ``NODE (HOST)`` by which log lines name any node."""
        return f"{node.name} ({self.place(node)})"

    def sorted_nodes(self) -> list[Node]:
        return [self.nodes[name] for name in sorted(self.nodes)]

    def get_or_add(self, name: str) -> Node:
        """Return the node of that name, creating an unreachable one if need be."""
        node = self.nodes.get(name)
        if node is None:
            node = self.nodes[name] = Node(name)
        return node

    def needed(self, node: Node) -> bool:
        """Tell whether the node has subnets, or edges in either direction."""
        return bool(node.edges or node.incoming or self.subnets.owns(node))

    def remove_node(self, node: Node) -> None:
        """Forget a node that is not needed."""
        self.set_address(node, None)
        self._unlist(node)
        del self.nodes[node.name]
        # The node would hold itself, until a search for cyclic garbage.
        node.nexthop = node.via = node.prevedge = node.lifeline = None

    def edges(self) -> Iterator[Edge]:
        """All edges, grouped by source and target name."""
        for node in self.sorted_nodes():
            yield from node.sorted_edges()

    def add_edge(
        self,
        source: Node,
        target: Node,
        address: SocketAddress,
        options: int,
        weight: int,
    ) -> Edge:
        edge = Edge(source, target, address, options, weight)
        target.incoming += target.name not in source.edges
        source.add_edge(edge)
        return edge

    def remove_edge(self, edge: Edge) -> None:
        edge.source.remove_edge(edge)
        edge.target.incoming -= 1

    def set_address(self, node: Node, address: SocketAddress | None) -> None:
        """Set or clear the UDP address of a node; the first at an address keeps it.

        A second node at the address has only heard of it; the first one stays there.
        """
        if address is not None and address.agrees_with(node.address):
            address = node.address
        moved = address is not node.address
        self.put_at(node, address)
        if moved:
            self.listener.addresses_changed((node,))

    def put_at(self, node: Node, address: SocketAddress | None) -> None:
        """Set or clear the UDP address of a node that the listener is told of anyway.

        Many may come or go at once, and be told in one word.  Most come back to where
        they were: so the index keeps what was cleared until somebody else is there.
        """
        node.address = address
        if address is not None and address is not node.listed:
            self._list(node, address)

    def _list(self, node: Node, address: SocketAddress) -> None:
        self._unlist(node)
        before = self._by_address.setdefault(address, node)
        if before is not node:
            if before.address is before.listed:
                return
            before.listed = None
            self._by_address[address] = node
        node.listed = address

    def _unlist(self, node: Node) -> None:
        if node.listed is not None:
            del self._by_address[node.listed]
            node.listed = None

    def node_by_address(self, address: SocketAddress) -> Node | None:
        """Return the node whose UDP address this is."""
        node = self._by_address.get(address)
        return node if node is not None and node.address is node.listed else None
