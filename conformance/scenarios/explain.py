"""Faults between a C tincd and ours, staged one by one: explain names the cause.

Ours is in the middle of two C tincds, and is asked for the one that is in trouble.
Timers of C's for its path MTU and of ours for PINGs are what most cases wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conformance.harness.checks import expect
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.operator import Operator, Said
from conformance.harness.probes import wait_ping
from conformance.harness.scenario import Scenario

_TIMERS: Final = ("PingInterval = 3", "PingTimeout = 2")
_LIMIT: Final = 60.0
#: A path that takes whole packets of this size, and says nothing of longer ones.
_NARROW: Final = 700


class Stage:
    """Three nodes: a and c are C's, b is ours and calls both where it is said so."""

    def __init__(
        self,
        lab: Lab,
        placement: Placement,
        *,
        b: tuple[str, ...] = (),
        c: tuple[str, ...] = (),
        calls: tuple[str, ...] = (),
    ) -> None:
        kind_a, kind_b, kind_c = placement
        reached = () if "c" in calls else ("b",)
        plans = [
            Plan(name="a", kind=kind_a, connect_to=("b",), server=_TIMERS),
            Plan(name="b", kind=kind_b, connect_to=calls, server=(*_TIMERS, *b)),
            Plan(name="c", kind=kind_c, connect_to=reached, server=(*_TIMERS, *c)),
        ]
        self.lab = lab
        self.mesh = Mesh(lab, plans)
        self.operator = Operator(self.b)

    @property
    def b(self) -> TincNode:
        return self.mesh["b"]

    @property
    def c(self) -> TincNode:
        return self.mesh["c"]

    def start(self) -> None:
        """Start all, and have b and c exchange packets."""
        self.mesh.start()
        self.mesh.wait_reachable()
        wait_ping(self.b, self.c.address)

    def sound(self) -> None:
        """Wait until nothing is wrong with c."""
        self.b.wait_pmtu("c")
        self.operator.wait(
            *("nothing is wrong", ("explain", "c")),
            lambda said: said.status == 0,
            _LIMIT,
        )

    def named(self, *causes: str, to: str = "c") -> Said:
        """Wait until one of these causes is named, in JSON and in the text."""

        def is_named(said: Said) -> bool:
            found = said.records[0].get("cause") if said.records else None
            return found is not None and found["cause"] in causes

        what = f"{' or '.join(causes)} is named"
        self.operator.wait(what, ("explain", to, "--json"), is_named, _LIMIT)
        self.operator.records("explain", to, of=("explanation",))
        said = self.operator.expect(1, "explain", to)
        expect("<-- here" in said.out, f"no mark in:\n{said.out}")
        return said


def outward(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement)
    stage.start()
    stage.sound()
    lab.firewall(stage.c).deafen(stage.b.outer[0])
    # What c still sends shows that the other direction works.
    said = stage.named("udp-lost-outward", "udp-lost")
    expect("tcpdump" in said.out, said.out)


def both_ways(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement)
    stage.start()
    stage.sound()
    lab.firewall(stage.c).block_udp(stage.b.outer[0])
    stage.named("udp-lost")


def black_hole(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement)
    # Both ends lose what is long, unsaid, as a tunnel on the way does.
    for node in (stage.b, stage.c):
        node.namespace.run(
            *("nft", "add table inet hole; add chain inet hole in"),
            *("{ type filter hook input priority 0; }; add rule inet hole in",),
            *(f"meta l4proto udp meta length > {_NARROW} drop",),
        )
    stage.start()
    said = stage.named("mtu-black-hole")
    expect("bytes" in said.out, said.out)


def wrong_key(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement, calls=("c",))
    other = lab.keys.pair(4).public
    path = stage.b.etc / "hosts" / "c"
    text = path.read_text()
    path.write_text(text[: text.index("-----BEGIN")] + other)
    stage.mesh.start()
    stage.named("wrong-key")


def caller_with_wrong_key(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement)
    path = stage.c.etc / "hosts" / "b"
    text = path.read_text()
    path.write_text(text[: text.index("-----BEGIN")] + stage.lab.keys.pair(4).public)
    stage.mesh.start()
    stage.named("wrong-key")


def port_closed(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement, calls=("c",))
    stage.b.start()
    stage.named("port-closed")


def no_name(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement, calls=("c",))
    path = stage.b.etc / "hosts" / "c"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("Address = nowhere.invalid\n" + "".join(lines[1:]))
    stage.b.start()
    said = stage.named("name-unresolved")
    expect("nowhere.invalid" in said.out, said.out)


def strict(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement, b=("StrictSubnets = yes",))
    path = stage.c.etc / "hosts" / "c"
    path.write_text(f"Subnet = 172.30.77.0/24\n{path.read_text()}")
    stage.start()
    stage.named("subnet-refused", to="172.30.77.1")


def duplicate(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement)
    for node in (stage.mesh["a"], stage.c):
        path = node.etc / "hosts" / node.name
        path.write_text(f"Subnet = 172.30.9.0/24\n{path.read_text()}")
    stage.start()
    said = stage.named("duplicate-subnet", to="172.30.9.1")
    expect("a" in said.out and "c" in said.out, said.out)


def tcponly(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement, c=("TCPOnly = yes",))
    stage.start()
    said = stage.named("tcponly-there")
    expect("packets travel over TCP" in said.out, said.out)


def no_route(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement)
    stage.start()
    stage.sound()
    stage.b.namespace.run("ip", "route", "del", "172.30.0.0/16", "dev", "vpn")
    said = stage.named("kernel-route", to="172.30.3.1")
    expect("ip route get 172.30.3.1" in said.out, said.out)
    stage.b.namespace.run("ip", "route", "add", "172.30.0.0/16", "dev", "vpn")


def hub_lost(lab: Lab, placement: Placement) -> None:
    kind_a, kind_b, kind_c = placement
    plans = [
        Plan(name="a", kind=kind_a, connect_to=("c",), server=_TIMERS),
        Plan(name="b", kind=kind_b, connect_to=("c",), server=_TIMERS),
        Plan(name="c", kind=kind_c, server=_TIMERS),
    ]
    mesh = Mesh(lab, plans)
    operator = Operator(mesh["b"])
    mesh.start()
    mesh.wait_reachable()
    mesh["c"].kill()
    mesh["b"].wait_unreachable("a")
    operator.wait(
        *("the hub is named", ("explain", "a", "--json")),
        lambda said: (said.records[0].get("cause") or {}).get("cause") == "hub-lost",
        _LIMIT,
    )
    said = operator.expect(1, "explain", "a")
    expect("behind c" in said.out, said.out)


def plaintext(lab: Lab, placement: Placement) -> None:
    stage = Stage(lab, placement, c=("Cipher = none",))
    stage.start()
    stage.named("plaintext")


_FAULTS: Final[dict[str, tuple[Callable[[Lab, Placement], None], str]]] = {
    "udp-one-way": (outward, "UDP is lost on its way to the peer"),
    "udp-both-ways": (both_ways, "UDP is lost both ways"),
    "black-hole": (black_hole, "long packets are lost without a word"),
    "wrong-key": (wrong_key, "a host file has another public key"),
    "caller-key": (caller_with_wrong_key, "a caller has another public key of ours"),
    "port-closed": (port_closed, "nobody listens where ConnectTo leads"),
    "no-name": (no_name, "the name in Address does not resolve"),
    "strict": (strict, "StrictSubnets keeps a subnet out"),
    "duplicate": (duplicate, "two nodes announce one subnet"),
    "tcponly": (tcponly, "the peer has TCPOnly"),
    "no-route": (no_route, "the kernel's route is missing"),
    "hub-lost": (hub_lost, "the hub on the only way was killed"),
    "plaintext": (plaintext, "the peer asks for packets that are not encrypted"),
}

SCENARIOS: Final = tuple(
    Scenario(
        name=f"explain-{name}",
        summary=f"explain names the cause: {words}",
        placements=((Kind.C, Kind.OURS, Kind.C),),
        play=play,
        seconds=30,
    )
    for name, (play, words) in _FAULTS.items()
)
