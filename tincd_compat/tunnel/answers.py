"""Probes of path MTU discovery that have arrived: answered, or an answer credited."""

from __future__ import annotations

from collections.abc import Callable

from tincd_compat import logs
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.options import Minor, minor
from tincd_compat.tunnel.askedprobes import AskedProbes
from tincd_compat.tunnel.delivery import Delivery
from tincd_compat.tunnel.drops import Loss
from tincd_compat.tunnel.pmtu import answer, answered_length, is_request, short_answer
from tincd_compat.tunnel.tunnel import Tunnel


class ProbeAnswers:
    """Acts on probes of all nodes; ``asked`` are those that operators want."""

    def __init__(
        self,
        mesh: Mesh,
        tunnels: Callable[[Node], Tunnel],
        delivery: Delivery,
        asked: AskedProbes,
    ) -> None:
        self._mesh = mesh
        self._tunnels = tunnels
        self._delivery = delivery
        self._asked = asked

    def take(self, node: Node, frame: bytes, now: float) -> None:
        """Answer a node's probe, or credit its answer to one of ours."""
        if self._delivery.tracing:
            place = self._mesh.label(node)
            logs.traffic.info("Got MTU probe length %d from %s", len(frame), place)
        tunnel = self._tunnels(node)
        if not is_request(frame):
            self._credit(node, tunnel, frame, now)
        elif not node.reachable:
            self._delivery.lose(Loss.UNREACHABLE)
        elif tunnel.valid_key:
            tunnel.pmtu.not_data()
            self._delivery.enqueue(node, _answer(node, frame))
        else:
            self._delivery.ask_key(node, tunnel, now)

    def _credit(self, node: Node, tunnel: Tunnel, frame: bytes, now: float) -> None:
        if self._asked.take(node, frame, now):
            return
        if tunnel.pmtu.reply(answered_length(frame)):
            tunnel.echoes.heard(frame, now)
        else:
            self._delivery.lose(Loss.UNASKED_REPLY)


def _answer(node: Node, frame: bytes) -> bytes:
    """Return the answer that a node understands: of the same length, or a short one."""
    if node.has_sessions and minor(node.options) >= Minor.SHORT_REPLIES:
        return short_answer(frame)
    return answer(frame)
