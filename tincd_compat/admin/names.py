"""The verb ``names``: the addresses of nodes in the mesh, for resolvers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tincd_compat.admin.client import Client
from tincd_compat.admin.session import FINE, Session
from tincd_compat.admin.text import Record

_FORMATS: Final = ("hosts", "dnsmasq")
#: A subnet of one address has a prefix of this length.
_WHOLE: Final = {False: "32", True: "128"}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default=_FORMATS[0],
        help="lines of /etc/hosts, or host-record= of dnsmasq (%(default)s)",
    )
    parser.add_argument(
        "--suffix",
        default="",
        metavar="DOMAIN",
        help="append this to each name, with its dot: .vpn",
    )


def run(session: Session) -> int:
    """Print the addresses of each net."""
    options = session.options
    for client in session.clients:
        rows = list(addresses(client.many("nodes")))
        if options.json:
            for name, address in rows:
                record = {"record": "name", "net": client.net or None}
                session.say(Client.text({**record, "name": name, "address": address}))
            continue
        for line in render(rows, options.format, options.suffix):
            session.say(line)
    return FINE


def addresses(nodes: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Yield name and address for each subnet that is one address.

    What is no name or no address for a file that other programs read is left out.
    """
    for node in sorted(nodes, key=lambda node: str(node.get("name"))):
        name = node.get("name")
        if not isinstance(name, str) or not is_name(name):
            continue
        for subnet in node.get("subnets") or ():
            if (address := single(str(subnet))) is not None:
                yield name, address


def is_name(text: str) -> bool:
    """Return whether tinc would take this as the name of a node."""
    return text.isascii() and text.replace("_", "a").isalnum()


def single(subnet: str) -> str | None:
    """Return the address of a subnet of one address; None for any other."""
    text = subnet.partition("#")[0]
    address, slash, length = text.partition("/")
    is_six = ":" in address
    if slash and length != _WHOLE[is_six]:
        return None
    import ipaddress

    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


def render(rows: Sequence[tuple[str, str]], form: str, suffix: str) -> list[str]:
    """Return the lines of a file."""
    if form == "dnsmasq":
        return [f"host-record={name}{suffix},{address}" for name, address in rows]
    return [f"{address}\t{name}{suffix}" for name, address in rows]
