"""Strangers who know a name make the daemon work with its private key."""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.longkeys import give_long_key
from conformance.harness.member import Member
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.usage import usage
from conformance.harness.waits import Failed
from conformance.probes.probe import Contender, Figure, Probe

_BITS: Final = (2048, 8192)
_STRANGERS: Final = 50
#: Just below the rate from which on callers are parked unheard, the member with them.
_APART: Final = 0.12
#: When the member calls, and how long it waits for its handshake as tincd does.
_AHEAD: Final = 2.0
_HANDSHAKE_LIMIT: Final = 5.0
_MEMBER_LIMIT: Final = 30.0
#: The daemon has done what was asked of it when it needs no CPU for so long.
_CALM: Final = 1.5
_BUSY: Final = 0.05


def _measure(lab: Lab, contender: Contender) -> Iterable[Figure]:
    for bits in _BITS:
        seconds, cpu = _siege(lab, contender, bits)
        yield Figure(f"{bits} bits: member is in after", seconds, "s", 2.0)
        yield Figure(f"{bits} bits: CPU time", cpu, "s", 6.0)


def _siege(lab: Lab, contender: Contender, bits: int) -> tuple[float, float]:
    """Return how long the member took, and what CPU the daemon, both in seconds."""
    names = ("subject", "member", "stranger")
    plans = [Plan(name=name, kind=contender.kind, debug=0) for name in names]
    subject, member, stranger = Mesh(lab, plans, part=f"k{bits}")
    pair = lab.keys.pair(0) if bits == 2048 else give_long_key(subject, bits)
    contender.dress(subject)
    subject.start()
    target = Target.of(subject, member.namespace.name, lab.keys.pair(1), pair)
    before = usage(subject.pid).cpu
    flood = _Flood(replace(target, namespace=stranger.namespace.name), bits)
    flood.start()
    time.sleep(_AHEAD)
    seconds = _join(target)
    flood.join()
    cpu = _calm(subject.pid) - before
    subject.stop()
    return seconds, cpu


class _Flood(threading.Thread):
    """Strangers one by one; every other leaves as soon as it has asked."""

    def __init__(self, target: Target, bits: int) -> None:
        super().__init__()
        self._target = target
        self._digits = bits // 4

    def run(self) -> None:
        staying = []
        due = time.monotonic()
        for number in range(_STRANGERS):
            sock = self._target.open()
            select.select([], [sock], [], _APART)
            self._ask(sock)
            if number % 2:
                staying.append(sock)
            else:
                sock.close()
            due += _APART
            time.sleep(max(0.0, due - time.monotonic()))
        for sock in staying:
            sock.close()

    def _ask(self, sock: socket.socket) -> None:
        block = "00" + secrets.token_hex(self._digits // 2 - 1)
        lines = f"0 stranger 17\n1 427 672 0 0 {block}\n"
        with contextlib.suppress(OSError):
            sock.send(lines.encode())


def _join(target: Target) -> float:
    started = time.monotonic()
    while (passed := time.monotonic() - started) < _MEMBER_LIMIT:
        if _got_in(Member(target, "member")):
            return time.monotonic() - started
    return passed


def _got_in(member: Member) -> bool:
    try:
        member.wait("handshake", lambda: member.active, _HANDSHAKE_LIMIT)
    except Failed:
        return False
    finally:
        member.close()
    return True


def _calm(pid: int) -> float:
    """Wait until a process does nothing any more; return the CPU time it has used."""
    used = usage(pid).cpu
    while True:
        time.sleep(_CALM)
        now = usage(pid).cpu
        if now - used < _BUSY:
            return now
        used = now


PROBE: Final = Probe(
    name="metakeys",
    summary=f"{_STRANGERS} strangers who know a name ask for the private key's work",
    measure=_measure,
)
