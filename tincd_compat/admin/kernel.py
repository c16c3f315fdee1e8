"""What the host adds to an explanation: its route, and the network device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tincd_compat.admin.routes import Run, device_trouble, route_to
from tincd_compat.admin.text import Record, clean


def kernel_checks(
    explanation: Record, subnets: Sequence[str], interface: object, run: Run
) -> list[Record]:
    """Return the checks of the host for an explanation; ``subnets`` are the node's.

    Without an interface there is nothing to look at: the device is a socket, or none.
    """
    if not isinstance(interface, str) or explanation.get("path") == "self":
        return []
    trouble = device_trouble(interface, run)
    device = _check(
        "device", clean(interface), trouble, "device-down", f"ip link show {interface}"
    )
    address = address_of(explanation, subnets)
    if address is None:
        return [device] if trouble else []
    route = route_to(address, run)
    if route is None:
        return [device] if trouble else []
    wrong = route.trouble
    if wrong is None and route.device != interface:
        wrong = f"not {clean(interface)}"
    words = route.text() if route.trouble is None else clean(address)
    kernel = _check(
        *("kernel-route", words, wrong),
        *("kernel-route", f"ip route get {address}"),
        device=route.device,
        route=route.destination,
    )
    return [kernel, device] if trouble else [kernel]


def _check(
    name: str, text: str, trouble: str | None, cause: str, command: str, **facts: Any
) -> Record:
    if trouble is None:
        return {"check": name, "result": "ok", "text": text, "facts": facts}
    facts |= {"cause": cause, "command": command}
    text = trouble if trouble.startswith(text) else f"{text}: {trouble}"
    return {"check": name, "result": "here", "text": text, "facts": facts}


def address_of(explanation: Record, subnets: Sequence[str]) -> str | None:
    """Return an address in the mesh that leads to what was asked for.

    For a node that is the first address of its first subnet.
    """
    import ipaddress

    for text in (explanation.get("to"), *subnets):
        net = str(text).partition("#")[0]
        try:
            network = ipaddress.ip_network(net, strict=False)
        except ValueError:
            continue
        if "/" not in net or network.num_addresses == 1:
            return str(network.network_address)
        return str(network.network_address + 1)
    return None
