"""What a neighbour can say: every request of the protocol, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.costs.cells import Prepare, Step
from tests.costs.crowded import Crowded
from tests.costs.tables import GRAPH, LINKS
from tincd_compat.addresses import Subnet
from tincd_compat.mesh.node import Node


def _says(line: Callable[[Crowded], str]) -> Prepare:
    """Return the step in which peer says a line."""
    return lambda crowded: _saying(crowded, line(crowded))


def _saying(crowded: Crowded, *lines: str) -> Callable[[], object]:
    return partial(crowded.arrive, crowded.peer.raw(*lines))


# Edges.


def _triangle(crowded: Crowded) -> None:
    for ends in (("peer", "x"), ("peer", "y"), ("x", "y")):
        crowded.hear(*crowded.both(*ends))
    crowded.calm_down()


def _changed_edge(crowded: Crowded) -> Callable[[], object]:
    _triangle(crowded)
    return _saying(crowded, crowded.edge("x", "y", 11))


def _known_edge(crowded: Crowded) -> Callable[[], object]:
    number, nonce, *rest = crowded.edge("peer", "x").split()
    crowded.hear(" ".join([number, nonce, *rest]))
    return _saying(crowded, " ".join([number, crowded.nonce(), *rest]))


def _repeated_edge(crowded: Crowded) -> Callable[[], object]:
    line = crowded.edge("peer", "x")
    crowded.hear(line)
    return _saying(crowded, line)


def _detour(crowded: Crowded) -> Callable[[], object]:
    _triangle(crowded)
    return _saying(crowded, crowded.no_edge("x", "y"))


def _loss(crowded: Crowded) -> Callable[[], object]:
    crowded.hear(*crowded.both("peer", "z"))
    crowded.calm_down()
    return _saying(crowded, crowded.no_edge("peer", "z"))


def _loss_and_repair(crowded: Crowded) -> Callable[[], object]:
    crowded.hear(*crowded.both("peer", "z"))
    crowded.calm_down()
    lines = crowded.no_edge("peer", "z"), crowded.edge("peer", "z")
    return _saying(crowded, *lines)


_EDGES: Final = (
    Step("ADD_EDGE", _says(lambda c: c.edge("peer", "x")), LINKS),
    Step("ADD_EDGE, another weight", _changed_edge, LINKS),
    Step("ADD_EDGE, known", _known_edge, LINKS),
    Step("ADD_EDGE, repeated", _repeated_edge, LINKS),
    Step("ADD_EDGE, ours", _says(lambda c: c.edge("us", "x")), LINKS),
    Step("DEL_EDGE, a detour is left", _detour, LINKS),
    Step("DEL_EDGE, unknown", _says(lambda c: c.no_edge("peer", "y1")), LINKS),
    Step("DEL_EDGE, ours", _says(lambda c: c.no_edge("us", "peer")), LINKS),
    Step("DEL_EDGE, a node is cut off", _loss, GRAPH | LINKS),
    Step("DEL_EDGE and ADD_EDGE", _loss_and_repair, GRAPH | LINKS),
)

# Subnets.


def _of_others(crowded: Crowded) -> list[tuple[Subnet, Node]]:
    """Return the subnets that are not ours in the order of the table, at least one."""
    mesh = crowded.mesh
    found = [each for each in mesh.subnets.all() if each[1] is not mesh.myself]
    if found:
        return found
    crowded.hear(crowded.subnet("peer", "10.66.0.0/24"))
    return _of_others(crowded)


def _withdrawn(index: int) -> Prepare:
    def prepare(crowded: Crowded) -> Callable[[], object]:
        subnet, owner = _of_others(crowded)[index]
        return _saying(crowded, crowded.no_subnet(owner.name, str(subnet)))

    return prepare


def _known_subnet(crowded: Crowded) -> Callable[[], object]:
    subnet, owner = _of_others(crowded)[-1]
    return _saying(crowded, crowded.subnet(owner.name, str(subnet)))


def _another_weight(crowded: Crowded) -> Callable[[], object]:
    subnet, owner = _of_others(crowded)[-1]
    return _saying(crowded, crowded.subnet(owner.name, f"{subnet.net}#5555"))


def _our_subnet(crowded: Crowded) -> Callable[[], object]:
    own = crowded.mesh.subnets.of(crowded.mesh.myself)
    return _saying(crowded, crowded.no_subnet("us", str(own[-1])))


_SUBNETS: Final = (
    Step("ADD_SUBNET, known", _known_subnet, LINKS),
    Step("ADD_SUBNET, another weight", _another_weight, LINKS),
    Step("DEL_SUBNET, first", _withdrawn(0), LINKS),
    Step("DEL_SUBNET, last", _withdrawn(-1), LINKS),
    Step("ADD_SUBNET", _says(lambda c: c.subnet("peer", "10.66.0.0/24")), LINKS),
    Step("ADD_SUBNET, ours", _says(lambda c: c.subnet("us", "10.66.0.0/24")), LINKS),
    Step("ADD_SUBNET, new node", _says(lambda c: c.subnet("x1", "10.66.0.0")), LINKS),
    Step("DEL_SUBNET, unknown", _says(lambda c: c.no_subnet("peer", "10.66.0.9"))),
    Step("DEL_SUBNET, no node", _says(lambda c: c.no_subnet("x2", "10.66.0.9"))),
    Step("DEL_SUBNET, ours", _our_subnet),
)

# Keys.


def _for_other(crowded: Crowded) -> str:
    return crowded.key("peer").replace(" us ", " other ")


_KEYS: Final = (
    Step("KEY_CHANGED", _says(lambda c: c.key_changed("peer")), LINKS),
    Step("KEY_CHANGED, no node", _says(lambda c: c.key_changed("x2"))),
    Step("REQ_KEY", _says(lambda _: "15 peer us")),
    Step("REQ_KEY, relayed", _says(lambda _: "15 peer other")),
    Step("REQ_KEY, no node", _says(lambda _: "15 x2 us")),
    Step("ANS_KEY", _says(lambda c: c.key("peer"))),
    Step("ANS_KEY, relayed", _says(_for_other)),
    Step("ANS_KEY, no node", _says(lambda c: c.key("x2"))),
)

# The link alone.


def _packet(target: str) -> Prepare:
    """Return the step in which the second packet comes from peer over TCP."""

    def prepare(crowded: Crowded) -> Callable[[], object]:
        crowded.hear(crowded.subnet("other", "10.67.0.0/24"))
        peer = crowded.peer.connection
        peer.send_packets([bytes(crowded.packet(target))])
        crowded.arrive(peer.data_to_send())
        peer.send_packets([bytes(crowded.packet(target))])
        return partial(crowded.arrive, peer.data_to_send())

    return prepare


def _last_words(line: str) -> Prepare:
    """Return the step in which a neighbour says what ends its connection."""

    def prepare(crowded: Crowded) -> Callable[[], object]:
        guest = crowded.connect("guest")
        return partial(crowded.arrive, guest.raw(line), guest)

    return prepare


_LINK: Final = (
    Step("PING", _says(lambda _: "8")),
    Step("PONG", _says(lambda _: "9")),
    Step("PACKET to us", _packet("10.1.0.9")),
    Step("PACKET to other", _packet("10.67.0.1")),
    Step("PACKET to nobody", _packet("10.68.0.1")),
    Step("PACKET to all", _packet("255.255.255.255"), LINKS),
    Step("ID", _last_words("0 guest 17"), GRAPH | LINKS),
    Step("METAKEY", _last_words("1 94 64 0 0 AA"), GRAPH | LINKS),
    Step("CHALLENGE", _last_words("2 AA"), GRAPH | LINKS),
    Step("CHAL_REPLY", _last_words("3 AA"), GRAPH | LINKS),
    Step("ACK", _last_words("4 655 10 c"), GRAPH | LINKS),
    Step("STATUS", _last_words("5 0 x"), GRAPH | LINKS),
    Step("ERROR", _last_words("6 0 x"), GRAPH | LINKS),
    Step("TERMREQ", _last_words("7"), GRAPH | LINKS),
    Step("no such request", _last_words("18"), GRAPH | LINKS),
    Step("no request", _last_words("x"), GRAPH | LINKS),
)

MESSAGES: Final = (*_EDGES, *_SUBNETS, *_KEYS, *_LINK)
