"""A daemon under test between neighbours that are all played.

``watcher`` asks for PONGs, ``member`` is the one gone bad, and so are ``extra`` nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.harness.daemon import TincNode
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.watcher import Answers
from conformance.probes.probe import Contender, Figure


@dataclass(frozen=True, slots=True)
class Scene:
    """``target`` is how any of the played neighbours calls the subject."""

    subject: TincNode
    target: Target


def scene(
    lab: Lab,
    contender: Contender,
    *,
    server: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
    debug: int = 0,
    start: Callable[[TincNode], None] = TincNode.start,
) -> Scene:
    """Start the subject; its neighbours share a namespace and a key.

    :param server: further lines of the subject's tinc.conf
    :param extra: names of further neighbours that may call
    :param start: brings the subject up until it answers
    """
    plans = [
        Plan(name="subject", kind=contender.kind, server=server, debug=debug),
        Plan(name="watcher", kind=contender.kind, subnets=()),
    ]
    subject, watcher = Mesh(lab, plans)
    hosts = subject.etc / "hosts"
    for name in ("member", *extra):
        (hosts / name).write_text((hosts / "watcher").read_text())
    contender.dress(subject)
    start(subject)
    keys = lab.keys.pair(1), lab.keys.pair(0)
    return Scene(subject, Target.of(subject, watcher.namespace.name, *keys))


def answers(found: Answers, *, most: float | None = 0.5) -> list[Figure]:
    """Return the worst and the median PONG; a neighbour's worst is promised."""
    return [
        Figure("worst PONG", found.worst, "s", most),
        Figure("median PONG", found.median * 1000, "ms"),
    ]
