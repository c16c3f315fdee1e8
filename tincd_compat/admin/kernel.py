"""What the host adds to an explanation: its route, and the network device."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from tincd_compat.admin.routes import Run, device_trouble, route_to
from tincd_compat.admin.text import Record, clean


class HostCheck(NamedTuple):
    """A check, and if it has found something that, with a command."""

    check: Record
    cause: Record | None
    command: str | None


def kernel_checks(
    explanation: Record, subnets: Sequence[str], interface: object, run: Run
) -> list[HostCheck]:
    """Return the checks of the host for an explanation; ``subnets`` are the node's.

    Without an interface there is nothing to look at: the device is a socket, or none.
    """
    if not isinstance(interface, str) or explanation.get("path") == "self":
        return []
    trouble = device_trouble(interface, run)
    device = _check(
        *("device", clean(interface), trouble),
        *("device-down", f"ip -s link show dev {shlex.quote(interface)}"),
        {"device": interface, "up": trouble is None},
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
        {"address": address, "device": route.device, "route": route.text()},
    )
    return [kernel, device] if trouble else [kernel]


def _check(
    name: str,
    text: str,
    trouble: str | None,
    cause: str,
    command: str,
    facts: dict[str, Any],
) -> HostCheck:
    if trouble is None:
        check = {"check": name, "result": "ok", "text": text, "facts": facts}
        return HostCheck(check, None, None)
    text = trouble if trouble.startswith(text) else f"{text}: {trouble}"
    check = {"check": name, "result": "here", "text": text, "facts": facts}
    return HostCheck(check, {"check": name, "cause": cause, "text": text}, command)


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
