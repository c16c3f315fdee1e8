"""What SIGUSR1 and SIGUSR2 print, as values (third-parties' parsers read the same)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from conformance.harness.waits import Failed

ACTIVE: Final = 0x02
VALID_KEY: Final = 0x02
REACHABLE: Final = 0x10


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """`` NAME at HOST port PORT options X socket N status XXXX outbuf N/N/N``."""

    name: str
    host: str
    options: int
    socket: int
    status: int
    queued: int

    @property
    def active(self) -> bool:
        return bool(self.status & ACTIVE)


@dataclass(frozen=True, slots=True)
class NodeRow:
    """`` NAME at HOST port PORT cipher N digest N ... pmtu N (min N max N)``."""

    name: str
    host: str
    cipher: int
    digest: int
    maclength: int
    compression: int
    options: int
    status: int
    nexthop: str
    via: str
    mtu: int
    minmtu: int
    maxmtu: int

    @property
    def reachable(self) -> bool:
        return bool(self.status & REACHABLE)

    @property
    def valid_key(self) -> bool:
        return bool(self.status & VALID_KEY)

    @property
    def mtu_fixed(self) -> bool:
        """True once path MTU discovery has found both bounds to be one.

        Where the path has become a narrower one meanwhile, C leaves the lower bound
        above the other: what was answered on the first path does not fit the second.
        """
        return self.minmtu >= self.maxmtu == self.mtu


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """`` FROM to TO at HOST port PORT options X weight N``."""

    source: str
    target: str
    host: str
    options: int
    weight: int


@dataclass(frozen=True, slots=True)
class SubnetRow:
    """`` SUBNET owner NAME``, the subnet with its ``#WEIGHT``."""

    subnet: str
    owner: str


@dataclass(frozen=True, slots=True)
class Dump:
    """Both dumps of one daemon, and their text as printed."""

    connections: tuple[ConnectionRow, ...]
    device: str
    bytes_in: int
    bytes_out: int
    nodes: dict[str, NodeRow]
    edges: tuple[EdgeRow, ...]
    subnets: tuple[SubnetRow, ...]
    text: str

    def peers(self) -> list[str]:
        """Return the names of the active connections, sorted."""
        return sorted(row.name for row in self.connections if row.active)

    def edge_names(self) -> set[tuple[str, str]]:
        return {(edge.source, edge.target) for edge in self.edges}

    def owned(self) -> set[tuple[str, str]]:
        """Return (subnet, owner) pairs."""
        return {(row.subnet, row.owner) for row in self.subnets}


CONNECTIONS_BLOCK: Final = re.compile(
    r"^Connections:\n(?P<rows>(?: .*\n)*)End of connections\.$", re.M
)
TABLES_BLOCK: Final = re.compile(
    r"^Statistics for (?P<device>.*):\n total bytes in: +(?P<in>\d+)\n"
    r" total bytes out: +(?P<out>\d+)\n"
    r"Nodes:\n(?P<nodes>(?: .*\n)*)End of nodes\.\n"
    r"Edges:\n(?P<edges>(?: .*\n)*)End of edges\.\n"
    r"Subnet list:\n(?P<subnets>(?: .*\n)*)End of subnet list\.$",
    re.M,
)

_CONNECTION: Final = re.compile(
    r" (\S+) at (.+) options ([0-9a-f]+) socket (-?\d+) status ([0-9a-f]{4,})"
    r" outbuf \d+/\d+/(\d+)"
)
_NODE: Final = re.compile(
    r" (\S+) at (.+) cipher (\d+) digest (\d+) maclength (\d+) compression (\d+)"
    r" options ([0-9a-f]+) status ([0-9a-f]{4,}) nexthop (\S+) via (\S+)"
    r" pmtu (\d+) \(min (\d+) max (\d+)\)"
)
_EDGE: Final = re.compile(r" (\S+) to (\S+) at (.+) options ([0-9a-f]+) weight (-?\d+)")
_SUBNET: Final = re.compile(r" (\S+) owner (\S+)")


def parse_dump(connections: re.Match[str], tables: re.Match[str]) -> Dump:
    """Read both blocks; Failed names the first line of another form."""
    nodes = [_node(fields) for fields in _rows(_NODE, tables["nodes"])]
    return Dump(
        connections=tuple(
            ConnectionRow(n, host, int(o, 16), int(fd), int(s, 16), int(queued))
            for n, host, o, fd, s, queued in _rows(_CONNECTION, connections["rows"])
        ),
        device=tables["device"],
        bytes_in=int(tables["in"]),
        bytes_out=int(tables["out"]),
        nodes={node.name: node for node in nodes},
        edges=tuple(
            EdgeRow(source, target, host, int(options, 16), int(weight))
            for source, target, host, options, weight in _rows(_EDGE, tables["edges"])
        ),
        subnets=tuple(SubnetRow(*row) for row in _rows(_SUBNET, tables["subnets"])),
        text=f"{connections[0]}\n{tables[0]}\n",
    )


def _node(fields: tuple[str, ...]) -> NodeRow:
    name, host, cipher, digest, maclength, compression = fields[:6]
    options, status, nexthop, via, mtu, minmtu, maxmtu = fields[6:]
    return NodeRow(
        name=name,
        host=host,
        cipher=int(cipher),
        digest=int(digest),
        maclength=int(maclength),
        compression=int(compression),
        options=int(options, 16),
        status=int(status, 16),
        nexthop=nexthop,
        via=via,
        mtu=int(mtu),
        minmtu=int(minmtu),
        maxmtu=int(maxmtu),
    )


def _rows(form: re.Pattern[str], block: str) -> list[tuple[str, ...]]:
    rows = []
    for line in block.splitlines():
        match = form.fullmatch(line)
        if match is None:
            raise Failed(f"a dump line of no known form: {line!r}")
        rows.append(match.groups())
    return rows
