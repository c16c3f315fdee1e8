"""Network namespaces, and the links and addresses inside them.

Every name starts with the tag of its run, so two runs on one machine never meet, and
whatever a crashed run leaves can be found and removed by that tag. The host's own
namespace is not touched: even the bridges live in a namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pyroute2 import netns

NETNS_DIRECTORY: Final = Path("/run/netns")

#: Addresses usable at once and no unasked solicitations: captures and the comparison
#: of before and after would otherwise depend on the kernel's own timers.
_SYSCTLS: Final = (
    "net/ipv6/conf/all/accept_dad=0",
    "net/ipv6/conf/default/accept_dad=0",
    "net/ipv6/conf/default/router_solicitations=0",
    "net/ipv4/ip_forward=0",
    "net/ipv4/ping_group_range=0 2147483647",
)
_WRITES: Final = "; ".join(
    "echo {1} > /proc/sys/{0}".format(*each.split("=")) for each in _SYSCTLS
)
#: Run as ``sh -c CREATE sh NAME``: one shell, since a case makes up to a dozen.
_CREATE: Final = (
    f'ip netns add "$1" && exec nsenter --net={NETNS_DIRECTORY}/"$1" -- '
    f"sh -ec '{_WRITES}; ip link set lo up'"
)


class Namespace:
    """One network namespace, made now and gone after ``remove``."""

    def __init__(self, tag: str, label: str) -> None:
        self.label = label
        self.name = f"{tag}-{label}"
        _run(["sh", "-c", _CREATE, "sh", self.name])

    def command(self, *argv: str) -> list[str]:
        """Return ``argv`` as a command that enters the namespace and becomes it."""
        return ["nsenter", f"--net={NETNS_DIRECTORY / self.name}", "--", *argv]

    def run(
        self, *argv: str, check: bool = True, timeout: float = 30, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end."""
        return _run(self.command(*argv), check=check, timeout=timeout, stdin=stdin)

    def ip(self, *lines: str) -> None:
        """Run commands of ``ip`` inside, one after another in one process."""
        self.run("ip", "-batch", "-", stdin="\n".join(lines))

    def add_veth(self, name: str, peer: Namespace, peer_name: str) -> None:
        """Make a pair of devices, one end here and one in ``peer``."""
        self.ip(veth_line(name, peer, peer_name))

    def set_link(self, name: str, words: str) -> None:
        """Change a device as ``ip link set`` does: ``up``, ``mtu 1400``."""
        self.ip(f"link set {name} {words}")

    def cut_up(self, name: str) -> None:
        """Give a device single packets only, never a train that the kernel keeps whole.

        Otherwise filters judge the length of a train, and faults befall all of it.
        """
        self.set_link(name, "gso_max_segs 1")

    def index(self, name: str) -> int:
        (found,) = json.loads(self.run("ip", "-j", "link", "show", name).stdout)
        return int(found["ifindex"])

    def add_address(self, name: str, address: str, length: int) -> None:
        self.ip(f"address add {address}/{length} dev {name}")

    def add_route(self, destination: str, gateway: str) -> None:
        """Add a route, ``destination`` as ``ADDRESS/LENGTH``."""
        self.ip(f"route add {destination} via {gateway}")

    def open_socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket that belongs to the namespace."""
        with entered(self.name):
            return socket.socket(family, kind, protocol)

    def remove(self) -> None:
        if self.name in netns.listnetns():
            netns.remove(self.name)


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """Let this thread be inside a namespace meanwhile, by its name."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        netns.setns(name, flags=0)
        yield
    finally:
        netns.setns(outside)
        os.close(outside)


def veth_line(name: str, peer: Namespace, peer_name: str) -> str:
    """Return the command of ``ip`` for a pair of devices, one of them in ``peer``."""
    return f"link add {name} type veth peer name {peer_name} netns {peer.name}"


def _run(
    argv: Sequence[str], *, check: bool = True, timeout: float = 60, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=timeout, input=stdin, check=False
    )
    if check and done.returncode != 0:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


class Lan:
    """A bridge in a namespace of its own, and hosts 10.99.N.x and fd99:N::x on it.

    :param mtu: of every host's device on this network
    :param bridge: False where a subclass carries the frames
    """

    def __init__(
        self, switch: Namespace, number: int, mtu: int = 1500, *, bridge: bool = True
    ) -> None:
        self.number = number
        self.mtu = mtu
        self._switch = switch
        #: What the switch does with the end of a cable that it has.
        self._attached = "up"
        if bridge:
            self._attached = "master br0 up"
            switch.ip("link add br0 type bridge", "link set br0 up")

    def join(self, namespace: Namespace, host: int, name: str = "eth0") -> None:
        """Plug a namespace in as host number ``host``."""
        port = f"port{host}"
        self._switch.ip(
            veth_line(port, namespace, name),
            f"link set {port} mtu {self.mtu} {self._attached}",
        )
        namespace.ip(
            f"link set {name} mtu {self.mtu} up",
            f"address add {self.address(host)}/24 dev {name}",
            f"address add {self.address6(host)}/64 dev {name}",
        )

    def address(self, host: int) -> str:
        return f"10.99.{self.number}.{host}"

    def address6(self, host: int) -> str:
        return f"fd99:{self.number}::{host}"


class Router:
    """A host between networks, without a daemon; number 254 on each of them."""

    HOST: Final = 254

    def __init__(self, namespace: Namespace, lans: Sequence[Lan]) -> None:
        self.namespace = namespace
        for index, lan in enumerate(lans):
            lan.join(namespace, self.HOST, f"eth{index}")
        namespace.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


def remove_all(tag: str) -> list[str]:
    """Remove every namespace of a run; return the names that were still there."""
    left = [name for name in netns.listnetns() if name.startswith(f"{tag}-")]
    for name in left:
        netns.remove(name)
    return left
