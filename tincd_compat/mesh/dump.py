"""The tables as tincd prints them: to the log on SIGUSR2, and as graphviz text.

Tables are as long as members like, so lines are made one by one.  Between two of them
nodes, edges and subnets may come and go: these are told of or not, all others once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge
from itertools import islice
from typing import Final, Protocol

from tincd_compat.mesh.node import Edge, Mesh, Node

_VISITED: Final = 0x08
_REACHABLE: Final = 0x10
_INDIRECT: Final = 0x20
#: Edges that are sorted in one step.
_SORTED_AT_ONCE: Final = 1000


class TunnelState(Protocol):
    """The data plane's part of a node's line: what it told us to use towards it.

    ``status`` holds the status bits the mesh does not know, i.e. 0x02 for a valid key.
    """

    @property
    def cipher(self) -> int: ...
    @property
    def digest(self) -> int: ...
    @property
    def maclength(self) -> int: ...
    @property
    def compression(self) -> int: ...
    @property
    def status(self) -> int: ...
    @property
    def mtu(self) -> int: ...
    @property
    def minmtu(self) -> int: ...
    @property
    def maxmtu(self) -> int: ...


def nodes(mesh: Mesh, tunnel: Callable[[Node], TunnelState]) -> Iterator[str]:
    """Return the lines about all nodes, by name."""
    yield "Nodes:"
    for node in mesh.sorted_nodes():
        yield _node_line(mesh, node, tunnel(node))
    yield "End of nodes."


def _node_line(mesh: Mesh, node: Node, tunnel: TunnelState) -> str:
    place = mesh.place(node)
    nexthop = node.nexthop.name if node.nexthop else "-"
    via = node.via.name if node.via else "-"
    return (
        f" {node.name} at {place} cipher {tunnel.cipher} digest {tunnel.digest}"
        f" maclength {tunnel.maclength} compression {tunnel.compression}"
        f" options {node.options:x} status {_status(node) | tunnel.status:04x}"
        f" nexthop {nexthop} via {via}"
        f" pmtu {tunnel.mtu} (min {tunnel.minmtu} max {tunnel.maxmtu})"
    )


def _status(node: Node) -> int:
    return (
        _VISITED * node.visited
        | _REACHABLE * node.reachable
        | _INDIRECT * node.indirect
    )


def edges(mesh: Mesh) -> Iterator[str]:
    """Return the lines about all edges, by the names of their ends."""
    yield "Edges:"
    for edge in mesh.edges():
        yield (
            f" {edge.source.name} to {edge.target.name} at {edge.address}"
            f" options {edge.options:x} weight {edge.weight}"
        )
    yield "End of edges."


def subnets(mesh: Mesh) -> Iterator[str]:
    """Return the lines about all subnets in the order of lookups."""
    yield "Subnet list:"
    for subnet, owner in mesh.subnets:
        yield f" {subnet} owner {owner.name}"
    yield "End of subnet list."


def graphviz(mesh: Mesh) -> Iterator[str]:
    """Return the GraphDumpFile in parts: nodes by name, edges by weight.

    Many parts are empty: while edges are sorted there is nothing to say.
    """
    yield "digraph {\n"
    for node in mesh.sorted_nodes():
        yield f'\t"{node.name}" [label = "{node.name}"];\n'
    every, runs = mesh.edges(), list[list[Edge]]()
    while run := sorted(islice(every, _SORTED_AT_ONCE), key=_by_weight):
        runs.append(run)
        yield ""
    for edge in merge(*runs, key=_by_weight):
        yield f'\t"{edge.source.name}" -> "{edge.target.name}";\n'
    yield "}\n"


def _by_weight(edge: Edge) -> tuple[int, str, str]:
    return edge.sort_key
