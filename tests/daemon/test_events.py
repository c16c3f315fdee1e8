from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.daemon.fakes import subnet
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.events import ScriptEvents
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


#: As captured from tincd 1.0.36.
OWN = "DEVICE=dummy INTERFACE=dummy NAME=alpha NETNAME=vpn"
BETA = f"{OWN} NODE=beta REMOTEADDRESS=10.99.0.2 REMOTEPORT=6552"


def test_device(runner: Recorder, events: ScriptEvents) -> None:
    events.device(True)
    events.device(False)
    assert runner.calls == [f"tinc-up {OWN}", f"tinc-down {OWN}"]


@pytest.mark.parametrize(("up", "word"), [(True, "up"), (False, "down")])
def test_host(runner: Recorder, events: ScriptEvents, up: bool, word: str) -> None:
    events.host(Node("beta"), up, PLACE)
    assert runner.calls == [f"host-{word} {BETA}", f"hosts/beta-{word} {BETA}"]


@pytest.mark.parametrize(("up", "word"), [(True, "up"), (False, "down")])
def test_subnet(runner: Recorder, events: ScriptEvents, up: bool, word: str) -> None:
    events.subnet(Node("beta"), subnet("10.2.0.0/16#7"), up, PLACE)
    assert runner.calls == [f"subnet-{word} {BETA} SUBNET=10.2.0.0/16 WEIGHT=7"]


def test_an_own_subnet_is_nowhere_else(runner: Recorder, events: ScriptEvents) -> None:
    events.subnet(Node("alpha"), subnet("10.1.0.0/16"), True, PLACE)
    assert runner.calls == [f"subnet-up {OWN} NODE=alpha SUBNET=10.1.0.0/16 WEIGHT=10"]


def test_without_a_netname(runner: Recorder) -> None:
    events = ScriptEvents(
        runner, netname=None, name="alpha", device="/dev/net/tun", interface="tun0"
    )
    events.device(True)
    assert runner.calls == [
        "tinc-up DEVICE=/dev/net/tun INTERFACE=tun0 NAME=alpha NETNAME="
    ]
