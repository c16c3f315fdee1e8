"""Values of variables that say how packets travel: Mode, Forwarding and Broadcast.

Configuration, routing and tunnels speak of them alike.
"""

from __future__ import annotations

from enum import Enum


class Mode(Enum):
    """What packets are routed by: subnets, learned MAC addresses, or nothing."""

    ROUTER = "router"
    SWITCH = "switch"
    HUB = "hub"


class Forwarding(Enum):
    """Who forwards packets between two other nodes: nobody, tincd or the kernel."""

    OFF = "off"
    INTERNAL = "internal"
    KERNEL = "kernel"


class BroadcastMode(Enum):
    """How broadcast packets travel: not at all, along the tree, to direct peers.

    All nodes of a mesh must agree on it.
    """

    NO = "no"
    MST = "mst"
    DIRECT = "direct"
