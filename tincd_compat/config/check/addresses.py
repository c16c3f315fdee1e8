"""Address and BindToAddress: ways to write them that other programs know, not tincd.

``HOST PORT``, with a blank, is the only one.  All else goes to the resolver as a host,
which a start or a connection hears of much later, as an unknown name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final

from tincd_compat.config.check.findings import Report
from tincd_compat.config.parser import Config, Entry

_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]+")
_MAX_PORT: Final = 0xFFFF
#: Addresses of this host that a finding names at most.
_SHOWN: Final = 4
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/ \t]*).*")
_BRACKETS: Final = re.compile(r"\[([^\]]*)\](?::([0-9]*))?")
_WITH_PORT: Final = re.compile(r"([^:]+):([0-9]+)")


def check_address(entry: Entry, report: Report) -> None:
    """Look at ``HOST`` or ``HOST PORT``; ``*`` is any host, for BindToAddress."""
    host, _, port = entry.value.partition(" ")
    several = re.search("[,;]", entry.value) is not None
    fault = _fault(entry, entry.value if several else host)
    if fault is not None:
        report.error(entry, fault)
    elif port.strip(" "):
        check_port(entry, port.strip(" "), report)


def check_port(entry: Entry, port: str, report: Report) -> None:
    """Look at a port that is not the name of a service."""
    if " " in port:
        report.error(entry, f"`{port}' is more than a port: nothing may follow it")
    elif not _NUMBER.match(port):
        return
    elif not _NUMBER.fullmatch(port):
        report.error(entry, f"`{port}' is neither a number nor the name of a service")
    elif not 0 <= int(port[:9]) <= _MAX_PORT:
        report.error(entry, f"there is no port {port}, the highest is {_MAX_PORT}")


def check_bound(
    config: Config, host_addresses: Callable[[], Mapping[str, str]], report: Report
) -> None:
    """Look whether this host has the addresses that its sockets are bound to.

    ``host_addresses`` returns the addresses of this host, each with the name of its
    interface; none if it does not know.
    """
    named = [
        (entry, wanted)
        for entry in config.all("BindToAddress")
        if (wanted := _own_address(entry.value.partition(" ")[0])) is not None
    ]
    # The kernel is asked once, however many lines the file has.
    there = host_addresses() if named else {}
    for entry, wanted in named:
        if not there or str(wanted) in there:
            continue
        alike = [
            f"{text} ({interface})"
            for text, interface in there.items()
            if (own := _own_address(text)) and own.version == wanted.version
        ]
        known = f"there is {', '.join(alike[:_SHOWN])}" if alike else "there is none"
        report.warning(
            entry,
            f"no interface of this host has {wanted} now: {known}; tincd only starts"
            " without it with `FreeBind = yes'",
        )


def _own_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address that a single interface has; None for names and all others."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    common = address.is_unspecified or address.is_loopback or address.is_multicast
    return None if common or address.is_link_local else address


def _fault(entry: Entry, host: str) -> str | None:
    """Return what is wrong with a host and how to write it; None if nothing shows."""
    if "," in host or ";" in host:
        return f"one line has one address: write an {entry.variable} line for each"
    if "\t" in host:
        written = " ".join(host.split())
        return f"only a blank divides host and port, no tab: write `{written}'"
    if match := _URL.fullmatch(host):
        return f"tincd knows no URLs: write `{_plain(match[1])}'"
    if match := _BRACKETS.fullmatch(host):
        return f"tincd knows no brackets: write `{_plain(host)}'"
    if match := _WITH_PORT.fullmatch(host):
        return f"a blank divides host and port, no colon: write `{_plain(host)}'"
    name, slash, _ = host.partition("/")
    if slash:
        return f"an address has no prefix length: write `{name}'"
    if host == "*" and entry.variable.lower() == "address":
        return "`*' is no address that a connection could be made to"
    return None


def _plain(host: str) -> str:
    """Return ``HOST PORT`` for ``HOST:PORT`` or ``[HOST]:PORT``."""
    match = _BRACKETS.fullmatch(host) or _WITH_PORT.fullmatch(host)
    return " ".join(part for part in match.groups() if part) if match else host
