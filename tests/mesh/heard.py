"""A listener that writes down what it hears of a mesh."""

from __future__ import annotations

from collections.abc import Sequence

from tincd_compat.addresses import Subnet
from tincd_compat.mesh.node import Mesh, Node


class Heard:
    """What the mesh has told, in order; :meth:`take` returns and forgets it."""

    def __init__(self, mesh: Mesh) -> None:
        self._words: list[str] = []
        mesh.listener = self

    def graph_changed(self) -> None:
        self._words.append("graph")

    def reachability_changed(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._words.append(f"{node.name} {'up' if node.reachable else 'down'}")

    def subnet_changed(self, subnet: Subnet) -> None:
        self._words.append(f"subnet {subnet}")

    def addresses_changed(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._words.append(f"address of {node.name}: {node.address}")

    def take(self) -> list[str]:
        words, self._words = self._words, []
        return words
