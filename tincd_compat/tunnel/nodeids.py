"""Nodes by the ID that stands for them in front of datagrams, six bytes of a hash."""

from __future__ import annotations

from tincd_compat.crypto.sptps.derivation import node_id
from tincd_compat.mesh.node import Mesh, Node


class NodeIds:
    """The IDs of the nodes that have sessions, and of our own.

    Who has one changes with the graph.  The table is made anew when it is asked for
    after that, and no hash is computed twice for a node.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._ids: dict[str, bytes] = {}
        self._nodes: dict[bytes, Node] | None = None

    def invalidate(self) -> None:
        """Nodes have come or gone."""
        self._nodes = None

    def of(self, node: Node) -> bytes:
        """Return the ID of a node."""
        found = self._ids.get(node.name)
        return node_id(node.name) if found is None else found

    def find(self, identifier: bytes) -> Node | None:
        """Return the node with that ID; None for no node that has sessions."""
        if self._nodes is None:
            self._nodes = self._made()
        return self._nodes.get(identifier)

    def _made(self) -> dict[bytes, Node]:
        mesh = self._mesh
        nodes = [node for node in mesh.nodes.values() if node.has_sessions]
        nodes.append(mesh.myself)
        # Names that have gone stay out.
        self._ids = {node.name: self.of(node) for node in nodes}
        return {self._ids[node.name]: node for node in nodes}
