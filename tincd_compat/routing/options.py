"""What the configuration says about routing, as values."""

from __future__ import annotations

from tincd_compat.dataclass import dataclass
from tincd_compat.modes import Forwarding, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """What the configuration says about routing (tinc.conf(5)).

    Whether segments are clamped is an option of each node instead, our own included.
    """

    mode: Mode = Mode.ROUTER
    #: Whether broadcast and multicast packets are treated as such.
    broadcast: bool = True
    forwarding: Forwarding = Forwarding.INTERNAL
    decrement_ttl: bool = False
    priority_inheritance: bool = False
    direct_only: bool = False
    #: Seconds after which a station that says nothing is withdrawn (switch mode).
    mac_expire: float = 600
