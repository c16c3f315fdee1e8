"""Devices other than tun and tap, and an interface that others made.

In switch mode a tap of b is reached from whatever is behind the device of a: a host on
a cable (``raw``), a member of a multicast group, a User Mode Linux.
"""

from __future__ import annotations

import subprocess
import time
from typing import Final

from conformance.harness import guest
from conformance.harness.checks import expect, expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan, pair
from conformance.harness.netns import Namespace
from conformance.harness.probes import Host, expect_ping, wait_ping
from conformance.harness.processes import PLAIN_PYTHON
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer
from conformance.harness.waits import SOON, Failed, say, wait_for

#: The subject is a; its kernel has no inner address.
_PLACEMENTS: Final = ((Kind.C, Kind.C), (Kind.OURS, Kind.C))
_NOWHERE: Final = "none"
_GUEST: Final = 9
_GUEST_ADDRESS: Final = "172.30.9.9"
_GUEST_LIMIT: Final = 90.0
_COUNT: Final = 5
#: ARP in VLAN 7, for an address that nobody has.
_TAGGED: Final = bytes.fromhex(
    "ffffffffffff 02aabbccdd02 8100 0007 0806 0001080006040001"
    "02aabbccdd02 0a070708 000000000000 0a070707"
)
_SEND: Final = """\
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
    sock.bind((sys.argv[1], 0))
    sock.send(bytes.fromhex(sys.argv[2]))
"""
_GROUP: Final = ("239.30.1.2", "7030")


def play_raw(lab: Lab, placement: Placement) -> None:
    mesh = _mesh(lab, placement, "DeviceType = raw_socket", "Interface = lan0")
    a, b = mesh
    host = Host("host", lab.namespace("host"), _GUEST_ADDRESS)
    a.namespace.add_veth("lan0", host.namespace, "eth0")
    a.namespace.set_link("lan0", "up")
    host.namespace.set_link("eth0", "up")
    host.namespace.add_address("eth0", _GUEST_ADDRESS, 16)
    mesh.start()
    mesh.wait_reachable()
    wait_ping(host, b.address)
    a.wait_row("b", "reached by UDP", lambda row: row.minmtu > 200, 30)
    for source, target in ((host, b), (b, host)):
        expect_ping(source, target.address, count=_COUNT, interval=0)
    _expect_device(a, "raw_socket lan0")
    if a.kind is Kind.OURS:
        _play_cable(lab, host, b)


def _play_cable(lab: Lab, host: Host, b: TincNode) -> None:
    """What C cannot: segments left to a network card, and VLAN tags."""
    transfer(lab, host, b, 5)
    transfer(lab, b, host, 5)
    capture = lab.capture(b, "vlan 7", device="vpn")
    for _ in range(_COUNT):
        host.namespace.run(*PLAIN_PYTHON, "-c", _SEND, "eth0", _TAGGED.hex())
    wait_for("tagged frames at b", lambda: capture.count() == _COUNT, limit=SOON)
    capture.stop()


def play_multicast(lab: Lab, placement: Placement) -> None:
    lan = lab.lan()
    device = " ".join(_GROUP)
    lines = "DeviceType = multicast", f"Device = {device}"
    mesh = _mesh(lab, placement, *lines, lans={"a": [lan], "b": [lan]})
    a, b = mesh
    machine = lab.namespace("guest")
    lan.join(machine, _GUEST)
    for namespace in (a.namespace, machine):
        namespace.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
    mesh.start()
    mesh.wait_reachable()
    _play_guest(lab, machine, b, "multicast", *_GROUP)
    _expect_device(a, f"multicast socket {device}")
    # What a itself wrote to the group came back, and went no further.
    expect_between("bytes from the device of a", a.dump().bytes_in, 500, 5000)


def play_uml(lab: Lab, placement: Placement) -> None:
    path = lab.directory / "uml"
    mesh = _mesh(lab, placement, "DeviceType = uml", f"Device = {path}")
    a, b = mesh
    mesh.start()
    mesh.wait_reachable()
    first = _play_guest(lab, a.namespace, b, "uml", str(path))
    _expect_device(a, f"UML network socket {path}")
    if a.kind is Kind.OURS:
        say("  the machine starts anew, and after it the killed daemon")
        first.kill()
        _play_guest(lab, a.namespace, b, "uml", str(path)).kill()
        a.kill()
        expect(path.is_socket(), "the killed daemon left no socket")
        a.start()
        mesh.wait_reachable()
        _play_guest(lab, a.namespace, b, "uml", str(path))
    a.stop()
    expect(not path.exists(), "a left its UML socket behind")


def play_persistent(lab: Lab, placement: Placement) -> None:
    """An interface made by ``ip tuntap`` is as it was for the next daemon, a C one."""
    mesh = pair(lab, placement)
    a, b = mesh
    a.namespace.run("ip", "tuntap", "add", "dev", "vpn", "mode", "tun")
    # The first time that it is up changes it for good.
    for state in ("up", "down"):
        a.namespace.set_link("vpn", state)
    index = a.namespace.index("vpn")
    down = a.etc / "tinc-down"
    down.write_text(
        '#!/bin/sh\nip addr flush dev "$INTERFACE"\nip link set "$INTERFACE" down\n'
    )
    down.chmod(0o755)
    for kind in (a.kind, Kind.C):
        a.kind = kind
        for node in mesh:
            if not node.alive:
                node.start()
        mesh.wait_reachable()
        wait_ping(a, b.address)
        transfer(lab, a, b, 5)
        transfer(lab, b, a, 5)
        a.stop()
        expect_equal("number of the interface", a.namespace.index("vpn"), index)


def _mesh(lab: Lab, placement: Placement, *device: str, **lans: object) -> Mesh:
    kind_a, kind_b = placement
    plans = [
        Plan(
            name="a",
            kind=kind_a,
            connect_to=("b",),
            server=("Mode = switch", *device),
            address=_NOWHERE,
        ),
        Plan(name="b", kind=kind_b, server=("Mode = switch",)),
    ]
    return Mesh(lab, plans, **lans)  # type: ignore[arg-type]


def _play_guest(
    lab: Lab, namespace: Namespace, target: TincNode, *wire: str
) -> subprocess.Popen[bytes]:
    """Let the guest ask and ping; it then stays until it is killed."""
    path = lab.directory / f"guest-{time.monotonic_ns()}.txt"
    argv = namespace.command(*PLAIN_PYTHON, guest.__file__, *wire)
    with path.open("wb") as out:
        child = lab.processes.start(
            [*argv, target.address, str(_COUNT)],
            what="guest",
            stdout=out,
            stderr=out,
            service=True,
        )

    def told() -> list[str]:
        text = path.read_text()
        if child.poll() is not None:
            raise Failed(f"the guest: {text.strip()}")
        return text.split() if text.endswith("\n") else []

    answers, echoes = map(int, wait_for("the guest has asked", told, _GUEST_LIMIT))
    expect_equal("pings of the guest that were answered", answers, _COUNT)
    expect_equal("frames of the guest that came back", echoes, 0)
    return child


def _expect_device(node: TincNode, text: str) -> None:
    dump = node.dump()
    expect_equal("device of the statistics", dump.device, text)
    expect(dump.bytes_in > 0, "nothing came from the device")
    expect(dump.bytes_out > 0, "nothing went to the device")


RAW = Scenario(
    name="raw",
    summary="the frames of a network interface, bridged to a tap",
    placements=_PLACEMENTS,
    play=play_raw,
    seconds=5,
)

MULTICAST = Scenario(
    name="multicast",
    summary="frames of a multicast group, bridged to a tap",
    placements=_PLACEMENTS,
    play=play_multicast,
    seconds=3,
)

UML = Scenario(
    name="uml",
    summary="a User Mode Linux as the device's other side",
    placements=_PLACEMENTS,
    play=play_uml,
    seconds=3,
)

PERSISTENT = Scenario(
    name="persistent",
    summary="an interface that others made is left as it was found",
    placements=_PLACEMENTS,
    play=play_persistent,
)
