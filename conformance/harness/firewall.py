"""Faults by nftables: what vanishes or is held back, by peer or by length."""

from __future__ import annotations

from conformance.harness.netns import Namespace

_TABLE = """
table inet conformance {
    chain incoming { type filter hook input priority 0; policy accept; }
    chain outgoing { type filter hook output priority 0; policy accept; }
    chain passing { type filter hook forward priority 0; policy accept; }
}
"""


class Firewall:
    """The rules of one namespace; dropped silently, as a network does it."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def block_udp(self, address: str) -> None:
        """Lose every datagram to and from an IPv4 address."""
        self._add(
            f"add rule inet conformance incoming ip saddr {address} "
            "meta l4proto udp drop",
            f"add rule inet conformance outgoing ip daddr {address} "
            "meta l4proto udp drop",
        )

    def deafen(self, address: str) -> None:
        """Lose every datagram from an IPv4 address."""
        self._add(
            f"add rule inet conformance incoming ip saddr {address} "
            "meta l4proto udp drop"
        )

    def hold_tcp(self, address: str) -> None:
        """Let what comes over TCP from an IPv4 address arrive when this is over."""
        self._add(
            f"add rule inet conformance incoming ip saddr {address} "
            "meta l4proto tcp drop"
        )

    def cut(self, address: str) -> None:
        """Lose everything to and from an IPv4 address."""
        self._add(
            f"add rule inet conformance incoming ip saddr {address} drop",
            f"add rule inet conformance outgoing ip daddr {address} drop",
        )

    def only_port(self, port: int) -> None:
        """Lose what comes from any other port of IPv4 hosts, or leaves for one."""
        ours = "meta nfproto ipv4 meta l4proto { tcp, udp }"
        self._add(
            f'add rule inet conformance incoming iifname "eth0" {ours} '
            f"th sport != {port} drop",
            f'add rule inet conformance outgoing oifname "eth0" {ours} '
            f"th dport != {port} drop",
        )

    def limit_udp(self, length: int) -> None:
        """Pass on no datagram whose IP packet is longer than ``length``, unsaid."""
        self._limit(f"meta l4proto udp meta length > {length}")

    def limit_all(self, length: int) -> None:
        """Pass on no IP packet longer than ``length``, unsaid."""
        self._limit(f"meta length > {length}")

    def _limit(self, match: str) -> None:
        self._add(f"add rule inet conformance passing {match} drop")

    def clear(self) -> None:
        """Let everything through again."""
        self._nft("add table inet conformance\ndelete table inet conformance\n")

    def _add(self, *rules: str) -> None:
        self._nft(_TABLE + "\n".join(rules) + "\n")

    def _nft(self, script: str) -> None:
        self._namespace.run("nft", "-f", "-", stdin=script)
