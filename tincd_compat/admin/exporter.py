"""The verb ``exporter``: figures and health of all nets by HTTP, without root."""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from tincd_compat.admin import nets
from tincd_compat.admin.client import Client, over
from tincd_compat.admin.session import FINE, Session
from tincd_compat.errors import TincError

#: Where the exporter listens unless something else is said: on this host alone.
LISTEN: Final = "127.0.0.1:9655"
#: A daemon that hangs costs a scrape so many seconds; Prometheus waits for ten.
PATIENCE: Final = 2.0


class WrongPlace(TincError):
    """The exporter cannot or should not run so; the text says what to do."""


class Place(NamedTuple):
    """Address and port to listen at."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this host reaches the place."""
        return ipaddress.ip_address(self.host).is_loopback


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.description = (
        "Answer /metrics for Prometheus, /healthz, /health/NET and /ready/NET, "
        "with --page a browser, too, and run until it is stopped."
    )
    parser.add_argument(
        "-n",
        "--net",
        action="append",
        default=[],
        metavar="NET",
        help="this net, running or not; may be repeated; else all that are seen to run",
    )
    parser.add_argument(
        "--listen",
        default=LISTEN,
        metavar="ADDRESS:PORT",
        help="where to listen (%(default)s)",
    )
    parser.add_argument(
        "--nodes",
        choices=("linked", "all"),
        default="linked",
        help="in a mesh of more than 200: whose series (%(default)s)",
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="show the mesh to browsers, too, at /: nodes, map, problems and events",
    )
    parser.add_argument(
        "--as-root", action="store_true", help="run as root, which is refused otherwise"
    )


def run(session: Session) -> int:
    """Answer until the process is stopped."""
    options = session.options
    place = place_of(options.listen)
    refuse_root(os.geteuid(), allowed=options.as_root)
    try:
        from tincd_compat.admin.website import Site
    except ImportError:
        raise WrongPlace(
            "exporter needs the library prometheus_client: "
            "pip install 'tincd-compat[metrics]'"
        ) from None
    from tincd_compat.admin.asking import Asker, together
    from tincd_compat.admin.pagesite import PageSite
    from tincd_compat.admin.places import MOST_FOLLOWERS
    from tincd_compat.admin.webserver import serve

    asker = Asker(options.net, nets.running, _client, log, together)
    page = PageSite(asker, own_names(socket.gethostname())) if options.page else None
    site = Site(asker, all_nodes=options.nodes == "all", page=page)
    for line in opening(place, has_page=options.page):
        log(line)
    followers = MOST_FOLLOWERS if options.page else 0
    serve(place.host, place.port, site.answer, log, followers)
    return FINE


def _client(net: str) -> Client:
    return Client(net, over(nets.socket_of(net), net), PATIENCE)


def own_names(host: str) -> frozenset[str]:
    """Return the names by which the page may be asked for, beside addresses."""
    name = host.lower()
    return frozenset({"localhost", name, name.partition(".")[0]})


def place_of(text: str) -> Place:
    """Return address and port of ``ADDRESS:PORT``, an IPv6 address in brackets.

    A place without an address would be all of the host's, which has to be said.
    """
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if is_bracketed else host)
        number = int(port) if port.isascii() and port.isdigit() else -1
    except ValueError:
        address, number = None, -1
    if address is None or (address.version == 6) is not is_bracketed:
        number = -1
    if address is None or not 0 < number <= 0xFFFF:
        raise WrongPlace(
            f"--listen takes an address in figures and a port, like {LISTEN} or "
            f"[::1]:9655, and not '{text}'; all addresses are 0.0.0.0 or [::]"
        )
    return Place(str(address), number)


def refuse_root(user: int, *, allowed: bool) -> None:
    """Refuse the superuser: to ask daemons takes the group of their sockets alone."""
    if user == 0 and not allowed:
        raise WrongPlace(
            "the exporter answers strangers and is not for root: let systemd start "
            "tincd-compat-exporter.service, or a user of the group tinc; "
            "--as-root does it all the same"
        )


def opening(place: Place, *, has_page: bool = False) -> Sequence[str]:
    """Return what is logged at the start."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    lines = [f"exporter listens at http://{host}:{place.port}/metrics"]
    if has_page:
        lines.append(f"the page is at http://{host}:{place.port}/")
    if not place.is_local:
        more = ", their addresses, subnets and events" if has_page else ""
        lines.append(
            f"warning: other hosts can read the names of all nodes{more}, and what is "
            f"wrong in the mesh, at {host} port {place.port}: neither passwords nor "
            "encryption are in between"
        )
    return lines


def log(line: str) -> None:
    """Write a line to standard error, which is the journal under systemd."""
    print(f"tincd-compat: {line}", file=sys.stderr, flush=True)
