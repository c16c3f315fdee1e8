"""The settings of the data plane, in the data plane's own types."""

from __future__ import annotations

from tincd_compat.config.settings import Settings
from tincd_compat.config.values import Broadcast
from tincd_compat.routing.options import Forwarding, Mode, RouteOptions
from tincd_compat.tunnel.delivery import BroadcastMode, Policy


def policy_of(settings: Settings, own_options: int) -> Policy:
    """Return the policy; ``own_options`` are the option bits of our node."""
    route = RouteOptions(
        mode=Mode(settings.mode.value),
        broadcast=settings.broadcast is not Broadcast.NO,
        forwarding=Forwarding(settings.forwarding.value),
        decrement_ttl=settings.decrement_ttl,
        priority_inheritance=settings.priority_inheritance,
        direct_only=settings.direct_only,
        mac_expire=settings.mac_expire,
    )
    return Policy(
        options=own_options,
        broadcast=BroadcastMode(settings.broadcast.value),
        tunnel_server=settings.tunnel_server,
        route=route,
    )
