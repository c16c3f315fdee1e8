"""Network namespaces, and the links and addresses inside them.

Every name starts with the tag of its run, so two runs on one machine never meet, and
whatever a crashed run leaves can be found and removed by that tag. The host's own
namespace is not touched: even the bridges live in a namespace.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pyroute2 import IPRoute, netns

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


class Namespace:
    """One network namespace, made now and gone after ``remove``."""

    def __init__(self, tag: str, label: str) -> None:
        self.label = label
        self.name = f"{tag}-{label}"
        netns.create(self.name)
        self._route: Any = IPRoute(netns=self.name)
        writes = "; ".join(
            "echo '{1}' > /proc/sys/{0}".format(*setting.split("=", 1))
            for setting in _SYSCTLS
        )
        self.run("sh", "-c", writes)
        self.set_link("lo", state="up")

    def command(self, *argv: str) -> list[str]:
        """Return ``argv`` as a command that enters the namespace and becomes it."""
        return ["nsenter", f"--net={NETNS_DIRECTORY / self.name}", "--", *argv]

    def run(
        self, *argv: str, check: bool = True, timeout: float = 30, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end."""
        done = subprocess.run(
            self.command(*argv),
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            check=False,
        )
        if check and done.returncode != 0:
            words = " ".join(argv)
            raise OSError(f"{words}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def add_link(self, name: str, kind: str, **settings: Any) -> None:
        self._route.link("add", ifname=name, kind=kind, **settings)

    def add_veth(self, name: str, peer: Namespace, peer_name: str) -> None:
        """Make a pair of devices, one end here and one in ``peer``."""
        other = {"ifname": peer_name, "net_ns_fd": peer.name}
        self.add_link(name, "veth", peer=other)

    def set_link(self, name: str, **settings: Any) -> None:
        """Change a device, e.g. ``state="up"``, ``mtu=1400``, ``master=index``."""
        self._route.link("set", index=self.index(name), **settings)

    def cut_up(self, name: str) -> None:
        """Give a device single packets only, never a train that the kernel keeps whole.

        Otherwise filters judge the length of a train, and faults befall all of it.
        """
        self.run("ip", "link", "set", name, "gso_max_segs", "1")

    def index(self, name: str) -> int:
        found: Sequence[int] = self._route.link_lookup(ifname=name)
        if not found:
            raise OSError(f"no device {name} in {self.name}")
        return found[0]

    def add_address(self, name: str, address: str, length: int) -> None:
        self._route.addr(
            "add", index=self.index(name), address=address, prefixlen=length
        )

    def add_route(self, destination: str, gateway: str) -> None:
        """Add a route, ``destination`` as ``ADDRESS/LENGTH``."""
        self._route.route("add", dst=destination, gateway=gateway)

    def remove(self) -> None:
        self._route.close()
        if self.name in netns.listnetns():
            netns.remove(self.name)


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
        if bridge:
            switch.add_link("br0", "bridge")
            switch.set_link("br0", state="up")

    def join(self, namespace: Namespace, host: int, name: str = "eth0") -> None:
        """Plug a namespace in as host number ``host``."""
        port = f"port{host}"
        self._switch.add_veth(port, namespace, name)
        self._attach(port, host)
        namespace.set_link(name, state="up", mtu=self.mtu)
        namespace.add_address(name, self.address(host), 24)
        namespace.add_address(name, self.address6(host), 64)

    def _attach(self, port: str, host: int) -> None:
        """Join the switch's end of a host's cable to the others."""
        bridge = self._switch.index("br0")
        self._switch.set_link(port, master=bridge, state="up", mtu=self.mtu)

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
