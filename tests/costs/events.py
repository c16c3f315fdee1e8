"""What else can happen: signals, packets, links that come and go, and time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.costs.cells import Prepare, Step
from tests.costs.crowded import Crowded
from tests.costs.tables import EVERYTHING, GRAPH, LINKS
from tincd_compat.control.stations import FRESH

# Packets.


def _from_device(target: str) -> Prepare:
    """Return the step in which the second frame comes from our device."""

    def prepare(crowded: Crowded) -> Callable[[], object]:
        crowded.hear(crowded.subnet("peer", "10.67.0.0/24"))
        crowded.from_device(crowded.packet(target))
        return partial(crowded.from_device, crowded.packet(target))

    return prepare


def _first_to(target: str) -> Prepare:
    """Return the step in which a frame comes after subnets have changed."""

    def prepare(crowded: Crowded) -> Callable[[], object]:
        crowded.from_device(crowded.packet(target))
        crowded.hear(crowded.subnet("peer", f"10.69.0.0/24#{int(crowded.nonce(), 16)}"))
        return partial(crowded.from_device, crowded.packet(target))

    return prepare


def _first_after_the_graph(target: str) -> Prepare:
    def prepare(crowded: Crowded) -> Callable[[], object]:
        crowded.hear(*crowded.both("peer", "x"))
        crowded.calm_down()
        return partial(crowded.from_device, crowded.packet(target))

    return prepare


def _broadcast_after_a_key(crowded: Crowded) -> Callable[[], object]:
    crowded.from_device(crowded.packet("255.255.255.255"))
    crowded.hear(crowded.key_changed("peer"), crowded.key("peer"))
    return partial(crowded.from_device, crowded.packet("255.255.255.255"))


def _junk(crowded: Crowded) -> Callable[[], object]:
    crowded.from_udp("192.0.2.1", bytes(100))
    return partial(crowded.from_udp, "192.0.2.1", bytes(100))


_PACKETS: Final = (
    Step("a frame to peer", _from_device("10.67.0.1")),
    Step("a frame to nobody", _from_device("10.68.0.1")),
    Step("a frame to all", _from_device("255.255.255.255"), LINKS),
    Step("the first frame to peer", _first_to("10.67.0.1")),
    Step("the first frame to many weights", _first_to("10.65.0.1")),
    Step("a frame to peer after the graph", _first_after_the_graph("10.67.0.1")),
    Step(
        "a frame to many weights after the graph",
        _first_after_the_graph("10.65.0.1"),
        frozenset({"weights of one network", "weights of an unreachable node"}),
    ),
    Step(
        "a frame to all after the graph",
        _first_after_the_graph("255.255.255.255"),
        GRAPH | LINKS,
    ),
    Step("a frame to all after a key", _broadcast_after_a_key, LINKS),
    Step("junk", _junk),
)


def _from_station(mac: str) -> Prepare:
    return lambda crowded: partial(crowded.from_device, crowded.frame(mac))


def _station_elsewhere(crowded: Crowded) -> Callable[[], object]:
    control, later = crowded.daemon.parts.control, crowded.loop.time() + FRESH
    crowded.from_device(crowded.frame("2:1:0:0:0:2"))
    return partial(control.heard_elsewhere, bytes([2, 1, 0, 0, 0, 2]), later)


_STATIONS: Final = (
    Step("a station that is heard elsewhere", _station_elsewhere, LINKS),
    Step("a new station", _from_station("2:1:0:0:0:1"), LINKS),
    Step("a known station", _from_station("2:0:0:0:0:1"), LINKS),
    Step("a station of peer", _from_station("6:0:0:0:0:1"), LINKS),
)

# Links and time.


def _link_up(crowded: Crowded) -> Callable[[], object]:
    return partial(crowded.connect, "guest")


def _link_down(crowded: Crowded) -> Callable[[], object]:
    return crowded.connect("guest").hang_up


def _stranger(crowded: Crowded) -> Callable[[], object]:
    def step() -> None:
        crowded.arrive(b"0 nobody 17\n", crowded.call_in("nobody"))

    return step


def _caller(crowded: Crowded) -> Callable[[], object]:
    def step() -> None:
        crowded.call_in("nobody").hang_up()

    return step


def _tick(crowded: Crowded) -> Callable[[], object]:
    return partial(crowded.loop.advance, 5)


def _graph(crowded: Crowded) -> Callable[[], object]:
    crowded.hear(crowded.edge("peer", "x"))
    return crowded.calm_down


def _key_expiry(crowded: Crowded) -> Callable[[], object]:
    crowded.daemon.parts.control.expire_keys_now()
    return _tick(crowded)


_TIME: Final = (
    Step("the graph", _graph, GRAPH | LINKS),
    Step("a stranger", _stranger, LINKS),
    Step("a caller hangs up", _caller, LINKS),
    Step("a link comes up", _link_up, EVERYTHING),
    Step("a link goes down", _link_down, GRAPH | LINKS),
    Step("a tick", _tick, EVERYTHING),
    Step("keys expire", _key_expiry, EVERYTHING),
)

# Signals, and the end.


def _signal(name: str) -> Prepare:
    return lambda crowded: partial(crowded.signal, name)


def _all_down(crowded: Crowded) -> Callable[[], object]:
    return crowded.peer.hang_up


_SIGNALS: Final = (
    Step("SIGINT", _signal("INT")),
    Step("SIGUSR1", _signal("USR1"), GRAPH | LINKS),
    Step("SIGUSR2", _signal("USR2"), EVERYTHING),
    Step("SIGALRM", _signal("ALRM"), LINKS | {"keys"}),
    Step("SIGHUP", _signal("HUP"), LINKS | {"own subnets", "own stations"}),
    Step("SIGWINCH", _signal("WINCH"), EVERYTHING),
    Step("peer hangs up", _all_down, EVERYTHING),
    Step("SIGTERM", _signal("TERM"), EVERYTHING),
)

EVENTS: Final = (*_PACKETS, *_TIME, *_SIGNALS)
#: In switch mode.
SWITCHED: Final = (*_STATIONS, *EVENTS)
