"""What SIGUSR1, SIGUSR2 and the end of the daemon write to the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tincd_compat import logs
from tincd_compat.mesh import dump
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.connection import Status

if TYPE_CHECKING:
    from tincd_compat.daemon.control import ControlPlane
    from tincd_compat.daemon.links import Links
    from tincd_compat.device.base import Device


def connections(links: Links, tree: Iterable[Node]) -> list[str]:
    """Return the lines of SIGUSR1; ``tree``: the neighbours that get broadcasts."""
    lines = ["Connections:"]
    in_tree = set(tree)
    for link in links:
        status = link.connection.status_word()
        if link.node in in_tree:
            status |= Status.MST
        queued = link.socket.queued
        lines.append(
            f" {link.connection.name} at {link.connection.hostname}"
            f" options {link.connection.options:x} socket {link.socket.fileno()}"
            f" status {status:04x} outbuf {queued}/0/{queued}"
        )
    return [*lines, "End of connections."]


def statistics(device: Device) -> list[str]:
    """Return the lines about the device."""
    return [
        f"Statistics for {device.info} {device.path}:",
        f" total bytes in:  {device.bytes_in:10d}",
        f" total bytes out: {device.bytes_out:10d}",
    ]


def tables(
    device: Device,
    mesh: Mesh,
    tunnel: Callable[[Node], dump.TunnelState],
    counters: Iterable[tuple[str, int]],
) -> list[str]:
    """Return the lines of SIGUSR2: those of tincd, then counters of our own."""
    return [
        *statistics(device),
        *dump.nodes(mesh, tunnel),
        *dump.edges(mesh),
        *dump.subnets(mesh),
        "Counters:",
        *(f" {name}: {count}" for name, count in counters),
        "End of counters.",
    ]


def counters(links: Links, control: ControlPlane) -> list[tuple[str, int]]:
    """Return what the control plane has counted since the start, and its queues."""
    received = sorted(links.received.items())
    return [
        *((f"received {request.name}", count) for request, count in received),
        ("duplicates", control.gossip.duplicates),
        ("remembered requests", control.gossip.remembered),
        ("graph runs", control.runs.count),
        ("graph runs put off", control.runs.deferred),
        ("bytes queued", sum(link.socket.queued for link in links)),
        ("most bytes queued for one peer", links.most_queued),
    ]


def write(lines: Iterable[str]) -> None:
    """Write lines at any debug level, as tincd does with its dumps."""
    for line in lines:
        logs.always.debug("%s", line)
