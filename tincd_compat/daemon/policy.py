"""The settings of the data plane, in the data plane's own types."""

from __future__ import annotations

from tincd_compat.config.settings import Settings
from tincd_compat.crypto.suites import Suite
from tincd_compat.modes import BroadcastMode
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.tunnel import Parameters


def parameters_of(settings: Settings, suite: Suite) -> Parameters:
    """Return what tunnels are made with; ``suite`` is that of packets towards us."""
    return Parameters(
        suite=suite,
        compression=settings.compression,
        replay_window=settings.replay_window,
        ping_interval=settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        local_discovery=settings.local_discovery,
    )


def policy_of(settings: Settings, own_options: int) -> DeliveryPolicy:
    """Return the policy; ``own_options`` are the option bits of our node."""
    route = RouteOptions(
        mode=settings.mode,
        broadcast=settings.broadcast is not BroadcastMode.NO,
        forwarding=settings.forwarding,
        decrement_ttl=settings.decrement_ttl,
        priority_inheritance=settings.priority_inheritance,
        direct_only=settings.direct_only,
        mac_expire=settings.mac_expire,
    )
    return DeliveryPolicy(
        options=own_options,
        broadcast=settings.broadcast,
        tunnel_server=settings.tunnel_server,
        route=route,
    )
