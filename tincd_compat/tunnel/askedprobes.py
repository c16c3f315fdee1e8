"""MTU probes that an operator has asked for, told apart from those of PMTU discovery.

An answer to such a probe is the operator's alone: it proves no length, ends no check
and counts as no sign of life for path MTU discovery, which goes on as if nobody had
asked.  So a probe is remembered for longer than its answer is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from tincd_compat.mesh.node import Node
from tincd_compat.tunnel.delivery import Delivery
from tincd_compat.tunnel.echoes import mark
from tincd_compat.tunnel.pmtu import MIN_PROBE, request
from tincd_compat.tunnel.tunnel import Tunnel

#: Probes that are remembered.  At twenty a second, which ``daemon/pings.py`` sees to,
#: that is for longer than anybody waits for an answer.
MAX_REMEMBERED: Final = 256


class _Asked(NamedTuple):
    node: Node
    heard: Callable[[float], None]


class AskedProbes:
    """The last probes that operators have asked for, of all nodes together."""

    def __init__(
        self,
        tunnel: Callable[[Node], Tunnel],
        delivery: Delivery,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._tunnel = tunnel
        self._delivery = delivery
        self._random_bytes = random_bytes
        self._asked: dict[bytes, _Asked] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def send(self, node: Node, now: float, heard: Callable[[float], None]) -> bool:
        """Send the node a probe of the shortest length; False without a valid key.

        ``heard`` is told when the answer is here.  Without a key the node is asked for
        one, as the first packet for it would do.
        """
        tunnel = self._tunnel(node)
        if not tunnel.valid_key:
            self._delivery.ask_key(node, tunnel, now)
            return False
        probe = request(MIN_PROBE, self._random_bytes)
        if len(self._asked) >= MAX_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._asked[mark(probe)] = _Asked(node, heard)
        tunnel.pmtu.not_data()
        self._delivery.send_alone(node, probe)
        return True

    def take(self, node: Node, answer: bytes | bytearray, now: float) -> bool:
        """Tell whether an answer of the node is to such a probe; pass the news on."""
        asked = self._asked.get(mark(answer))
        if asked is None or asked.node is not node:
            return False
        del self._asked[mark(answer)]
        asked.heard(now)
        return True
