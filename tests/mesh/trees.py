"""The broadcast tree as a whole: the parts of it that its nodes know, put together."""

from __future__ import annotations

from tincd_compat.mesh.broadcast import tree_edges
from tincd_compat.mesh.node import Edge, Mesh


def broadcast_tree(mesh: Mesh) -> frozenset[Edge]:
    """Return the edges that carry broadcasts; each end of one must know it."""
    parts = {
        node: set(tree_edges(node)) for node in mesh.nodes.values() if node.reachable
    }
    tree = frozenset(edge for part in parts.values() for edge in part)
    for edge in tree:
        assert edge in parts[edge.source]
        assert edge in parts[edge.target]
    return tree
