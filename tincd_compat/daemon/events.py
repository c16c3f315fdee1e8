"""Which script runs when the mesh changes, and with which variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.mesh.node import Node
from tincd_compat.service.scripts import ScriptRunner, script_environment


class ScriptEvents:
    """Queues the scripts of tinc.conf(5) in the order of tinc 1.0.36."""

    def __init__(
        self,
        runner: ScriptRunner,
        *,
        netname: str | None,
        name: str,
        device: str,
        interface: str,
    ) -> None:
        self._runner = runner
        self._name = name
        self._variables: Callable[..., dict[str, str]] = lambda **more: (
            script_environment(
                netname=netname, name=name, device=device, interface=interface, **more
            )
        )

    def device(self, up: bool) -> None:
        """tinc-up or tinc-down."""
        self._run(f"tinc-{_word(up)}")

    def host(self, node: Node, up: bool, address: SocketAddress | None) -> None:
        """host-up and hosts/NAME-up, or their counterparts."""
        for name in (f"host-{_word(up)}", f"hosts/{node.name}-{_word(up)}"):
            self._run(name, node=node.name, address=address)

    def subnet(
        self, node: Node, subnet: Subnet, up: bool, address: SocketAddress | None
    ) -> None:
        """subnet-up or subnet-down; a subnet of ours has no remote address."""
        place = None if node.name == self._name else address
        self._run(f"subnet-{_word(up)}", node=node.name, address=place, subnet=subnet)

    def _run(self, name: str, **about: Any) -> None:
        if not self._runner.absent(name):
            self._runner.run(name, self._variables(**about))


def _word(up: bool) -> str:
    return "up" if up else "down"
