"""When the graph runs, and that waiting with it hides nothing that matters."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.control.gossip import Gossip
from tincd_compat.control.keyexchange import KeyExchange
from tincd_compat.control.rules import Policy
from tincd_compat.control.seen import SeenRequests
from tincd_compat.daemon.control import ControlPlane
from tincd_compat.daemon.graphruns import GraphRuns
from tincd_compat.mesh import graph
from tincd_compat.mesh.backoff import (
    HOLD_DOWN,
    LONG_DELAY,
    LONGEST_DELAY,
    SHORT_DELAY,
    TIME_TO_LEARN,
)
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.messages import AnsKey, Message, ReqKey, parse

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.links import Links


class Clock:
    """Time that passes when told to, and calls back."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, function: Callable[[], None]) -> None:
        self.due.append((self.now + delay, function))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.due.sort(key=lambda planned: planned[0])
        while self.due and self.due[0][0] <= self.now:
            self.due.pop(0)[1]()


class Runs(GraphRuns):
    """Writes down when the graph ran."""

    def __init__(self, deferring: bool = True) -> None:
        self.clock = Clock()
        self.times: list[float] = []
        #: Seconds that a run takes.
        self.slow = 0.0
        later = self.clock.call_later if deferring else None
        super().__init__(self._note, self.clock.time, later)

    def _note(self) -> None:
        self.times.append(round(self.clock.now - 1000, 3))
        self.clock.now += self.slow

    def batch(self, *losses: bool) -> None:
        for loss in losses:
            self.change(loss=loss)
        self.batch_done()


def test_one_run_serves_a_batch() -> None:
    runs = Runs()
    runs.batch(False, False, False)
    assert runs.times == [0]
    assert runs.count == 1


def test_nothing_changed_nothing_to_do() -> None:
    runs = Runs()
    runs.batch()
    runs.settle()
    runs.settle_losses()
    runs.clock.sleep(HOLD_DOWN)
    assert runs.times == []


def test_storm_shares_runs() -> None:
    runs = Runs()
    while runs.clock.now < 1000 + TIME_TO_LEARN:
        runs.batch(False)
        runs.clock.sleep(0.01)
    early = len(runs.times)
    assert early <= 2 + TIME_TO_LEARN / SHORT_DELAY
    while runs.clock.now < 1000 + TIME_TO_LEARN + 2:
        runs.batch(False)
        runs.clock.sleep(0.01)
    assert len(runs.times) - early <= 2 + 2 / LONG_DELAY
    assert runs.deferred == runs.count - 1 == len(runs.times) - 1


def test_last_change_of_a_storm_is_served_too() -> None:
    runs = Runs()
    runs.batch(False)
    runs.batch(False)
    assert runs.times == [0]
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, SHORT_DELAY]
    runs.clock.sleep(HOLD_DOWN)
    runs.batch(False)
    assert runs.times[2:] == [SHORT_DELAY + HOLD_DOWN]


def test_loss_is_served_at_the_end_of_its_batch_even_in_a_storm() -> None:
    runs = Runs()
    runs.batch(False)
    runs.batch(False)
    runs.batch(True, True, True)
    assert runs.times == [0, 0]
    assert not runs.losses
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, 0]
    assert runs.deferred == 0


def test_addition_after_a_loss_needs_a_run() -> None:
    runs = Runs()
    runs.change(loss=False)
    runs.settle_losses()
    assert runs.times == []
    runs.change(loss=True)
    runs.settle_losses()
    assert runs.times == [0]
    runs.settle_losses()
    assert runs.times == [0]


def test_ordered_run_is_never_put_off() -> None:
    runs = Runs()
    runs.batch(False)
    runs.batch(False)
    runs.settle()
    assert runs.times == [0, 0]
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, 0]
    runs.batch(False)
    runs.clock.sleep(SHORT_DELAY)
    assert runs.times == [0, 0, 2 * SHORT_DELAY]


def test_detour_waits_in_a_storm_but_never_long() -> None:
    runs = Runs()
    runs.slow = 1.0
    runs.batch(False)
    runs.clock.sleep(TIME_TO_LEARN)
    runs.batch(False)
    runs.change(loss=False, detour=True)
    assert (runs.losses, runs.detours) == (False, True)
    runs.settle_losses()
    runs.batch_done()
    before = len(runs.times)
    runs.clock.sleep(LONG_DELAY)
    assert len(runs.times) == before + 1
    assert not runs.detours
    runs.clock.sleep(LONGEST_DELAY)
    assert len(runs.times) == before + 1


def test_earlier_run_takes_the_place_of_a_later_one_only_once() -> None:
    runs = Runs()
    runs.slow = 1.0
    runs.batch(False)
    runs.clock.sleep(TIME_TO_LEARN)
    runs.batch(False)
    runs.change(loss=False, detour=True)
    runs.batch_done()
    runs.clock.sleep(LONG_DELAY)
    before = len(runs.times)
    runs.batch(False)
    runs.clock.sleep(LONGEST_DELAY - LONG_DELAY - 0.01)
    assert len(runs.times) == before
    runs.clock.sleep(LONG_DELAY + 0.02)
    assert len(runs.times) == before + 1


def test_lone_detour_is_taken_at_once() -> None:
    runs = Runs()
    runs.change(loss=False, detour=True)
    runs.batch_done()
    assert runs.times == [0]


def test_batches_without_news_do_not_prolong_a_storm() -> None:
    runs = Runs()
    runs.batch(False)
    for _ in range(3):
        runs.clock.sleep(HOLD_DOWN / 2)
        runs.batch()
    runs.batch(False)
    assert runs.times == [0, 1.5 * HOLD_DOWN]


def test_without_a_timer_every_batch_has_its_run() -> None:
    runs = Runs(deferring=False)
    runs.batch(False)
    runs.batch(False)
    runs.batch()
    assert runs.times == [0, 0]


# The same messages with a run after every one of them, as tincd has it, and with as few
# as the rules allow.

NEIGHBOURS = ("a", "b")
FAR = ("c", "d", "e")
NAMES = ("us", *NEIGHBOURS, *FAR)


def place(name: str) -> SocketAddress:
    return SocketAddress(f"10.0.0.{NAMES.index(name) + 1}", 655)


class KeyRing:
    """The keys that packets are sent with, by node: what a tunnel keeps and forgets."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def new_key(self, node: Node) -> AnsKey:
        return AnsKey("us", node.name, "00", 427, 672, 4, 0)

    def new_request(self, node: Node) -> ReqKey:
        return ReqKey("us", node.name)

    def key_requested(self, node: Node, request: ReqKey) -> bool:
        return False

    def introduces(self, node: Node) -> bool:
        return False

    def restarted(self, node: Node) -> None:
        self.void_key(node)

    def install_key(self, node: Node, answer: AnsKey) -> None:
        self.held[node.name] = answer.key

    def void_key(self, node: Node) -> None:
        self.held.pop(node.name, None)

    def node_changed(self, node: Node) -> None:
        self.held.pop(node.name, None)

    def expire_keys(self) -> None: ...

    def limit_mtu(self, node: Node, mtu: int) -> None: ...

    def forget(self, node: Node) -> None: ...

    def topology_changed(self) -> None: ...

    def subnets_changed(self) -> None: ...


class Scripts:
    """Counts how often nodes went up and down."""

    def __init__(self) -> None:
        self.flips: Counter[tuple[str, bool]] = Counter()

    def host(self, node: Node, up: bool, address: SocketAddress | None) -> None:
        self.flips[node.name, up] += 1

    def subnet(
        self, node: Node, subnet: Subnet, up: bool, address: SocketAddress | None
    ) -> None: ...


class Neighbour:
    """An active link; what is sent over it is kept by destination of the relay."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.sent: list[bytes] = []

    def __str__(self) -> str:
        return self.node.name

    def send(self, message: Message) -> None:
        self.sent.append(message.encode())

    def send_line(self, line: bytes, request: object = None) -> None:
        self.sent.append(line)


class World:
    """``us`` with two neighbours; ``eager`` runs the graph after every message."""

    def __init__(self, *, eager: bool) -> None:
        self._eager = eager
        self.mesh = Mesh("us")
        self.keys = KeyRing()
        self.scripts = Scripts()
        self.clock = Clock()
        self._neighbours = {
            name: Neighbour(self.mesh.get_or_add(name)) for name in NEIGHBOURS
        }
        for name in NEIGHBOURS:
            for ends in (("us", name), (name, "us")):
                nodes = self.mesh.get_or_add(ends[0]), self.mesh.get_or_add(ends[1])
                self.mesh.add_edge(*nodes, place(ends[1]), 0xC, 5)
        graph.run(self.mesh)
        nonces = count(0x10000)
        self.control = ControlPlane(
            self.mesh,
            Gossip(self.mesh, Policy(), SeenRequests(60), lambda: next(nonces)),
            KeyExchange(
                self.mesh,
                tunnel_server=False,
                udp_confirmed=lambda node: False,
                nonce=lambda: next(nonces),
                key_expire=3600,
                now=0,
            ),
            cast("Links", self),
            self.keys,
            self.scripts,
            self.clock.time,
            self.clock.call_later,
        )

    # What ControlPlane asks of Links.

    def active(self) -> list[Neighbour]:
        return list(self._neighbours.values())

    def of(self, node: Node) -> Neighbour | None:
        return self._neighbours.get(node.name)

    def hear(self, *lines: str, source: str = "a") -> None:
        """Take lines that arrive in one read."""
        link = self._neighbours[source]
        for line in lines:
            raw = line.encode()
            self.control.handle(cast("Link", link), parse(raw), raw)
            if self._eager:
                self.control.settle()
        self.control.batch_done()

    def reachable(self) -> set[str]:
        return {name for name, node in self.mesh.nodes.items() if node.reachable}

    def usable_keys(self) -> dict[str, str]:
        """The keys of reachable nodes; the others lose theirs on coming back."""
        held, reachable = self.keys.held, self.reachable()
        return {name: key for name, key in held.items() if name in reachable}


def add(nonce: int, source: str, target: str) -> str:
    return f"12 {nonce:x} {source} {target} {place(target).host} 655 c 5"


def both(nonce: int, first: str, second: str) -> list[str]:
    return [add(nonce, first, second), add(nonce, second, first)]


def answer(source: str, key: str) -> str:
    return f"16 {source} us {key} 427 672 4 0"


@pytest.mark.parametrize("back", [both(3, "a", "c"), both(3, "b", "c")])
def test_node_that_goes_and_comes_back_in_one_read_loses_its_key(
    back: list[str],
) -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"), answer("c", "AA"))
    assert world.keys.held == {"c": "AA"}
    world.hear("13 2 a c", "13 2 c a", *back)
    assert world.keys.held == {}
    assert world.scripts.flips == {("c", True): 2, ("c", False): 1}
    assert world.reachable() == {"us", "a", "b", "c"}


def test_key_that_follows_a_comeback_is_kept() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"), answer("c", "AA"))
    world.hear("13 2 a c", *both(3, "a", "c"), answer("c", "BB"))
    assert world.keys.held == {"c": "BB"}


def test_losses_of_one_read_share_a_run() -> None:
    world = World(eager=False)
    for nonce, name in enumerate(FAR):
        world.hear(*both(nonce, "a", name))
    runs = world.control.runs
    before = runs.count
    world.hear(*(f"13 9 a {name}" for name in FAR))
    assert runs.count == before + 1
    assert world.reachable() == {"us", "a", "b"}


def test_loss_that_cuts_nobody_off_asks_for_no_run_of_its_own() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"), answer("c", "AA"))
    world.hear(*both(2, "b", "c"))
    runs = world.control.runs
    before = runs.count
    world.hear("13 3 b c", "13 4 c b")
    assert runs.count == before
    assert not runs.losses
    world.clock.sleep(SHORT_DELAY)
    assert runs.count == before + 1
    assert world.keys.held == {"c": "AA"}


def test_key_messages_do_not_take_a_way_that_is_lost() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"))
    world.hear(*both(2, "b", "d"), *both(3, "d", "c"))
    world.control.settle()
    before = world.control.runs.count
    world.hear("13 4 a c")
    # In a storm the detour waits; nobody was cut off, so additions wait with it.
    world.hear(*both(5, "b", "e"))
    assert world.control.runs.count == before
    world.hear("15 d c")
    assert world.control.runs.count == before + 1
    assert world.mesh.nodes["c"].nexthop is world.mesh.nodes["b"]


def test_keys_of_reachable_nodes_ask_for_no_run() -> None:
    world = World(eager=False)
    world.hear(*both(1, "a", "c"))
    runs = world.control.runs
    before = runs.count
    world.hear(*both(2, "b", "d"), answer("c", "AA"), "15 c us", "14 5 c")
    assert runs.count == before
    world.hear(answer("d", "DD"))
    assert runs.count == before + 1
    assert world.keys.held == {"d": "DD"}


_pairs = st.permutations(NAMES).map(
    lambda names: (names[0], names[1]) if names[0] != "us" else (names[1], names[2])
)
_nonces = st.integers(0, 1 << 30)


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """No log records: there would be hundreds of thousands."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@st.composite
def _lines(draw: st.DrawFn) -> list[str]:
    """One read: edges come and go, often both ways, with key messages between."""
    lines: list[str] = []
    kinds = st.sampled_from(["add", "add", "del", "del", "key", "void", "ask"])
    for kind, (source, target) in draw(st.lists(st.tuples(kinds, _pairs), max_size=8)):
        nonce = draw(_nonces)
        match kind:
            case "add":
                lines.append(add(nonce, source, target))
                if target != "us":
                    lines.append(add(nonce, target, source))
            case "del":
                lines.append(f"13 {nonce:x} {source} {target}")
            case "key":
                lines.append(answer(source, f"{nonce:08X}"))
            case "void":
                lines.append(f"14 {nonce:x} {source}")
            case _:
                lines.append(f"15 {source} {target}")
    return lines


@settings(deadline=None)
@given(st.lists(st.tuples(_lines(), st.sampled_from(NEIGHBOURS), st.booleans())))
def test_keys_are_as_if_the_graph_had_run_after_every_message(
    quiet: None, reads: list[tuple[list[str], str, bool]]
) -> None:
    """Wherever no run is due, both worlds have the same keys for the same nodes."""
    lazy, eager = World(eager=False), World(eager=True)
    for lines, source, pause in reads:
        lazy.hear(*lines, source=source)
        eager.hear(*lines, source=source)
        if pause:
            lazy.clock.sleep(LONG_DELAY)
            assert lazy.reachable() == eager.reachable()
            assert lazy.usable_keys() == eager.usable_keys()
    lazy.control.settle()
    assert lazy.reachable() == eager.reachable()
    assert lazy.usable_keys() == eager.usable_keys()
    assert lazy.control.runs.count <= eager.control.runs.count
    assert not lazy.scripts.flips - eager.scripts.flips
