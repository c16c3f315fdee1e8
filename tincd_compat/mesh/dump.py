"""The tables as tincd prints them: to the log on SIGUSR2, and as graphviz text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from tincd_compat.mesh.node import Mesh, Node

_VISITED: Final = 0x08
_REACHABLE: Final = 0x10
_INDIRECT: Final = 0x20


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


def nodes(mesh: Mesh, tunnel: Callable[[Node], TunnelState]) -> list[str]:
    """Return the lines about all nodes, by name."""
    lines = [_node_line(mesh, node, tunnel(node)) for node in mesh.sorted_nodes()]
    return ["Nodes:", *lines, "End of nodes."]


def _node_line(mesh: Mesh, node: Node, tunnel: TunnelState) -> str:
    place = "MYSELF" if node is mesh.myself else str(node.address or "(null)")
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


def edges(mesh: Mesh) -> list[str]:
    """Return the lines about all edges, by the names of their ends."""
    lines = [
        f" {edge.source.name} to {edge.target.name} at {edge.address}"
        f" options {edge.options:x} weight {edge.weight}"
        for edge in mesh.edges()
    ]
    return ["Edges:", *lines, "End of edges."]


def subnets(mesh: Mesh) -> list[str]:
    """Return the lines about all subnets in the order of lookups."""
    lines = [f" {subnet} owner {owner.name}" for subnet, owner in mesh.subnets.all()]
    return ["Subnet list:", *lines, "End of subnet list."]


def graphviz(mesh: Mesh) -> str:
    """Return the text of the GraphDumpFile: nodes by name, edges by weight."""
    lines = [
        f'\t"{node.name}" [label = "{node.name}"];' for node in mesh.sorted_nodes()
    ]
    lines += [
        f'\t"{edge.source.name}" -> "{edge.target.name}";'
        for edge in sorted(mesh.edges(), key=lambda edge: edge.sort_key)
    ]
    return "\n".join(["digraph {", *lines, "}", ""])
