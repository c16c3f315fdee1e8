"""Each variable that a reload may change is seen to act without a restart."""

from __future__ import annotations

import grp
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.dialling import World as Dialling
from tests.daemon.fakes import World
from tests.daemon.life import Life, told
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.variables import VARIABLES
from tincd_compat.daemon.graphdump import DUMP_INTERVAL


def bind_to_interface(life: Life) -> None:
    world = Dialling(life.loop)
    used: list[str | None] = []

    async def connect(
        address: SocketAddress, *, interface: str | None, **_: object
    ) -> socket.socket:
        used.append(interface)
        raise OSError

    world.dialer._connect = connect
    world.settings.current = replace(world.settings.current, bind_to_interface="eth7")
    world.go()
    life.loop.call(world.dialer.stop)
    assert used == ["eth7"]


def connect_to(life: Life) -> None:
    life.write("ConnectTo = third\n")
    life.signal("HUP")
    assert life.tasks() == ["ConnectTo third"]


def graph_dump_file(life: Life) -> None:
    path = life.directory / "graph"
    life.write(f"GraphDumpFile = {path}\n")
    life.signal("HUP")
    life.loop.advance(DUMP_INTERVAL)
    assert "us" in path.read_text()


def pmtu(life: Life) -> None:
    world = World(life.loop)
    world.in_force.current = replace(world.settings, pmtu=1111)
    world.call_in("peer").shake_hands()
    assert "peer mtu 1111" in world.take_log()


def scripts_interpreter(life: Life) -> None:
    assert life.interpreter() is None
    life.write("ScriptsInterpreter = /bin/sh\n")
    life.signal("HUP")
    assert life.interpreter() == "/bin/sh"


def control_socket(life: Life) -> None:
    life.write("ControlSocket = /run/elsewhere\n")
    life.signal("HUP")
    assert life.control.places[-1] == (Path("/run/elsewhere"), None)


def control_group(life: Life) -> None:
    group = grp.getgrgid(0)
    life.write(f"ControlGroup = {group.gr_name}\n")
    life.signal("HUP")
    assert life.control.places[-1] == (life.directory / "pid.sock", group.gr_gid)


def event_history(life: Life) -> None:
    life.write("EventHistory = 0\n")
    life.signal("HUP")
    assert life.control.ask("/v1/events") == (200, [])


def health_hold_off(life: Life) -> None:
    life.write("HealthHoldOff = 7\n")
    life.signal("HUP")
    assert life.daemon._operators.own.view().hold_off == 7


EFFECTS: dict[str, Callable[[Life], None]] = {
    "BindToInterface": bind_to_interface,
    "ConnectTo": connect_to,
    "ControlGroup": control_group,
    "ControlSocket": control_socket,
    "EventHistory": event_history,
    "GraphDumpFile": graph_dump_file,
    "HealthHoldOff": health_hold_off,
    "PMTU": pmtu,
    "ScriptsInterpreter": scripts_interpreter,
}


@pytest.mark.parametrize(
    "variable", [name for name, each in VARIABLES.items() if each.reload]
)
def test_a_new_value_acts(life: Life, variable: str) -> None:
    life.start()
    EFFECTS[variable](life)


def test_what_has_to_wait_is_said(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    life.write("Port = 700\nConnectTo = peer\nCipher = aes-128-cbc\n")
    caplog.clear()
    life.signal("HUP")
    assert [line for line in told(caplog) if "next start" in line] == [
        "Cipher has changed, which takes effect at the next start",
        "Port has changed, which takes effect at the next start",
    ]
