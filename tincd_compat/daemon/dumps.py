"""Dumps in the log, by SIGUSR1, SIGUSR2 and at the end of the daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from tincd_compat import logs
from tincd_compat.mesh import dump
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.connection import Status

if TYPE_CHECKING:
    from tincd_compat.daemon.control import ControlPlane
    from tincd_compat.daemon.linktable import LinkTable
    from tincd_compat.device.base import Device

#: Lines of a dump between which nothing else gets into the log: scripts read it.
LINES_AT_ONCE: Final = 256


def connections(links: LinkTable, tree: Iterable[Node]) -> list[str]:
    """Return the lines of SIGUSR1; ``tree``: the neighbours that get broadcasts."""
    lines = ["Connections:"]
    in_tree = set(tree)
    for link in links:
        status = link.connection.status_word()
        if link.node in in_tree:
            status |= Status.MST
        queued = link.backlog.queued
        lines.append(
            f" {link.connection.name} at {link.connection.hostname}"
            f" options {link.options:x} socket {link.socket.fileno()}"
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
) -> Iterator[str]:
    """Return the lines of SIGUSR2: those of tincd, then counters of our own."""
    yield from statistics(device)
    yield from dump.nodes(mesh, tunnel)
    yield from dump.edges(mesh)
    yield from dump.subnets(mesh)
    yield "Counters:"
    for name, count in counters:
        yield f" {name}: {count}"
    yield "End of counters."


def counters(links: LinkTable, control: ControlPlane) -> list[tuple[str, int]]:
    """Return what the control plane has counted since the start, and its queues."""
    received = sorted(links.received.items())
    return [
        *((f"received {request.name}", count) for request, count in received),
        ("duplicates", control.gossip.duplicates),
        ("remembered requests", control.gossip.remembered),
        ("graph runs", control.runs.count),
        ("graph runs put off", control.runs.deferred),
        ("bytes queued", sum(link.backlog.queued for link in links)),
        ("most bytes queued for one peer", links.most_queued),
    ]


def write(lines: Iterable[str]) -> Iterator[None]:
    """Write lines at any debug level, as tincd does with its dumps, many each step."""
    for number, line in enumerate(lines, 1):
        logs.always.debug("%s", line)
        if number % LINES_AT_ONCE == 0:
            yield
