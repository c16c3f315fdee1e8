"""Captured datagrams sent again, whole and mangled, from true and false addresses.

C believes that a node is where its datagram came from before it looks whether that is a
new one, and loses most of the pings that follow.  Ours loses none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

from conformance.harness.checks import expect_between, expect_equal
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.forger import Datagram, Forger, Place
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import PingResult, SteadyPing, expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.stranger import throw
from conformance.harness.waits import SOON, say, wait_for
from conformance.harness.wire import datagram_filter

_PORT: Final = 655
_SIZE: Final = 56
_PINGS: Final = 100
_APART: Final = 0.02
#: Datagrams a second that the attacker sends.
_RATE: Final = 200
_SEED: Final = 655
#: Bytes of the largest datagram that the network takes in one piece, and of some that
#: are around the largest that a tincd takes and far beyond it.
_ONE_PIECE: Final = 1472
_OVERSIZED: Final = (1473, 1661, 1662, 2048, 9000, 65507)


def play(lab: Lab, placement: Placement) -> None:
    kind_victim, kind_peer = placement
    lan = lab.lan()
    plans = [
        Plan(name="victim", kind=kind_victim),
        Plan(name="peer", kind=kind_peer, connect_to=("victim",)),
    ]
    mesh = Mesh(lab, plans, lans={plan.name: [lan] for plan in plans})
    victim, peer = mesh
    mesh.start()
    mesh.wait_reachable()
    mesh.wait_pmtu()
    outside = lab.outsider(lan)
    forger = Forger(outside)
    captured = _capture(lab, victim, peer)
    mangled = list(_mangled(captured))
    say(f"          {len(captured)} datagrams captured, {len(mangled)} made of them")

    true, target = (peer.outer[0], _PORT), (victim.outer[0], _PORT)
    places = {
        "the true address": true,
        "another port": (true[0], 4242),
        "another host": (lan.address(200), _PORT),
    }
    device = lab.capture(victim, "ip", device=NETNAME)
    answered = 0
    for words, payloads in (("replayed", captured), ("mangled", mangled)):
        for where, source in places.items():
            datagrams = [Datagram(source, target, each) for each in payloads]
            attack = _attack(forger, datagrams)
            result = _ping_under(lab, victim, peer, attack)
            answered += result.received
            say(f"          {words} from {where}: {result}")
            if victim.kind is Kind.OURS or source == true:
                expect_equal(f"lost, {words} from {where}", result.lost, 0)
            expect_equal("duplicates", result.duplicates, 0)
            _settle(victim, peer, true)
    oversized = [_stretched(captured[0], length) for length in _OVERSIZED]
    throw(outside, victim.outer[0], oversized)
    expect_ping(victim, peer.address)
    answered += 10
    device.stop()
    _only_pings(device.count, answered)
    forger.close()


def _capture(lab: Lab, victim: TincNode, peer: TincNode) -> list[bytes]:
    """Return what the peer's answers to some pings looked like on the wire."""
    source = f"src host {peer.outer[0]}"
    capture = lab.capture(victim, f"{source} and {datagram_filter(_SIZE)}")
    expect_ping(victim, peer.address, count=5, size=_SIZE)
    wait_for("answers captured", lambda: capture.count() >= 5, SOON)
    capture.stop()
    return capture.payloads()


def _mangled(captured: list[bytes]) -> Iterator[bytes]:
    """Yield datagrams cut short, made longer, with bits flipped and blocks swapped."""
    dice = random.Random(_SEED)
    first, second, *_ = captured
    for length in range(len(first)):
        yield first[:length]
    for length in (len(first) + 1, len(first) + 16, _ONE_PIECE):
        yield _stretched(first, length)
    for _ in range(200):
        data = bytearray(dice.choice(captured))
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        yield bytes(data)
    for cut in range(16, len(first) - 4, 16):
        yield first[:cut] + second[cut:]
        yield first[cut : cut + 16] + first[:cut] + first[cut + 16 :]


def _stretched(datagram: bytes, length: int) -> bytes:
    return (datagram * (length // len(datagram) + 1))[:length]


def _attack(forger: Forger, datagrams: list[Datagram]) -> Callable[[], None]:
    """Return what sends them all, over and over, while the pings go on."""
    # A ping command sleeps a little longer than it is told.
    seconds = 1.2 * _PINGS * _APART
    return lambda: say(f"          {forger.flood(datagrams, _RATE, seconds)} sent")


def _ping_under(
    lab: Lab, victim: TincNode, peer: TincNode, attack: Callable[[], None]
) -> PingResult:
    steady = SteadyPing(lab, victim, peer.address, count=_PINGS, interval=_APART)
    attack()
    return steady.finish()


def _settle(victim: TincNode, peer: TincNode, true: Place) -> None:
    """Let C find the peer again, once that has spoken from where it is."""
    if victim.kind is Kind.OURS:
        row = victim.dump().nodes["peer"]
        expect_equal("the peer's address", row.host, f"{true[0]} port {true[1]}")
    wait_ping(peer, victim.address)
    wait_ping(victim, peer.address)


def _only_pings(count: Callable[[str], int], answered: int) -> None:
    """Nothing came out of the device but what was asked for."""
    echoes = "icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply"
    expect_equal("other packets at the device", count("") - count(echoes), 0)
    answers = count("icmp[icmptype] = icmp-echoreply")
    expect_between("ping answers at the device", answers, answered, 2 * answered)


SCENARIO = Scenario(
    name="replay",
    summary="datagrams sent again from true and false addresses lose no ping",
    placements=((Kind.C, Kind.C), (Kind.OURS, Kind.C)),
    play=play,
    seconds=20,
)
