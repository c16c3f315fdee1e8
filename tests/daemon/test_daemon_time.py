"""What a daemon does as time goes by."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from tests.daemon.life import Life
from tincd_compat.daemon.graphdump import DUMP_INTERVAL
from tincd_compat.daemon.slices import Slices
from tincd_compat.daemon.statusline import PROGRAM, SOON
from tincd_compat.service.notify import Notifier


def test_strangers_are_given_up_in_time(life: Life) -> None:
    life.start()
    life.call()
    life.loop.advance(4)
    assert len(list(life.daemon.parts.links)) == 1
    life.loop.advance(6)
    assert list(life.daemon.parts.links) == []


@pytest.mark.parametrize("ping_timeout", [5, 60])
def test_a_handshake_ends_in_its_own_time(life: Life, ping_timeout: int) -> None:
    """Also where the ticks, every PingTimeout seconds, fall differently."""
    life.write(f"PingTimeout = {ping_timeout}\n")
    life.start()
    life.loop.advance(0.4 * ping_timeout)
    life.call()
    life.loop.advance(ping_timeout - 0.1)
    assert len(list(life.daemon.parts.links)) == 1
    life.loop.advance(0.1)
    assert list(life.daemon.parts.links) == []


def test_the_clock_survives_an_error_of_ours(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ticks: list[float] = []

    def settle() -> None:
        ticks.append(life.loop.now)
        raise ZeroDivisionError("oops")

    life.start()
    monkeypatch.setattr(life.daemon.parts.control, "settle", settle)
    caplog.clear()
    life.loop.advance(16)
    assert len(ticks) == 3
    errors = [record for record in caplog.records if "oops" in record.getMessage()]
    assert [bool(record.exc_info) for record in errors] == [True, False, False]
    assert {record.levelname for record in errors} == {"ERROR"}


@pytest.mark.parametrize(("drawn", "after"), [(0.0, 60), (0.99, 55)])
def test_keys_are_renewed_a_little_early_by_chance(
    life: Life,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    drawn: float,
    after: int,
) -> None:
    monkeypatch.setattr(random, "random", lambda: drawn)
    life.write("KeyExpire = 60\n")
    life.start()
    life.loop.advance(after - 1)
    assert "Expiring symmetric keys" not in caplog.messages
    life.loop.advance(1)
    assert caplog.messages.count("Expiring symmetric keys") == 1


def test_pauses_between_attempts_differ_by_chance(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.5)
    life.write("ConnectTo = peer\nMaxTimeout = 60\n")
    life.start()
    caplog.clear()
    life.loop.advance(60)
    assert "Cannot open config file" not in caplog.text
    life.loop.advance(0.5)
    assert "Cannot open config file" in caplog.text


def test_a_node_of_our_name_stops_dialling_for_a_while(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.write("ConnectTo = peer\n")
    life.start()
    pauses = [10]
    monkeypatch.setattr(
        life.daemon.parts.control, "tick", lambda _now: pauses.pop() if pauses else 0
    )
    life.loop.advance(5)
    assert life.tasks() == []
    life.loop.advance(9)
    assert life.tasks() == []
    life.loop.advance(1)
    assert life.tasks() == ["ConnectTo peer"]


@pytest.mark.parametrize("ping_timeout", ["5", "60"])
def test_the_watchdog_is_fed_in_time(life: Life, ping_timeout: str) -> None:
    life.write(f"PingTimeout = {ping_timeout}\n")
    life.notifier = Notifier(life.log.append, 30)
    life.start()
    assert life.take()[-1] == "WATCHDOG=1"
    life.loop.advance(60)
    told = life.take()
    assert [line for line in told if "STATUS" not in line] == ["WATCHDOG=1"] * 6


def test_what_the_log_has_left_out_is_counted_in_time(life: Life) -> None:
    life.start()
    life.loop.advance(20)
    assert life.silent_log.counts == 4


def test_nobody_watches(life: Life) -> None:
    life.start()
    life.take()
    life.loop.advance(60)
    assert "WATCHDOG=1" not in life.take()


def test_the_state_of_the_net_is_told_when_it_changes(life: Life) -> None:
    life.start()
    life.take()
    life.loop.advance(60)
    (line,) = life.take()
    assert line.startswith(f"STATUS={PROGRAM}: 0 connected, 0 of 0 nodes reachable")


def test_the_state_of_the_net_is_that_of_this_moment(life: Life) -> None:
    life.start()
    life.loop.advance(4.99)
    life.take()
    life.find_a_peer_in_a_storm()
    life.loop.advance(0.01 + SOON)
    (line,) = (line for line in life.take() if "STATUS" in line)
    assert line.startswith(
        f"STATUS={PROGRAM}: 0 connected, 1 of 1 nodes reachable, 0 of them"
    )


def test_whatever_walks_through_a_table_gives_way_to_the_loop(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: set[str] = set()
    begin = Slices.begin

    def note(slices: Slices, subject: str, work: Iterable[object]) -> None:
        begun.add(subject)
        begin(slices, subject, work)

    monkeypatch.setattr(Slices, "begin", note)
    life.write(f"GraphDumpFile = {life.directory}/graph\n")
    life.start()
    for name in ("HUP", "USR1", "USR2", "WINCH"):
        life.signal(name)
    life.daemon.parts.tunnels.of(life.daemon.parts.mesh.get_or_add("peer"))
    life.find_a_peer_in_a_storm()
    life.loop.advance(DUMP_INTERVAL)
    signals = {"reload", "connections", "tables", "purge"}
    times = {"tick", "keys", "tunnels", "scripts", "graph"}
    shown = {"paths", "problems", "status line"}
    assert begun == signals | times | shown
