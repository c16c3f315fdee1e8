"""A daemon under test between neighbours that are played, but for a ``witness``.

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
    #: A real daemon that is linked with the subject, if one was asked for.
    witness: TincNode | None = None


def scene(
    lab: Lab,
    contender: Contender,
    *,
    server: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
    debug: int = 0,
    start: Callable[[TincNode], None] = TincNode.start,
    witness: bool = False,
) -> Scene:
    """Start the subject; its played neighbours share a namespace and a key.

    :param server: further lines of the subject's tinc.conf
    :param extra: names of further neighbours that may call
    :param start: brings the subject up until it answers
    :param witness: start another daemon of the kind, and wait until packets pass
    """
    kind = contender.kind
    plans = [
        Plan(name="subject", kind=kind, server=server, debug=debug),
        Plan(name="watcher", kind=kind, subnets=()),
    ]
    if witness:
        plans.append(Plan(name="witness", kind=kind, connect_to=("subject",)))
    subject, watcher, *others = Mesh(lab, plans)
    hosts = subject.etc / "hosts"
    for name in ("member", *extra):
        (hosts / name).write_text((hosts / "watcher").read_text())
    contender.dress(subject, *others)
    start(subject)
    for other in others:
        other.start()
        other.wait_pmtu("subject")
    keys = lab.keys.pair(1), lab.keys.pair(0)
    target = Target.of(subject, watcher.namespace.name, *keys)
    return Scene(subject, target, *others)


def answers(found: Answers, *, most: float | None = 0.5) -> list[Figure]:
    """Return the worst and the median PONG; a neighbour's worst is promised."""
    return [
        Figure("worst PONG", found.worst, "s", most),
        Figure("median PONG", found.median * 1000, "ms"),
    ]
