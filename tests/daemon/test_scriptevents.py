from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.daemon.fakes import subnet
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.daemon import scriptevents as module
from tincd_compat.daemon.graphruns import MANY
from tincd_compat.daemon.scriptevents import ScriptEvents
from tincd_compat.daemon.slices import LATER
from tincd_compat.mesh.graph import Flips
from tincd_compat.mesh.node import Node
from tincd_compat.service.scripts import ScriptRunner

PLACE = SocketAddress("10.99.0.2", 6552)


class Recorder(ScriptRunner):
    """Writes down what it should run."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), {})
        self.calls: list[str] = []

    def absent(self, name: str) -> bool:
        return False

    def run(self, name: str, variables: Mapping[str, str]) -> None:
        pairs = [f"{key}={value}" for key, value in sorted(variables.items())]
        self.calls.append(" ".join([name, *pairs]))


@pytest.fixture
def runner() -> Recorder:
    return Recorder()


@pytest.fixture
def events(runner: Recorder) -> ScriptEvents:
    return ScriptEvents(
        runner, netname="vpn", name="alpha", device="dummy", interface="dummy"
    )


def flips(*names: str, up: bool = True) -> Flips:
    """Return that nodes came or went, in this order."""
    return Flips([Node(name, PLACE, reachable=up) for name in names])


#: As captured from tincd 1.0.36.
OWN = "DEVICE=dummy INTERFACE=dummy NAME=alpha NETNAME=vpn"
BETA = f"{OWN} NODE=beta REMOTEADDRESS=10.99.0.2 REMOTEPORT=6552"


def test_device(runner: Recorder, events: ScriptEvents) -> None:
    events.device(True)
    events.device(False)
    assert runner.calls == [f"tinc-up {OWN}", f"tinc-down {OWN}"]


@pytest.mark.parametrize(("up", "word"), [(True, "up"), (False, "down")])
def test_host(runner: Recorder, events: ScriptEvents, up: bool, word: str) -> None:
    events.nodes(flips("beta", up=up), lambda node: [])
    assert runner.calls == [f"host-{word} {BETA}", f"hosts/beta-{word} {BETA}"]


@pytest.mark.parametrize(("up", "word"), [(True, "up"), (False, "down")])
def test_subnet(runner: Recorder, events: ScriptEvents, up: bool, word: str) -> None:
    events.subnets(Node("beta"), [subnet("10.2.0.0/16#7")], up, PLACE)
    assert runner.calls == [f"subnet-{word} {BETA} SUBNET=10.2.0.0/16 WEIGHT=7"]


def test_an_own_subnet_is_nowhere_else(runner: Recorder, events: ScriptEvents) -> None:
    events.subnets(Node("alpha"), [subnet("10.1.0.0/16")], True, PLACE)
    assert runner.calls == [f"subnet-up {OWN} NODE=alpha SUBNET=10.1.0.0/16 WEIGHT=10"]


def test_without_a_netname(runner: Recorder) -> None:
    events = ScriptEvents(
        runner, netname=None, name="alpha", device="/dev/net/tun", interface="tun0"
    )
    events.device(True)
    assert runner.calls == [
        "tinc-up DEVICE=/dev/net/tun INTERFACE=tun0 NAME=alpha NETNAME="
    ]


class Later:
    """Begins no work before it is told to."""

    def __init__(self) -> None:
        self.work: dict[str, Iterable[object]] = {}

    def begin(self, subject: str, work: Iterable[object]) -> None:
        self.work[subject] = work

    def go_on(self) -> None:
        for work in self.work.values():
            deque(work, maxlen=0)


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def waiting(runner: Recorder, later: Later) -> ScriptEvents:
    return ScriptEvents(
        runner, netname="", name="us", device="", interface="", begin=later.begin
    )


def names(runner: Recorder) -> list[str]:
    return [call.split()[0] for call in runner.calls]


def test_events_wait_in_their_order(
    runner: Recorder, later: Later, waiting: ScriptEvents
) -> None:
    waiting.nodes(flips("b", "a"), lambda node: [subnet("10.2.0.0/16")])
    assert runner.calls == []
    later.go_on()
    assert names(runner) == [
        *("host-up", "hosts/b-up", "subnet-up"),
        *("host-up", "hosts/a-up", "subnet-up"),
    ]


def test_many_are_left_to_the_next_turn(
    runner: Recorder, later: Later, waiting: ScriptEvents
) -> None:
    many = [f"n{number}" for number in range(MANY + 1)]
    waiting.nodes(flips(*many), lambda node: [])
    steps = iter(later.work["scripts"])
    assert next(steps) == LATER
    assert runner.calls == []
    deque(steps, maxlen=0)
    assert len(runner.calls) == 2 * len(many)


def test_the_device_comes_last(runner: Recorder, waiting: ScriptEvents) -> None:
    waiting.nodes(flips("a", up=False), lambda node: [])
    waiting.device(False)
    assert names(runner) == ["host-down", "hosts/a-down", "tinc-down"]


def test_more_than_can_wait_is_left_out_and_told_once(
    runner: Recorder,
    later: Later,
    waiting: ScriptEvents,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    subnets = [subnet("10.2.0.0/16"), subnet("10.3.0.0/16")]
    for _ in range(2):
        for name in ("a", "b"):
            waiting.subnets(Node(name), subnets, True, PLACE)
        waiting.nodes(flips("c", up=False), lambda node: subnets)
        later.go_on()
        assert names(runner) == ["subnet-up"] * 3
        runner.calls.clear()
    expected = [
        "Too many scripts are waiting, leaving out subnet-up",
        "Scripts left out: 1 subnet-up, 1 host-down, 2 subnet-down",
    ]
    assert caplog.messages == expected * 2


def test_a_step_is_one_subnet(
    runner: Recorder, later: Later, waiting: ScriptEvents
) -> None:
    """A node can have thousands; whoever cannot wait gets the rest in its order."""
    subnets = [subnet(f"10.{number}.0.0/16") for number in range(3)]
    waiting.nodes(flips("a"), lambda node: subnets)
    steps = iter(later.work["scripts"])
    for count in (2, 3):
        next(steps)
        assert len(runner.calls) == count
    waiting.device(False)
    assert names(runner)[2:] == [*["subnet-up"] * 3, "tinc-down"]
    assert next(steps, None) is None
    assert len(subnets) == 3


def test_subnets_without_a_script_do_not_wait(
    runner: Recorder, later: Later, waiting: ScriptEvents
) -> None:
    runner.absent = lambda name: True  # type: ignore[method-assign]
    waiting.subnets(Node("a"), [subnet("10.2.0.0/16")], True, PLACE)
    assert later.work == {}


def test_subnets_are_only_asked_for_where_there_is_a_script(
    runner: Recorder, waiting: ScriptEvents, later: Later
) -> None:
    runner.absent = lambda name: name == "subnet-down"  # type: ignore[method-assign]
    asked: list[str] = []

    def subnets(node: Node) -> list[Subnet]:
        asked.append(node.name)
        return [subnet("10.2.0.0/16")]

    waiting.nodes(flips("a", up=False), subnets)
    both = Flips([*flips("a", up=False).nodes, *flips("b").nodes])
    waiting.nodes(both, subnets)
    assert asked == ["b"]
    later.go_on()
    assert names(runner) == [
        *("host-down", "hosts/a-down") * 2,
        *("host-up", "hosts/b-up", "subnet-up"),
    ]
