"""Values of variables that say how packets travel: Mode, Forwarding and Broadcast.

Configuration, routing and tunnels speak of them alike.
"""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What packets are routed by: subnets, learned MAC addresses, or nothing."""

    ROUTER = "router"
    SWITCH = "switch"
    HUB = "hub"


class Forwarding(StrEnum):
    """Who forwards packets between two other nodes: nobody, tincd or the kernel."""

    OFF = "off"
    INTERNAL = "internal"
    KERNEL = "kernel"


class BroadcastMode(StrEnum):
    """How broadcast packets travel: not at all, along the tree, to direct peers.

    All nodes of a mesh must agree on it.
    """

    NO = "no"
    MST = "mst"
    DIRECT = "direct"
