"""The start of a daemon, without a kernel, and its end."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import pytest

from tests.daemon.life import END, START, Life, told
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.settings import Settings
from tincd_compat.daemon import daemon as module
from tincd_compat.daemon import parts, slices
from tincd_compat.daemon.daemon import STOP_PATIENCE
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.listening import Pair
from tincd_compat.daemon.names import Names
from tincd_compat.errors import ConfigError, DeviceError


def test_a_whole_life(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    assert life.take() == START
    assert told(caplog) == ["Ready"]
    # As whom it was started, in the same root.
    assert life.dropped == []
    assert life.end() == 0
    assert life.take() == END
    assert told(caplog) == ["Got TERM signal", "Terminating"]
    assert life.tcp.closed
    assert life.udp.closed
    assert life.loop.readers == {}


def test_packets_that_are_not_protected(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.write("Cipher = none\nMACLength = 0\n")
    life.start()
    unsafe, forgeable, *rest = told(caplog)
    assert unsafe.startswith("Cipher = none")
    assert forgeable.startswith("MACLength = 0")
    assert rest == ["Ready"]
    life.signal("HUP")
    assert told(caplog) == ["Got HUP signal"]
    life.end()


def test_statistics_at_the_end(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    life.end()
    assert "Statistics for fake fake:" in caplog.messages


@pytest.mark.parametrize("name", ["TERM", "QUIT"])
def test_signals_that_end_it(life: Life, name: str) -> None:
    life.start()
    life.signal(name)
    life.signal(name)
    assert life.loop.run_until_complete(life.result) == 0


def test_an_end_during_tinc_up(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.scripts.over.clear()
    life.start()
    life.signal("TERM")
    assert life.take() == [*START[:3], "STOPPING=1"]
    life.loop.advance(STOP_PATIENCE)
    # Nobody has been told of our subnets.
    assert life.take() == ["dropped", "tinc-down"]
    life.scripts.over.set()
    assert life.loop.run_until_complete(life.result) == 0
    assert life.take() == ["device closed"]
    assert told(caplog) == ["Got TERM signal", "Terminating"]


def test_tinc_down_comes_when_the_others_have_had_their_time(life: Life) -> None:
    life.start()
    life.take()
    life.scripts.over.clear()
    life.signal("TERM")
    assert life.take() == END[:2]
    life.loop.advance(STOP_PATIENCE - 0.1)
    assert life.take() == []
    life.loop.advance(0.1)
    assert life.take() == ["dropped", "tinc-down"]
    # It takes as long as its own patience.
    life.loop.advance(10 * STOP_PATIENCE)
    assert life.take() == []
    life.scripts.over.set()
    assert life.loop.run_until_complete(life.result) == 0
    assert life.take() == ["device closed"]


def test_another_signal_to_stop_hurries(life: Life) -> None:
    life.start()
    life.take()
    life.scripts.over.clear()
    life.signal("TERM")
    life.signal("TERM")
    assert life.take() == [*END[:2], "dropped", "tinc-down"]
    life.loop.advance(10 * STOP_PATIENCE)
    assert life.take() == []
    life.signal("QUIT")
    assert life.take() == ["dropped", "device closed"]
    assert life.result.result() == 0


def test_tinc_up_may_make_what_runs_for_our_subnets(life: Life) -> None:
    life.scripts.over.clear()
    life.start()
    assert life.take() == START[:3]
    life.scripts.over.set()
    life.loop.settle()
    assert life.take() == START[3:]


def test_nobody_can_connect_before_what_runs_for_our_subnets_has_ended(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = life.scripts.run

    def begin(name: str, variables: Mapping[str, str]) -> None:
        run(name, variables)
        if name == "subnet-up":
            life.scripts.over.clear()

    # Only the first step of what takes long is made in a turn of the loop.
    monkeypatch.setattr(slices, "SLICE", -1.0)
    monkeypatch.setattr(life.scripts, "run", begin)
    life.write("", "Subnet = 10.1.0.0/24\nSubnet = 10.8.0.0/24\n")
    life.start()
    assert life.take() == [*START[:4], "subnet-up 10.8.0.0/24"]
    life.scripts.over.set()
    life.loop.settle()
    assert life.take() == START[4:]


def test_a_station_behind_the_device_is_announced(life: Life) -> None:
    life.write("Mode = switch\n")
    life.start()
    life.take()
    life.device.frames = [bytearray(range(60))]
    life.loop.readable(life.device.descriptor)
    assert life.take() == ["subnet-up 6:7:8:9:a:b"]


def test_a_device_that_cannot_be_opened(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.device_error = DeviceError("Could not open /dev/net/tun: No such file")
    life.start()
    assert life.result.result() == 1
    assert life.take() == ["STOPPING=1"]
    assert told(caplog) == ["Could not open /dev/net/tun: No such file", "Terminating"]


def test_no_socket(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.listen_error = ConfigError("Unable to create any listening socket!")
    life.start()
    assert life.result.result() == 1
    assert life.take() == [*START[:4], *END]
    assert told(caplog) == ["Unable to create any listening socket!", "Terminating"]


def test_a_device_that_breaks(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.start()
    life.device.error = DeviceError("Too many errors from fake, exiting!")
    life.loop.readable(life.device.descriptor)
    assert life.loop.run_until_complete(life.result) == 1
    assert told(caplog)[1:] == ["Too many errors from fake, exiting!", "Terminating"]


def test_an_error_of_ours_at_the_start(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.listen_error = ZeroDivisionError("oops")
    life.start()
    assert life.result.result() == 1
    assert life.take() == [*START[:4], *END]
    assert told(caplog) == ["Start: ZeroDivisionError: oops", "Terminating"]


def test_an_error_of_ours_at_the_end(
    life: Life, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def oops(_links: Links) -> None:
        raise ZeroDivisionError("oops")

    life.start()
    life.take()
    with monkeypatch.context() as patch:
        patch.setattr(Links, "close", oops)
        assert life.end() == 1
    assert life.take() == [END[0], *END[-2:]]
    assert told(caplog)[-2:] == ["Stop: ZeroDivisionError: oops", "Terminating"]
    life.daemon.parts.links.close()


def test_links_are_dialled_from_where_we_listen(life: Life) -> None:
    life.start()
    source = life.daemon.parts.links.source_for(SocketAddress("10.0.0.9", 655))
    assert source == SocketAddress("10.0.0.1", 4711)


def test_links_are_dialled_as_our_key_can_answer(life: Life) -> None:
    life.start()
    assert life.daemon.parts.dialer._turn == life.daemon.parts.links.operations.turn


def test_links_end_with_the_daemon(life: Life) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    caller = life.call()
    assert len(list(life.daemon.parts.links)) == 1
    assert life.end() == 0
    assert caller.closed
    assert life.tasks() == []


def test_who_is_left_in_silence_is_so_until_the_end(life: Life) -> None:
    life.start()
    caller = life.call()
    caller.incoming.append(b"")
    life.loop.readable(caller.descriptor)
    assert list(life.daemon.parts.links) == []
    assert not caller.closed
    assert life.end() == 0
    assert caller.closed


def test_priority_and_privileges(life: Life) -> None:
    life.write("ProcessPriority = high\n")
    life.start(user="nobody")
    assert life.take()[-1] == "nice -10"
    assert life.dropped == [("nobody", None)]


@pytest.mark.parametrize(
    ("options", "grows"),
    [
        ({"mlock": True, "user": "nobody"}, True),
        ({"user": "nobody"}, False),
        ({"mlock": True}, False),
        ({"mlock": True, "chroot": True}, False),
    ],
)
def test_locked_memory_may_grow_without_privileges(
    life: Life, options: dict[str, Any], grows: bool
) -> None:
    life.start(**options)
    assert life.take() == [*START, *["memory may grow"] * grows]


@pytest.mark.parametrize("user", [None, "nobody"])
def test_what_leads_out_is_closed_before_the_root_changes(
    life: Life, user: str | None
) -> None:
    found: list[int] = []

    def leave() -> None:
        found.append(len(life.dropped))

    life.start(chroot=True, user=user, leave_root=leave)
    assert found == [0]
    assert life.dropped == [(user, life.directory)]


@pytest.mark.parametrize(
    ("options", "loaded"),
    [({"chroot": True}, [0]), ({"user": "nobody"}, [0]), ({}, [])],
)
def test_what_answers_operators_is_loaded_while_it_can_be(
    life: Life,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    loaded: list[int],
) -> None:
    found: list[int] = []
    monkeypatch.setattr(
        "tincd_compat.daemon.daemon.session_class",
        lambda: found.append(len(life.dropped)),
    )
    life.start(**options)
    assert found == loaded


@pytest.mark.parametrize("chroot", [True, False])
def test_names_are_looked_up_before_the_root_changes(
    life: Life, monkeypatch: pytest.MonkeyPatch, chroot: bool
) -> None:
    """Inside there may be no file of the resolver, and nobody could be dialled."""
    asked: list[tuple[str, str]] = []

    async def lookup(host: str, port: str, family: int) -> list[SocketAddress]:
        assert family == socket.AF_UNSPEC
        asked.append((host, port))
        return []

    monkeypatch.setattr(parts, "Names", lambda: Names(lookup))
    life.write("ConnectTo = peer\nConnectTo = absent\nProxy = http proxy.test 3128\n")
    (life.directory / "hosts" / "peer").write_text("Address = peer.test 4711\n")
    # Nobody can connect while names are looked up.
    life.listen_error = DeviceError("Unable to create any listening socket!")
    life.start(chroot=chroot)
    names = [("proxy.test", "3128"), ("peer.test", "4711")]
    assert asked == (names if chroot else [])
    assert life.result.result() == 1


def test_no_name_is_looked_up_by_who_is_to_stop(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def lookup(host: str, port: str, family: int) -> list[SocketAddress]:
        asked.append(host)
        return []

    monkeypatch.setattr(parts, "Names", lambda: Names(lookup))
    life.write("ConnectTo = peer\n")
    (life.directory / "hosts" / "peer").write_text("Address = peer.test\n")
    life.scripts.over.clear()
    life.start(chroot=True)
    life.signal("TERM")
    life.scripts.over.set()
    assert life.loop.run_until_complete(life.result) == 0
    assert asked == []


def test_a_user_in_the_same_root_keeps_what_is_open(life: Life) -> None:
    def leave() -> None:
        raise AssertionError

    life.start(user="nobody", leave_root=leave)
    assert life.end() == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "4711"),
        ("Port = 0\n", "4711"),
        ("Port = 655\n", "655"),
        ("Port = tinc-no-such-service\n", "4711"),
    ],
)
def test_the_port_that_is_announced(
    life: Life, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    announced: list[str] = []
    life.write(text)
    monkeypatch.setattr(
        Links, "announce_port", lambda _links, port: announced.append(port)
    )
    life.start()
    assert announced == [expected]


def test_sockets_that_are_handed_over(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adopt(settings: Settings, count: int) -> list[Pair]:
        assert count == 1
        return life.open_pairs(settings)

    monkeypatch.setattr(module, "adopt_pairs", adopt)
    monkeypatch.setattr(module, "open_pairs", None)
    life.start(listen_fds=1)
    # tinc-up has seen what the daemon was started with, whoever follows does not.
    assert life.take() == [*START[:4], "without LISTEN_FDS", *START[4:]]


def test_strict_subnets_are_known_from_the_start(life: Life) -> None:
    life.write("StrictSubnets = yes\n")
    (life.directory / "hosts" / "peer").write_text("Subnet = 10.2.0.0/24\n")
    life.start()
    subnets = life.daemon.parts.mesh.subnets
    assert [str(subnet) for subnet, _ in subnets.all()] == [
        "10.1.0.0/24#10",
        "10.2.0.0/24#10",
    ]
    assert life.take() == START


def test_strict_subnets_that_cannot_be_read_end_the_start(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreadable(*_: object) -> None:
        raise ConfigError("Cannot read hosts")

    monkeypatch.setattr(module, "read_subnets", unreadable)
    life.write("StrictSubnets = yes\n")
    life.start()
    assert life.result.result() == 1
    assert told(caplog) == ["Cannot read hosts", "Terminating"]
    assert life.take() == [*START[:2], END[0], *END[-2:]]


# The last resort.


def test_an_error_of_ours_is_told(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    def oops() -> None:
        raise ZeroDivisionError("oops")

    life.start()
    caplog.clear()
    life.loop.call_soon(oops)
    life.loop.settle()
    (record,) = caplog.records
    assert record.getMessage().endswith(": ZeroDivisionError: oops")
    assert record.exc_info is not None
    assert life.end() == 0
