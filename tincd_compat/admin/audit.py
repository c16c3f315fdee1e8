"""The verb ``audit``: how each node's packets are protected, and what is too weak."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Final

from tincd_compat.admin import table
from tincd_compat.admin.client import Client
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.text import (
    UNKNOWN,
    Record,
    Style,
    age,
    clean,
    count,
    duration,
    number,
)

#: Words in the names of ciphers that are not considered safe: blocks of 64 bits, RC4.
_WEAK_CIPHERS: Final = ("bf", "blowfish", "des", "cast", "rc2", "rc4", "idea", "seed")
_WEAK_DIGESTS: Final = ("md4", "md5", "mdc2", "rmd", "ripemd")
_FEWEST_RSA_BITS: Final = 2048
#: Without a whole MAC, four bytes are what tinc uses; fewer are guessed.
_SHORTEST_MAC: Final = 4

_HEAD: Final = ("NODE", "CIPHER", "DIGEST", "KEY AGE", "LINK", "RSA", "FINDING")
#: The protocol of links whose keys are forward secret; the module with all words would
#: take a verb longer than a list of nodes.
FORWARD_SECRET: Final = "17.7"


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--max-age",
        type=float,
        metavar="HOURS",
        help="a finding, too: a key for packets that is older",
    )
    parser.add_argument(
        "--forward-secret",
        action="store_true",
        help="a finding, too: a link whose keys are not forward secret",
    )


def run(session: Session) -> int:
    """Show each node that has given us a key; 1 if there is a finding."""
    result = FINE
    now = session.now()
    for place, client in enumerate(session.clients):
        nodes, links = client.many("nodes"), client.many("links")
        status = client.one("status")
        found = records(
            status,
            nodes,
            links,
            now,
            session.options.max_age,
            forward_secret=session.options.forward_secret,
        )
        if session.options.json:
            for record in found:
                session.say(Client.text(record))
        else:
            if place:
                session.say()
            lines = render(client.net, found, session.style, session.width)
            for line in lines:
                session.say(line)
        if any(record["findings"] for record in found):
            result = FINDING
    return result


def records(
    status: Record,
    nodes: Sequence[Record],
    links: Sequence[Record],
    now: float,
    max_age: float | None,
    *,
    forward_secret: bool = False,
) -> list[Record]:
    """Return what is known of the protection of each node, this one first."""
    linked = {link.get("name"): link for link in links if link.get("active")}
    rows = [_own(status)]
    for node in sorted(nodes, key=lambda node: str(node.get("name"))):
        link = linked.get(node.get("name"))
        if node.get("self") or not (node.get("key") or link):
            continue
        key, rsa = node.get("key"), number((link or {}).get("rsa_bits"))
        protocol = (link or {}).get("protocol")
        seconds = age((key or {}).get("since"), now)
        found = findings(key, rsa)
        if max_age is not None and seconds is not None and seconds > 3600 * max_age:
            found.append(f"the key is older than {max_age:g} h")
        if forward_secret and link and protocol != FORWARD_SECRET:
            found.append("the link is not forward secret")
        rows.append(
            _record(node.get("name"), False, key, seconds, protocol, rsa, found)
        )
    return rows


def forward_secret(links: Iterable[Record]) -> list[str]:
    """Return the peers of active links whose keys are forward secret, sorted."""
    return sorted(
        str(link.get("name"))
        for link in links
        if link.get("active") and link.get("protocol") == FORWARD_SECRET
    )


def _own(status: Record) -> Record:
    """Return the record of this node: how packets to it are to be sealed."""
    suite, bits = status.get("suite"), number(status.get("rsa_bits"))
    found = findings(suite, bits)
    return _record(status.get("name"), True, suite, None, None, bits, found)


def _record(
    node: object,
    is_self: bool,
    suite: Record | None,
    seconds: float | None,
    protocol: object,
    bits: float | None,
    found: Sequence[str],
) -> Record:
    suite = suite or {}
    return {
        "record": "audit",
        "node": node,
        "self": is_self,
        "cipher": suite.get("cipher"),
        "digest": suite.get("digest"),
        "mac_length": suite.get("mac_length"),
        "key_age": seconds,
        "link": protocol,
        "rsa_bits": bits,
        "findings": list(found),
    }


def findings(suite: Record | None, bits: float | None) -> list[str]:
    """Return what is too weak, in words."""
    found = []
    if suite:
        cipher, digest = str(suite.get("cipher")).lower(), str(suite.get("digest"))
        mac = number(suite.get("mac_length"))
        if cipher in ("none", "null"):
            found.append("not encrypted")
        elif cipher.startswith(_WEAK_CIPHERS):
            found.append(f"{clean(cipher)} is weak")
        if digest.lower() in ("none", "null") or mac == 0:
            found.append("no MAC")
        elif digest.lower().startswith(_WEAK_DIGESTS):
            found.append(f"{clean(digest)} is weak")
        elif mac is not None and mac < _SHORTEST_MAC:
            found.append(f"a MAC of {mac:.0f} bytes")
    if bits is not None and bits < _FEWEST_RSA_BITS:
        found.append(f"RSA of {bits:.0f} bits")
    return found


def render(
    net: str, found: Sequence[Record], style: Style, width: int | None
) -> list[str]:
    """Return the text of one net."""
    bad = [record for record in found if record["findings"]]
    words = f"{count(len(bad), 'node')} with findings" if bad else "nothing is too weak"
    rows = [_HEAD, *map(_row, found)]

    def paint(y: int, x: int, text: str) -> str:
        if y == 0:
            return style.bold(text)
        return style.warn(text) if x == len(_HEAD) - 1 else text

    lines = table.lines(rows, width, flexible=(0, len(_HEAD) - 1), paint=paint)
    return [f"{clean(net or 'tinc')}: {words}", "", *lines]


def _row(record: Record) -> tuple[str, ...]:
    mac = record["mac_length"]
    digest = clean(record["digest"])
    return (
        clean(record["node"]) + (" (this one)" if record["self"] else ""),
        clean(record["cipher"]),
        digest if mac is None or digest == UNKNOWN else f"{digest}/{clean(mac)}",
        duration(record["key_age"]),
        clean(record["link"]),
        UNKNOWN if record["rsa_bits"] is None else f"{record['rsa_bits']:.0f}",
        ", ".join(record["findings"]),
    )
