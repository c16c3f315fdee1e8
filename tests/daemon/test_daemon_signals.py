"""Signals to a daemon, SIGHUP above all: it reads the configuration again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.daemon.fakes import subnet
from tests.daemon.life import Life, told
from tincd_compat.config.settings import Settings
from tincd_compat.daemon import reload, slices
from tincd_compat.errors import ConfigError
from tincd_compat.service.start import StartOptions

# Signals.


def test_alarm(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    assert "Cannot open config file" in caplog.text
    caplog.clear()
    life.signal("ALRM")
    acknowledged, flushing, tried, *_ = told(caplog)
    assert [acknowledged, flushing] == ["Got ALRM signal", "Flushing event queue"]
    assert tried.startswith("Cannot open config file")


def test_more_and_less_in_the_log(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    life.signal("INT")
    assert life.silent_log.calls == ["toggle"]
    assert told(caplog)[-1] == "Got INT signal"


@pytest.mark.parametrize(
    ("name", "line"), [("USR1", "Connections:"), ("USR2", "Subnet list:")]
)
def test_dumps(
    life: Life, name: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    life.start()
    life.signal(name)
    assert line in caplog.messages


def test_the_tables_are_those_of_this_moment(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.start()
    life.find_a_peer_in_a_storm()
    life.device.frames = [bytearray(60)]
    life.loop.readable(life.device.descriptor)
    life.signal("USR2")
    (line,) = (line for line in caplog.messages if line.startswith(" peer at"))
    assert " nexthop peer via peer " in line
    # What was dropped is counted, by reason.
    assert [line for line in caplog.messages if line.startswith(" dropped ")] != []


@pytest.mark.parametrize(
    ("text", "bits"), [("", "c"), ("TCPOnly = yes\n", "b"), ("ClampMSS = no\n", "4")]
)
def test_the_tables_show_our_own_options(
    life: Life, caplog: pytest.LogCaptureFixture, text: str, bits: str
) -> None:
    life.write(text)
    life.start()
    life.signal("USR2")
    (line,) = (line for line in caplog.messages if line.startswith(" us at"))
    assert f" options {bits} " in line


def test_purging(life: Life) -> None:
    life.start()
    life.daemon.parts.mesh.get_or_add("ghost")
    life.signal("WINCH")
    assert set(life.daemon.parts.mesh.nodes) == {"us"}


# Reload.


def test_a_reload(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    life.take()
    caplog.clear()
    life.write("ConnectTo = other\nConnectTo = third\n")
    life.signal("HUP")
    assert life.silent_log.calls == ["reopen"]
    assert told(caplog)[0] == "Got HUP signal"
    assert life.tasks() == ["ConnectTo other", "ConnectTo third"]
    assert life.take() == [
        "RELOADING=1\nMONOTONIC_USEC=1000000000",
        "READY=1",
    ]


def test_a_reload_of_our_own_subnets(life: Life) -> None:
    life.start()
    life.take()
    life.write("", host="Subnet = 10.9.0.0/24\n")
    life.signal("HUP")
    assert [line for line in life.take() if "=" not in line] == [
        "subnet-down 10.1.0.0/24",
        "subnet-up 10.9.0.0/24",
    ]


@pytest.mark.parametrize("strict", ["", "StrictSubnets = yes\n"])
def test_another_name_takes_a_restart(life: Life, strict: str) -> None:
    life.write(strict)
    life.start()
    life.take()
    (life.directory / "hosts" / "them").write_text("Subnet = 10.9.0.0/24\n")
    (life.directory / "tinc.conf").write_text(f"Name = them\n{strict}")
    life.signal("HUP")
    own = life.daemon.parts.mesh.subnets.of(life.daemon.parts.mesh.myself)
    assert [str(subnet) for subnet in own] == ["10.1.0.0/24#10"]
    assert [line for line in life.take() if "=" not in line] == []
    assert life.daemon.settings.name == "us"


def test_strict_subnets_are_read_again(life: Life) -> None:
    life.write("StrictSubnets = yes\n")
    life.start()
    (life.directory / "hosts" / "peer").write_text("Subnet = 10.2.0.0/24\n")
    life.signal("HUP")
    subnets = life.daemon.parts.mesh.subnets
    assert len(subnets.all()) == 2


def test_strict_subnets_of_our_own_may_be_in_tinc_conf(life: Life) -> None:
    life.write("StrictSubnets = yes\nSubnet = 10.8.0.0/24\n")
    life.start()
    up = [line for line in life.take() if line.startswith("subnet-up")]
    assert sorted(up) == ["subnet-up 10.1.0.0/24", "subnet-up 10.8.0.0/24"]
    life.signal("HUP")
    own = life.daemon.parts.mesh.subnets.of(life.daemon.parts.mesh.myself)
    assert sorted(map(str, own)) == ["10.1.0.0/24#10", "10.8.0.0/24#10"]
    assert [line for line in life.take() if "subnet" in line] == []


def test_else_what_others_have_is_for_them_to_say(life: Life) -> None:
    (life.directory / "hosts" / "peer").write_text("Subnet = 10.2.0.0/24\n")
    life.start()
    mesh = life.daemon.parts.mesh
    assert [owner.name for _, owner in mesh.subnets.all()] == ["us"]
    mesh.subnets.add(mesh.get_or_add("peer"), subnet("10.5.0.0/24"))
    life.signal("HUP")
    assert [(str(each), owner.name) for each, owner in mesh.subnets.all()] == [
        ("10.1.0.0/24#10", "us"),
        ("10.5.0.0/24#10", "peer"),
    ]


def test_nobody_is_dialled_in_the_middle_of_a_reload(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    for _ in range(5):
        life.call()
    # One step in each turn of the loop.
    monkeypatch.setattr(slices, "SLICE", -1.0)
    tasks = [life.tasks()]
    life.loop.call_soon(life.loop.signals[signal.SIGHUP])
    while list(life.daemon.parts.links):
        life.loop.run(asyncio.sleep(0))
        tasks.append(life.tasks())
    life.loop.settle()
    assert tasks[0] == life.tasks() == ["ConnectTo peer"]
    assert [] in tasks


@pytest.mark.parametrize("text", ["Name", "Cipher = rot13\n"])
def test_a_broken_configuration_changes_nothing(
    life: Life, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    before = life.daemon.settings
    life.take()
    caplog.clear()
    (life.directory / "tinc.conf").write_text(f"Name = us\n{text}")
    life.signal("HUP")
    assert told(caplog)[-1] == (
        "Unable to reread configuration file, keeping the old configuration."
    )
    assert life.daemon.settings is before
    assert life.tasks() == ["ConnectTo peer"]
    assert life.take()[-1] == "READY=1"
    assert life.end() == 0


def test_many_reloads_dial_once(life: Life) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    for _ in range(20):
        life.loop.call_soon(life.loop.signals[signal.SIGHUP])
    life.loop.settle()
    assert life.tasks() == ["ConnectTo peer"]


def test_a_reload_ends_who_has_not_said_a_name(life: Life) -> None:
    life.start()
    life.call()
    life.signal("HUP")
    assert list(life.daemon.parts.links) == []


def test_a_reload_in_a_chroot(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.start(chroot=True)
    assert life.dropped == [(None, life.directory)]
    assert life.daemon.parts.files.directory == Path("/")
    assert life.scripts.directory == Path("/")
    read: list[Path] = []

    def load_again(options: StartOptions) -> Settings:
        read.append(options.directory)
        raise ConfigError("nothing there")

    monkeypatch.setattr(reload, "load_again", load_again)
    life.signal("HUP")
    assert read == [Path("/")]
