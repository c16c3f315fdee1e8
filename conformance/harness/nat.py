"""A router that hides a network behind its own address, as home routers do."""

from __future__ import annotations

from typing import Final

from conformance.harness.netns import Lan, Namespace

_RULES: Final = """
add table ip conformance_nat
delete table ip conformance_nat
table ip conformance_nat {{
    chain mapped {{
        type nat hook postrouting priority 100;
        oifname "outside" meta l4proto {{ tcp, udp }} masquerade to :{first}-{last}
        oifname "outside" masquerade
    }}
    chain incoming {{
        type filter hook input priority 0; policy accept;
        iifname "outside" ct state new drop
    }}
    chain passing {{
        type filter hook forward priority 0; policy accept;
        iifname "outside" ct state new drop
    }}
}}
"""
#: Ports of one mapping.
PORTS: Final = 100


class Nat:
    """Host ``host`` of the network outside, and the inner network's way out.

    Every inner address and port keeps one port outside, out of a hundred from
    ``first_port`` on; nothing comes in that was not called for.
    """

    INSIDE: Final = 254

    def __init__(
        self,
        namespace: Namespace,
        inside: Lan,
        outside: Lan,
        host: int,
        *,
        first_port: int,
    ) -> None:
        self.namespace = namespace
        self.address = outside.address(host)
        inside.join(namespace, self.INSIDE, "inside")
        outside.join(namespace, host, "outside")
        namespace.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.map(first_port)

    def forget_after(self, seconds: int) -> None:
        """Forget mappings that were not used for so long."""
        for name in ("udp_timeout", "udp_timeout_stream"):
            path = f"/proc/sys/net/netfilter/nf_conntrack_{name}"
            self.namespace.run("sh", "-c", f"echo {seconds} > {path}")

    def map(self, first_port: int) -> None:
        """Use these ports for connections that are new, or forgotten by then."""
        rules = _RULES.format(first=first_port, last=first_port + PORTS - 1)
        self.namespace.run("nft", "-f", "-", stdin=rules)
